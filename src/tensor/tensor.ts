/** A tensor of libtorch: a handle, its facts, its bytes and its gradient. Operations on tensors stand in ops.ts. */
import { DisposedTensorError, expected, TensorError } from '../errors.ts';
import { native } from './binding.ts';
import type { Handle } from './binding.ts';
import { adopt, release } from './scope.ts';
import type { Owned } from './scope.ts';

/** The element types that cross the border. */
export type DType = 'float64' | 'float32' | 'bfloat16' | 'float16' | 'int64' | 'int32' | 'uint8' | 'bool';

/** Where a tensor lives: `cpu`, `cuda`, `cuda:1`. */
export type Device = string;

/** What `toArray()` gives: bfloat16 and float16 come as float32, bool as 0 and 1. */
export type TensorArray = Float64Array | Float32Array | BigInt64Array | Int32Array | Uint8Array;

export class Tensor implements Owned {
  /** @internal */
  handle: Handle;
  /** @internal */
  owner: Owned['owner'] = null;
  #facts: readonly [DType, Device, ...number[]] | null = null;

  /** @internal Tensors are made by `tensor()` and by ops. */
  constructor(handle: Handle) {
    this.handle = handle;
    adopt(this);
  }

  /** @internal The handle for a native call. Throws `DisposedTensorError` once the tensor is freed. */
  get live(): Handle {
    if (this.handle === 0) {
      throw new DisposedTensorError('Expected a live tensor, got one that was disposed or whose scope has ended; return it from the scope or keep() it.');
    }
    return this.handle;
  }

  #describe(): readonly [DType, Device, ...number[]] {
    const handle = this.live;
    this.#facts ??= native().describe(handle) as [DType, Device, ...number[]];
    return this.#facts;
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
    return this.shape.reduce((product, size) => product * size, 1);
  }

  /** The elements in row-major order as one flat typed array, also for a scalar. Copies. */
  toArray(): TensorArray {
    const { dtype } = this;
    const buffer = native().toBytes(this.live);
    if (dtype === 'bfloat16') return widenBfloat16(new Uint16Array(buffer));
    if (dtype === 'float16') return widenFloat16(new Uint16Array(buffer));
    return new arrayTypes[dtype](buffer);
  }

  /** The elements in row-major order, as stored. Copies. */
  toBytes(): Uint8Array {
    return new Uint8Array(native().toBytes(this.live));
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
    const { index } = (requiresGradOp ??= native().lookup('aten::requires_grad_', '')!);
    const alias = native().call(index, [this.live, wanted]) as Handle;
    native().releaseAll(Float64Array.of(alias), 1);
    return this;
  }

  /** The accumulated gradient, or null. A new tensor over the same memory. */
  get grad(): Tensor | null {
    const handle = native().getGrad(this.live);
    return handle === null ? null : new Tensor(handle);
  }

  set grad(value: Tensor | null) {
    native().setGrad(this.live, value?.live ?? null);
  }

  /**
   * Adds d(this)/d(leaf), times `gradient`, to the gradient of every leaf that wants one.
   *
   * @param gradient same shape as this tensor; may be left out for a scalar
   */
  backward(gradient?: Tensor, { retainGraph = false } = {}): void {
    try {
      native().backward([this.live], [gradient?.live ?? null], retainGraph);
    } catch (error) {
      throw new TensorError(`backward: ${(error as Error).message}`, { op: 'backward', shapes: [this.shape, gradient?.shape ?? null] }, { cause: error });
    }
  }

  /** Frees the tensor now. Using it afterwards throws `DisposedTensorError`. */
  dispose(): void {
    release(this);
  }
}

const arrayTypes = {
  float64: Float64Array,
  float32: Float32Array,
  int64: BigInt64Array,
  int32: Int32Array,
  uint8: Uint8Array,
  bool: Uint8Array,
} as const;

let requiresGradOp: { index: number } | null = null;

/** Nested arrays of numbers, as deep as the shape. */
export type TensorData = number | boolean | readonly number[] | readonly boolean[] | TensorArray;

