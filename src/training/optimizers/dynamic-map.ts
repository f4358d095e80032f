/**
 * Block-wise dynamic quantisation (Dettmers et al. 2022, arXiv 2110.02861): every element of a block is a place in a table
 * of 256 numbers in [-1, 1], times the largest magnitude of the block.
 */
import { abs, amax, bucketize, clamp, copy_, div, indexSelect, mul, to, view } from '../../tensor/ops.ts';
import { tensor } from '../../tensor/tensor.ts';
import type { DType, Tensor } from '../../tensor/tensor.ts';

/** Elements that share a scale: bitsandbytes' size for what optimizers remember; the paper's was 2048. */
export const BLOCK = 256;

/** Powers of ten that the leading zeros of a code stand for: 10⁰ to 10⁻⁶. */
const EXPONENTS = 7;

/** Smallest normal number of float32: a block of zeros is divided by it. */
const TINY = 2 ** -126;

/**
 * The numbers that codes 0 to 255 stand for, ascending (section 2.2 of the paper). A code is a sign, zeros that count the
 * power of ten, a one that ends them, and a fraction: the bits that are left cut [0.1, 1] into equal bins, of which it means
 * the middle. 0 and 1 are added. Without a sign there is one bit more for the fraction.
 */
export function dynamicMap(signed: boolean): number[] {
  const magnitudes = Array.from({ length: EXPONENTS }, (_, exponent) => {
    const bins = 2 ** (EXPONENTS - 1 - exponent + (signed ? 0 : 1));
    return Array.from({ length: bins }, (_, bin) => (0.1 + (0.9 * (bin + 0.5)) / bins) * 10 ** -exponent);
  }).flat();
  return [...(signed ? magnitudes.map((value) => -value) : []), 0, ...magnitudes, 1].sort((a, b) => a - b);
}

/** A table of the numbers and of the bounds between them, on the tensor's side. */
export interface Codebook {
  numbers: Tensor; // [256]
  bounds: Tensor; // [255]
}

/** What is remembered of a tensor, in whole blocks; zeros are a tensor of zeros. */
export interface Quantised {
  codes: Tensor; // uint8 [blocks, BLOCK]
  scales: Tensor; // [blocks, 1]
}

/**
 * The table of `dynamicMap`, with every bound in the middle between two numbers. One is elsewhere: without a sign, what is
 * above 0 never becomes 0. These numbers are second moments; one that vanished while its first moment stayed would divide
 * the next step by epsilon alone.
 */
export function codebook(signed: boolean, dtype: DType): Codebook {
  const numbers = dynamicMap(signed);
  const bounds = numbers.slice(1).map((value, i) => (value + numbers[i]!) / 2);
  if (!signed) bounds[0] = 0;
  return { numbers: tensor(numbers, [256], dtype), bounds: tensor(bounds, [255], dtype) };
}

/** The numbers that codes stand for: [blocks · BLOCK]. */
export function dequantise({ codes, scales }: Quantised, { numbers }: Codebook): Tensor {
  const values = view(indexSelect(numbers, 0, to(view(codes, [-1]), 'int32')), codes.shape); // [blocks, BLOCK]
  return view(mul(values, scales), [-1]);
}

/** Writes the nearest codes of `values` [blocks · BLOCK] over the old ones. */
export function quantise_({ codes, scales }: Quantised, values: Tensor, { bounds }: Codebook): void {
  const blocks = view(values, codes.shape);
  copy_(scales, amax(abs(blocks), [1], true));
  copy_(codes, bucketize(div(blocks, clamp(scales, TINY, null)), bounds));
}
