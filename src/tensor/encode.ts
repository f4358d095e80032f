/** JavaScript numbers as bytes of a dtype. */
import { expected } from '../errors.ts';
import type { DType } from './tensor.ts';

/** What `toArray()` fills; a half has no typed array of its own. */
export const arrayTypes = {
  float64: Float64Array,
  float32: Float32Array,
  bfloat16: Float32Array,
  float16: Float32Array,
  int64: BigInt64Array,
  int32: Int32Array,
  uint8: Uint8Array,
  bool: Uint8Array,
} as const;

/** The dtypes that reach JavaScript as float32. */
export const halves: ReadonlySet<DType> = new Set(['bfloat16', 'float16']);

/** First value that fits, and first one above that does not. */
const integerRanges: Partial<Record<DType, readonly [number, number]>> = {
  int64: [-(2 ** 63), 2 ** 63],
  int32: [-(2 ** 31), 2 ** 31],
  uint8: [0, 256],
};

/** The dtype a tensor of this data has when none is given. */
export function dtypeOf(data: ArrayLike<unknown>): DType {
  if (data instanceof Float64Array) return 'float64';
  if (data instanceof BigInt64Array) return 'int64';
  if (data instanceof Int32Array) return 'int32';
  if (data instanceof Uint8Array) return 'uint8';
  return data.length > 0 && Array.from(data).every((value) => typeof value === 'boolean') ? 'bool' : 'float32';
}

/** The elements as bytes, and the dtype these bytes have: libtorch itself rounds to the halves. */
export function encode(given: ArrayLike<unknown>, dtype: DType): [bytes: Uint8Array, stored: DType] {
  if (!Object.hasOwn(arrayTypes, dtype)) throw expected('dtype', `to be one of ${Object.keys(arrayTypes).join(', ')}`, dtype, 'name one of them');
  const data = checkData(given);
  if (dtype === 'bool') return [Uint8Array.from(data, (value) => (Number(value) === 0 ? 0 : 1)), dtype];
  const single = data instanceof Float32Array ? 'float32' : 'float64';
  const stored = halves.has(dtype) ? single : dtype;
  const type = arrayTypes[stored];
  if (data instanceof type) return [new Uint8Array(data.buffer, data.byteOffset, data.byteLength), stored];
  const range = integerRanges[dtype];
  if (range) checkIntegers(data, dtype, range);
  if (dtype === 'int64') return [new Uint8Array(BigInt64Array.from(data, (value) => BigInt(value)).buffer), stored];
  const numeric = type as typeof Float64Array;
  return [new Uint8Array(numeric.from(data as ArrayLike<number>, Number).buffer), stored];
}

function checkData(data: ArrayLike<unknown>): ArrayLike<number | boolean | bigint> {
  // Other typed arrays (Uint32Array, Float16Array, …) have no dtype of their own here.
  const known = Array.isArray(data) || Object.values(arrayTypes).some((type) => data instanceof type);
  if (!known) throw expected('data', 'to be numbers, booleans or a typed array with a dtype of its own', data, 'convert it first');
  if (Array.isArray(data)) {
    for (const value of data as unknown[]) {
      if (typeof value !== 'number' && typeof value !== 'boolean') {
        throw expected('data', 'to be a flat array of numbers or booleans', value, 'flatten it and give the shape beside it');
      }
    }
  }
  return data as ArrayLike<number | boolean | bigint>;
}

function checkIntegers(data: ArrayLike<number | boolean | bigint>, dtype: DType, [low, end]: readonly [number, number]): void {
  for (let i = 0; i < data.length; i++) {
    const value = typeof data[i] === 'boolean' ? Number(data[i]) : (data[i] as number | bigint);
    const whole = typeof value === 'bigint' || Number.isInteger(value);
    if (!whole || value < low || value >= end) throw expected('data', `to be integers that fit ${dtype}`, value, 'round it or choose another dtype');
  }
}
