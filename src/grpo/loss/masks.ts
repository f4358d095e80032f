/** Which tokens and rows lose their policy term. Neither mask changes n, and neither touches the KL. */
import { div, greater, less, logicalAnd, logicalNot, neg, sumOver } from '../../tensor/ops.ts';
import type { Tensor } from '../../tensor/tensor.ts';

/**
 * Rows that drifted and would be pushed away from: Â < 0 and mean(ℓold − ℓθ) > threshold (DeepSeek-V3.2, arXiv 2512.02556).
 *
 * @param logRatio ℓθ − ℓold without gradient, 0 where a token does not count: [B, T]
 * @param counts [B, 1], at least 1
 * @param advantages [B, T]
 * @returns bool [B, T], true = dropped
 */
export function offPolicyTokens(logRatio: Tensor, counts: Tensor, advantages: Tensor, threshold: number): Tensor {
  const drift = neg(div(sumOver(logRatio, [1], true), counts)); // [B, 1], mean of ℓold − ℓθ
  return logicalAnd(less(advantages, 0), greater(drift, threshold));
}

/**
 * The tokens that stay under the entropy mask: entropy at or above the threshold.
 *
 * @param entropy [B, T]
 * @param counted bool [B, T]
 * @returns bool [B, T], true = keeps its policy term
 */
export function uncertainTokens(entropy: Tensor, counted: Tensor, threshold: number): Tensor {
  return logicalAnd(logicalNot(less(entropy, threshold)), counted);
}

/**
 * The entropy above which the most uncertain share of tokens lies: the linear (1 − share) quantile. A run takes it once
 * per update over the entropies recorded in the rollout.
 *
 * @param entropies of the counted tokens, in nats
 * @param topEntropyQuantile share to keep, 0 to 1
 * @returns 0 for no entropies
 */
export function entropyThresholdOf(entropies: ArrayLike<number>, topEntropyQuantile: number): number {
  if (entropies.length === 0) return 0;
  const sorted = Float64Array.from(entropies).sort();
  const exact = (1 - topEntropyQuantile) * (sorted.length - 1);
  // 1 − 0.7 is a hair above 0.3; the rank 3.0000000000000004 of eleven tokens would drop the token it should keep.
  const rank = Math.abs(exact - Math.round(exact)) < 1e-9 ? Math.round(exact) : exact;
  const below = sorted[Math.floor(rank)]!;
  const above = sorted[Math.ceil(rank)]!;
  return below + (rank - Math.floor(rank)) * (above - below);
}
