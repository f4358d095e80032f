/** A tensor of libtorch: a handle, its facts, its bytes and its gradient. Operations on tensors stand in ops.ts. */
import { DisposedTensorError, expected, OutOfMemoryError, TensorError, TsrlError } from '../errors.ts';
import { native } from './binding.ts';
import type { Handle } from './binding.ts';
import { arrayTypes, dtypeOf, encode, halves } from './encode.ts';
import { Owned, release } from './scope.ts';

/** The element types that cross the border. */
export type DType = 'float64' | 'float32' | 'bfloat16' | 'float16' | 'int64' | 'int32' | 'uint8' | 'bool';

/** Where a tensor lives: `cpu`, `cuda`, `cuda:1`. */
export type Device = string;

/** What `toArray()` gives: bfloat16 and float16 come as float32, bool as 0 and 1. */
export type TensorArray = Float64Array | Float32Array | BigInt64Array | Int32Array | Uint8Array;

/** A tensor. `tensor()` and ops make them; scopes, or their callers, free them. */
export class Tensor extends Owned {
  /** @internal The handle for a native call. Throws `DisposedTensorError` once the tensor is freed. */
  get live(): Handle {
    if (this.handle === 0) {
      throw new DisposedTensorError('Expected a live tensor, got one that was disposed or whose scope has ended; return it from the scope or keep() it.');
    }
    return this.handle;
  }

  #describe(): readonly [DType, Device, ...number[]] {
    // Asked anew each time: an op in place may change the shape, under any tensor over the same memory.
    return native().describe(this.live) as [DType, Device, ...number[]];
  }

  get dtype(): DType {
    return this.#describe()[0];
  }

  get device(): Device {
    return this.#describe()[1];
  }

  /** Sizes of the axes; [] for a scalar. */
  get shape(): number[] {
    return this.#describe().slice(2) as number[];
  }

  /** Size of one axis; negative counts from the end. */
  size(axis: number): number {
    const { shape } = this;
    const size = shape[axis < 0 ? axis + shape.length : axis];
    if (size === undefined) throw expected('axis', `to be one of the ${shape.length} axes`, axis, 'give an axis of the tensor');
    return size;
  }

  /** Number of elements. */
  get length(): number {
    return product(this.shape);
  }

  /** The elements in row-major order as one flat typed array, also for a scalar. Copies. */
  toArray(): TensorArray {
    const { dtype } = this;
    const bytes = this.#bytes('toArray', halves.has(dtype) ? 'float32' : dtype);
    return new arrayTypes[dtype](bytes);
  }

  /** The elements in row-major order, as stored. Copies. */
  toBytes(): Uint8Array {
    return new Uint8Array(this.#bytes('toBytes', this.dtype));
  }

  #bytes(op: string, dtype: DType): ArrayBuffer {
    try {
      return native().toBytes(this.live, dtype);
    } catch (error) {
      throw refusal(op, [this], error);
    }
  }

  /** The only element, as a number. */
  item(): number {
    const values = this.toArray();
    if (values.length !== 1) throw new TensorError(`Expected one element, got shape [${this.shape.join(', ')}]; use toArray().`, { shape: this.shape });
    return Number(values[0]);
  }

  get requiresGrad(): boolean {
    return native().requiresGrad(this.live);
  }

  /** Marks a leaf as one whose gradient is wanted. Returns itself. */
  requiresGrad_(wanted = true): this {
    try {
      const { index } = (requiresGradOp ??= native().lookup('aten::requires_grad_', '')!);
      const alias = native().call(index, [this.live, wanted]) as Handle;
      native().releaseAll(Float64Array.of(alias), 1);
    } catch (error) {
      throw refusal('requiresGrad_', [this], error);
    }
    return this;
  }

  /** The accumulated gradient, or null. A new tensor over the same memory. */
  get grad(): Tensor | null {
    const handle = native().getGrad(this.live);
    return handle === null ? null : new Tensor(handle);
  }

  /** Takes a tensor of the same shape and of `gradDType`, or null. */
  set grad(value: Tensor | null) {
    try {
      checkGradient('grad', this, value);
      if (value && value.dtype !== this.gradDType) throw new Error(`expected \`grad\` to be ${this.gradDType}, as its tensor takes, got ${value.dtype}`);
      native().setGrad(this.live, value?.live ?? null);
    } catch (error) {
      throw refusal('grad', [this, value], error);
    }
  }

  /** The dtype that gradients of a leaf are added up in: its own, unless `gradIn_` said otherwise. */
  get gradDType(): DType {
    return native().gradDtype(this.live) as DType;
  }

  /** Has gradients of a leaf added up in another dtype: sums of 16 bits lose their small terms. Returns itself. */
  gradIn_(dtype: DType): this {
    try {
      native().setGradDtype(this.live, dtype);
    } catch (error) {
      throw refusal('gradIn_', [this], error);
    }
    return this;
  }

  /**
   * Adds d(this)/d(leaf), times `gradient`, to the gradient of every leaf that wants one.
   *
   * @param gradient same shape as this tensor; may be left out for a scalar
   */
  backward(gradient?: Tensor, { retainGraph = false } = {}): void {
    try {
      checkGradient('gradient', this, gradient ?? null);
      native().backward([this.live], [gradient?.live ?? null], retainGraph);
    } catch (error) {
      throw refusal('backward', [this, gradient], error);
    }
  }

  /** Frees the tensor now. Using it afterwards throws `DisposedTensorError`. */
  dispose(): void {
    release(this);
  }
}

