/** The element types of tensors at rest, under the names the whole library uses. */
export type DType = 'float64' | 'float32' | 'bfloat16' | 'float16' | 'int64' | 'int32' | 'uint8' | 'bool';

/** The dtype of a tensor as a weight file stores it. */
export type StoredDType = DType;

/** Bytes of one element. */
export const BYTES_PER_ELEMENT: Readonly<Record<DType, number>> = {
  float64: 8,
  float32: 4,
  bfloat16: 2,
  float16: 2,
  int64: 8,
  int32: 4,
  uint8: 1,
  bool: 1,
};

/** What a weight file says about one tensor before its bytes are read. */
export interface TensorInfo {
  dtype: StoredDType;
  shape: readonly number[];
}

/** One tensor as it lies in a file: little-endian, row-major. `bytes` starts on a fresh, aligned buffer. */
export interface RawTensor extends TensorInfo {
  bytes: Uint8Array;
}

/** Rows of a tensor's first axis: from `start` up to, not including, `end`. */
export interface RowRange {
  start: number;
  end: number;
}

/** A tensor on its way into a file; `bytes` is called once, when its turn to be written comes. */
export interface TensorEntry extends TensorInfo {
  name: string;
  bytes: () => Uint8Array;
}

/** Elements of a shape; 1 for a scalar. Not a safe integer when the shape is absurd, so callers that read files check. */
export function elementCount(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}

/** Bytes a tensor takes in a file. */
export function byteLength(info: TensorInfo): number {
  return elementCount(info.shape) * BYTES_PER_ELEMENT[info.dtype];
}