/**
 * Makes a tensor on the CPU.
 *
 * @param data one number, a flat array in row-major order, or a typed array
 * @param shape sizes of the axes; left out: [] for one number, [length] for an array
 * @param dtype left out: float32 for numbers, else that of the typed array
 */
export function tensor(data: TensorData, shape?: readonly number[], dtype?: DType): Tensor {
  const flat = typeof data === 'number' || typeof data === 'boolean' ? [data] : data;
  const sizes = shape ?? (typeof data === 'number' || typeof data === 'boolean' ? [] : [flat.length]);
  const wanted = sizes.reduce((product, size) => product * size, 1);
  if (wanted !== flat.length) {
    throw expected('shape', `to have ${flat.length} elements, as the data`, sizes, 'give a shape whose product is the number of elements');
  }
  const kind = dtype ?? dtypeOf(flat);
  return new Tensor(native().fromBytes(encode(flat, kind), sizes, kind));
}

/** A tensor from bytes as they are stored in a file: little-endian, row-major. Copies. */
export function tensorFromBytes(bytes: Uint8Array, shape: readonly number[], dtype: DType): Tensor {
  return new Tensor(native().fromBytes(bytes, shape, dtype));
}

function dtypeOf(data: ArrayLike<unknown>): DType {
  if (data instanceof Float64Array) return 'float64';
  if (data instanceof BigInt64Array) return 'int64';
  if (data instanceof Int32Array) return 'int32';
  if (data instanceof Uint8Array) return 'uint8';
  return data.length > 0 && typeof data[0] === 'boolean' ? 'bool' : 'float32';
}

function encode(data: ArrayLike<number | boolean | bigint>, dtype: DType): Uint8Array {
  if (dtype === 'bfloat16' || dtype === 'float16') {
    const words = dtype === 'bfloat16' ? narrowBfloat16(Float32Array.from(data, Number)) : narrowFloat16(Float64Array.from(data, Number));
    return new Uint8Array(words.buffer);
  }
  const type = arrayTypes[dtype];
  if (data instanceof type) return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  if (dtype === 'int64') return new Uint8Array(BigInt64Array.from(data, (value) => BigInt(value)).buffer);
  if (dtype === 'bool') return Uint8Array.from(data, (value) => (value ? 1 : 0));
  const numeric = arrayTypes[dtype] as typeof Float64Array;
  return new Uint8Array(numeric.from(data as ArrayLike<number>, Number).buffer);
}

function widenBfloat16(words: Uint16Array): Float32Array {
  const bits = Uint32Array.from(words, (word) => word << 16);
  return new Float32Array(bits.buffer);
}

// Round to nearest, ties to even, as libtorch does.
function narrowBfloat16(values: Float32Array): Uint16Array {
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  return Uint16Array.from(bits, (word, i) => (Number.isNaN(values[i]) ? 0x7fc0 : (word + 0x7fff + ((word >>> 16) & 1)) >>> 16));
}

function widenFloat16(words: Uint16Array): Float32Array {
  return Float32Array.from(words, (word) => {
    const sign = word & 0x8000 ? -1 : 1;
    const exponent = (word >>> 10) & 31;
    const fraction = word & 1023;
    if (exponent === 31) return fraction ? Number.NaN : sign * Infinity;
    return exponent === 0 ? sign * fraction * 2 ** -24 : sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
  });
}

// From doubles, so that the value is rounded once; ties to even.
function narrowFloat16(values: Float64Array): Uint16Array {
  return Uint16Array.from(values, (value) => {
    if (Number.isNaN(value)) return 0x7e00;
    const sign = value < 0 || Object.is(value, -0) ? 0x8000 : 0;
    const size = Math.abs(value);
    if (size >= 65520) return sign | 0x7c00;
    const exponent = Math.max(-14, Math.floor(Math.log2(size || 2 ** -30)));
    const step = 2 ** (exponent - 10);
    const scaled = size / step;
    let steps = Math.floor(scaled);
    const rest = scaled - steps;
    if (rest > 0.5 || (rest === 0.5 && steps % 2 === 1)) steps += 1;
    // For normal numbers steps is 1024..2048 and carries into the exponent by itself.
    return sign | (exponent === -14 ? steps : ((exponent + 14) << 10) + steps);
  });
}
