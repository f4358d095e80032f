/** How much more likely the policy makes what was sampled than the policy that sampled it did. */
import { div, exp, sumOver } from '../../tensor/ops.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import type { ImportanceSampling } from './options.ts';

/**
 * ρ from log-ratios ℓθ − ℓold.
 *
 * @param logRatio [B, T], 0 where a token does not count
 * @param counts [B, 1], counted tokens of each row, at least 1
 */
export type Ratio = (logRatio: Tensor, counts: Tensor) => Tensor;

/** ρ by `importanceSampling`. */
export const ratios: Record<ImportanceSampling, Ratio> = {
  /** exp(ℓθ − ℓold) of each token: [B, T]. */
  token: (logRatio) => exp(logRatio),
  /** exp of the row's mean log-ratio: [B, 1]. GSPO, arXiv 2507.18071, equation 7. */
  sequence: (logRatio, counts) => exp(div(sumOver(logRatio, [1], true), counts)),
};
