/** Calls any op of libtorch by name. Tensors are checked here, before the border; everything else by the op's schema. */
import { expected, TensorError } from '../errors.ts';
import { native } from './binding.ts';
import type { Handle, OpSchema } from './binding.ts';
import { Tensor } from './tensor.ts';

type Convert = (value: unknown, op: string, name: string) => unknown;

interface Prepared {
  index: number;
  arguments: { name: string; convert: Convert }[];
  wrap: (result: unknown) => unknown;
}

const prepared = new Map<string, Prepared>();

/**
 * Calls an op by its full name, such as `aten::add.Tensor`. Arguments are positional, `undefined` takes the schema's
 * default; tensors, numbers, bigints, booleans, strings (also for dtypes and devices), null and arrays of these go in.
 * Results come back as tensors, null (undefined tensor), plain values, or an array of several results.
 *
 * @throws TensorError with `data.op` and `data.shapes` when libtorch refuses
 */
export function dispatch(name: string, args: readonly unknown[]): unknown {
  let op = prepared.get(name);
  if (!op) {
    op = prepare(name);
    prepared.set(name, op);
  }
  const converted: unknown[] = Array.from({ length: args.length });
  for (let i = 0; i < args.length; i++) {
    const argument = op.arguments[i];
    if (!argument) throw new TensorError(`${name} takes ${op.arguments.length} arguments, got ${args.length}.`, { op: name });
    const value = args[i];
    converted[i] = value === undefined ? undefined : argument.convert(value, name, argument.name);
  }
  let result: unknown;
  try {
    result = native().call(op.index, converted);
  } catch (error) {
    const shapes = args.flatMap(shapesOf);
    // Behind the first paragraph libtorch lists its backends, a page of them.
    const reason = (error as Error).message.split('\n\n')[0]!.slice(0, 500);
    throw new TensorError(`${name}(${shapes.join(', ')}): ${reason}`, { op: name, shapes });
  }
  return op.wrap(result);
}

/** The schema of an op as libtorch prints it. */
export function schemaOf(name: string): string {
  return look(name).schema;
}

/** A typed face for an op: `const mm = op<(a: Tensor, b: Tensor) => Tensor>('aten::mm')`. */
export function op<Signature extends (...args: never[]) => unknown>(name: string): Signature {
  return ((...args: unknown[]) => dispatch(name, args)) as unknown as Signature;
}

function look(name: string): OpSchema {
  const dot = name.indexOf('.');
  const found = dot < 0 ? native().lookup(name, '') : native().lookup(name.slice(0, dot), name.slice(dot + 1));
  if (!found) throw expected('op', 'to be an op that this libtorch has, as `aten::add.Tensor`', name, 'check namespace, name and overload');
  return found;
}

function prepare(name: string): Prepared {
  const { index, args, returns } = look(name);
  const wraps = returns.map((kind) => (kind.startsWith('tensor') ? wrapTensors : (value: unknown) => value));
  return {
    index,
    arguments: args.map((argument) => ({ name: argument.name, convert: converters[argument.kind] ?? refuseTensor })),
    wrap: wraps.length > 1 ? (result) => (result as unknown[]).map((value, i) => wraps[i]!(value)) : (wraps[0] ?? (() => undefined)),
  };
}

function wrapTensors(value: unknown): unknown {
  if (value === null) return null;
  return Array.isArray(value) ? value.map(wrapTensors) : new Tensor(value as Handle);
}

const toHandle: Convert = (value, op, name) => {
  if (value instanceof Tensor) return value.live;
  throw new TensorError(`${op}: expected a tensor for \`${name}\`, got ${typeof value}.`, { op });
};

const toOptionalHandle: Convert = (value, op, name) => (value === null ? null : toHandle(value, op, name));

const toHandles: Convert = (value, op, name) => {
  if (!Array.isArray(value)) throw new TensorError(`${op}: expected an array of tensors for \`${name}\`, got ${typeof value}.`, { op });
  return value.map((item) => toOptionalHandle(item, op, name));
};

// A handle is a number: a tensor where a scalar belongs, or the reverse, must not slip through as one.
const refuseTensor: Convert = (value, op, name) => {
  if (value instanceof Tensor) throw new TensorError(`${op}: expected a plain value for \`${name}\`, got a tensor.`, { op });
  return value;
};

const converters: Record<string, Convert> = {
  tensor: toHandle,
  'tensor?': toOptionalHandle,
  'tensor[]': toHandles,
  'tensor?[]': toHandles,
  'tensor[]?': (value, op, name) => (value === null ? null : toHandles(value, op, name)),
};

function shapesOf(value: unknown): string[] {
  if (value instanceof Tensor) return [value.handle === 0 ? 'disposed' : `${value.dtype}[${value.shape.join(', ')}]`];
  return Array.isArray(value) ? value.flatMap(shapesOf) : [];
}
