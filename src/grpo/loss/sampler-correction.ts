/** Importance weights for rollouts that another engine sampled with slightly different numbers than the trainer's. */
import { clamp, exp, greater, isNaN, less, logicalOr, maskedFill, sub, sumOver } from '../../tensor/ops.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import type { SamplerCorrection, SamplerCorrectionMode } from './options.ts';

type Bounds = Pick<Required<SamplerCorrection>, 'min' | 'max'>;

/** Ratios beyond the bounds are set to the bound. */
function truncate(ratio: Tensor, { min, max }: Bounds): Tensor {
  return min === null && max === null ? ratio : clamp(ratio, min, max);
}

/** Ratios beyond the bounds are set to 0: what they belong to drops out. */
function mask(ratio: Tensor, { min, max }: Bounds): Tensor {
  return maskedFill(ratio, logicalOr(less(ratio, min ?? -Infinity), greater(ratio, max ?? Infinity)), 0);
}

const modes: Record<SamplerCorrectionMode, (difference: Tensor, bounds: Bounds) => Tensor> = {
  tokenTruncate: (difference, bounds) => truncate(exp(difference), bounds),
  tokenMask: (difference, bounds) => mask(exp(difference), bounds),
  sequenceTruncate: (difference, bounds) => truncate(exp(sumOver(difference, [1], true)), bounds),
  sequenceMask: (difference, bounds) => mask(exp(sumOver(difference, [1], true)), bounds),
};

/**
 * ℓold − ℓsampler, and 0 where the sampler gave no log-probability (NaN). Both are 0 where a token does not count.
 *
 * @returns [B, T] each; `unknown` is bool, true where the sampler gave none
 */
export function samplerDifference(oldLogprobs: Tensor, samplerLogprobs: Tensor): { difference: Tensor; unknown: Tensor } {
  const unknown = isNaN(samplerLogprobs);
  return { difference: maskedFill(sub(oldLogprobs, samplerLogprobs), unknown, 0), unknown };
}

/**
 * The ratio c of trainer to sampler.
 *
 * @param difference [B, T] of `samplerDifference`
 * @returns [B, T] in the token modes, [B, 1] in the sequence modes
 */
export function samplerRatio(difference: Tensor, correction: Required<SamplerCorrection>): Tensor {
  return modes[correction.mode](difference, correction);
}