let requiresGradOp: { index: number } | null = null;

/** One number or boolean, or a flat array of them in row-major order. */
export type TensorData = number | boolean | readonly number[] | readonly boolean[] | TensorArray;

/**
 * Makes a tensor on the CPU. Floats are rounded to the dtype as libtorch rounds; integers must fit.
 *
 * @param data one number, a flat array in row-major order, or a typed array
 * @param shape sizes of the axes; left out: [] for one number, [length] for an array
 * @param dtype left out: float32 for numbers, bool for booleans, else that of the typed array
 */
export function tensor(data: TensorData, shape?: readonly number[], dtype?: DType): Tensor {
  const single = typeof data === 'number' || typeof data === 'boolean';
  const flat: ArrayLike<unknown> = single ? [data] : data;
  const sizes = shape ?? (single ? [] : [flat.length]);
  checkShape(sizes);
  if (product(sizes) !== flat.length) {
    throw expected('shape', `to have ${flat.length} elements, as the data`, sizes, 'give a shape whose product is the number of elements');
  }
  const kind = dtype ?? dtypeOf(flat);
  const [bytes, stored] = encode(flat, kind);
  return fromBytes('tensor', bytes, sizes, stored, kind);
}

/** A tensor from bytes as they are stored in a file: little-endian, row-major. Copies. */
export function tensorFromBytes(bytes: Uint8Array, shape: readonly number[], dtype: DType): Tensor {
  checkShape(shape);
  if (dtype === 'bool' && bytes.some((byte) => byte > 1)) {
    throw expected('bytes', 'to be 0 or 1 for the dtype bool', bytes.find((byte) => byte > 1), 'check that the bytes are booleans');
  }
  return fromBytes('tensorFromBytes', bytes, shape, dtype, dtype);
}

function fromBytes(op: string, bytes: Uint8Array, shape: readonly number[], stored: DType, dtype: DType): Tensor {
  try {
    return new Tensor(native().fromBytes(bytes, shape, stored, dtype));
  } catch (error) {
    throw refusal(op, [], error);
  }
}

function product(sizes: readonly number[]): number {
  return sizes.reduce((all, size) => all * size, 1);
}

function checkShape(shape: readonly number[]): void {
  if (Array.isArray(shape) && shape.every((size) => Number.isSafeInteger(size) && size >= 0)) return;
  throw expected('shape', 'to be an array of integers, 0 or more', shape, 'give the size of every axis');
}

/** @internal Throws when a gradient has another shape than its tensor: libtorch would add up or spread the difference. */
export function checkGradient(name: string, output: Tensor, gradient: Tensor | null): void {
  if (gradient === null) return;
  const [wanted, got] = [output.shape.join(', '), gradient.shape.join(', ')];
  if (wanted !== got) throw new Error(`expected \`${name}\` to have the shape [${wanted}] of its tensor, got [${got}]`);
}

/** @internal What a check or libtorch said against an op, as an error of ours with the op, the shapes and a JavaScript stack. */
export function refusal(op: string, given: readonly unknown[], error: unknown): TsrlError {
  if (error instanceof TsrlError && !(error instanceof TensorError)) return error;
  const shapes = given.flatMap(shapesOf);
  const shown = shapes.length > 8 ? [...shapes.slice(0, 8), `${shapes.length - 8} more`] : shapes;
  // Behind the first paragraph libtorch lists its backends, a page of them.
  const reason = (error as Error).message.split('\n\n')[0]!.slice(0, 500);
  const Kind = error instanceof DisposedTensorError ? DisposedTensorError : isOutOfMemory(reason) ? OutOfMemoryError : TensorError;
  return new Kind(`${op}(${shown.join(', ')}): ${reason}`, { op, shapes });
}

/**
 * What the allocators of libtorch, CUDA and the C++ library say when there is no more, and what oneDNN says when it gets none
 * for a kernel of a shape that passed every check: its status, out_of_memory, does not come through.
 */
function isOutOfMemory(reason: string): boolean {
  return /can't allocate memory|out of memory|out_of_memory|bad_alloc|fail(ed)? to allocate|could not (create|execute) a primitive|could not create a memory/i.test(reason);
}

function shapesOf(value: unknown): string[] {
  if (value instanceof Tensor) return [value.handle === 0 ? 'disposed' : `${value.dtype}[${value.shape.join(', ')}]`];
  return Array.isArray(value) ? value.flatMap(shapesOf) : [];
}
