/** Rounding up or down by chance, so that the mean is the number itself (Gupta et al. 2015, arXiv 1502.02551). */
import { add_, bitwiseAndScalar_, clone, narrow, randomWords, reshape, toDevice, viewAs } from '../../tensor/ops.ts';
import { tensor } from '../../tensor/tensor.ts';
import type { Tensor } from '../../tensor/tensor.ts';

/** What names the random numbers of some elements of a tensor in an update. */
export interface RoundingKey {
  seed: number;
  update: number;
  /** Place of the tensor among those of the run. */
  tensor: number;
  /** First of the elements; a multiple of `ROUNDING_BLOCK`. */
  start: number;
}

/** Elements whose random numbers share a key. */
export const ROUNDING_BLOCK = 1024;

/** Streams of updates begin here, far behind those of an adapter's dropout, which have the same seed. */
const FIRST_STREAM = 2 ** 48;

/**
 * Numbers that bfloat16 holds exactly: each one of the two neighbours of an element, the nearer the likelier. bfloat16 is
 * the upper half of float32, so that adding 16 random bits and dropping the lower half carries with the share that is dropped.
 *
 * @param exact float32 [n]
 * @returns float32 [n]
 */
export function stochasticBfloat16(exact: Tensor, { seed, update, tensor: place, start }: RoundingKey): Tensor {
  const count = exact.length;
  const blocks = Math.ceil(count / ROUNDING_BLOCK);
  const keys = Array.from({ length: blocks }, (_, i) => place * 2 ** 32 + start / ROUNDING_BLOCK + i);
  const words = randomWords(tensor(keys, [blocks], 'int64'), ROUNDING_BLOCK, seed, FIRST_STREAM + update);
  const bits = toDevice(bitwiseAndScalar_(narrow(reshape(words, [-1]), 0, 0, count), 0xffff), exact.device, 'int32');
  return viewAs(bitwiseAndScalar_(add_(viewAs(clone(exact), 'int32'), bits), -0x10000), 'float32');
}
