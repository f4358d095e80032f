/** Calls any op of libtorch by name. Tensors are checked here, before the border; everything else by the op's schema. */
import { expected, show } from '../errors.ts';
import { native } from './binding.ts';
import type { Handle, OpSchema } from './binding.ts';
import { refusal, Tensor } from './tensor.ts';

type Convert = (value: unknown, name: string) => unknown;

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
 * An op that writes in place gives a second tensor over the same memory: the argument itself stays what it was, and
 * each of the two is freed on its own.
 *
 * @throws TensorError with `data.op` and `data.shapes` when an argument does not fit or libtorch refuses
 */
export function dispatch(name: string, args: readonly unknown[]): unknown {
  let op = prepared.get(name);
  if (!op) {
    op = prepare(name);
    prepared.set(name, op);
  }
  let result: unknown;
  try {
    result = native().call(op.index, convertAll(args, op.arguments));
  } catch (error) {
    throw refusal(name, args, error);
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

function convertAll(args: readonly unknown[], wanted: Prepared['arguments']): unknown[] {
  if (args.length > wanted.length) throw new Error(`expected at most ${wanted.length} arguments, got ${args.length}`);
  const converted: unknown[] = Array.from({ length: args.length });
  for (let i = 0; i < args.length; i++) {
    const { name, convert } = wanted[i]!;
    converted[i] = args[i] === undefined ? undefined : convert(args[i], name);
  }
  return converted;
}

function wrapTensors(value: unknown): unknown {
  if (value === null) return null;
  return Array.isArray(value) ? value.map(wrapTensors) : new Tensor(value as Handle);
}

const toHandle: Convert = (value, name) => {
  if (value instanceof Tensor) return value.live;
  throw new Error(`expected \`${name}\` to be a tensor, got ${show(value)}`);
};

const toOptionalHandle: Convert = (value, name) => (value === null ? null : toHandle(value, name));

const toHandles: Convert = (value, name) => {
  if (!Array.isArray(value)) throw new Error(`expected \`${name}\` to be an array of tensors, got ${value instanceof Tensor ? 'a tensor' : show(value)}`);
  return value.map((item) => toOptionalHandle(item, name));
};

const refuseTensor: Convert = (value, name) => {
  if (value instanceof Tensor) throw new Error(`expected \`${name}\` to be a plain value, got a tensor`);
  return value;
};

// A handle is a number for the native side: what is a tensor and what a number is decided here.
const converters: Record<string, Convert> = {
  tensor: toHandle,
  'tensor?': toOptionalHandle,
  'tensor[]': toHandles,
  'tensor?[]': toHandles,
  'tensor[]?': (value, name) => (value === null ? null : toHandles(value, name)),
};
