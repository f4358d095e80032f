/** What resampling says about paired differences and means. Seeded: the same values give the same figures. */
import { mean } from '../grpo/statistics.ts';
import { philox, purpose } from '../tensor/random.ts';
import type { Interval } from './wilson.ts';

/** Up to this many differences all sign patterns are gone through, which is exact. */
const mostEnumerated = 14;

/** How resampling is done. */
export interface Resampling {
  seed?: number;
  /** Resamples drawn. */
  resamples?: number;
}

/**
 * Paired permutation test of whether differences have mean 0, two-sided: under the hypothesis each difference might as well
 * have the other sign. The share of sign patterns whose sum is at least as far from 0 as the one there is: of all patterns for
 * few differences, else of those drawn, the one there is among them (Phipson & Smyth 2010), so that it is never 0.
 */
export function permutationTest(differences: readonly number[], { seed = 0, resamples = 10_000 }: Resampling = {}): number {
  // A difference of 0 has the same sum under either sign.
  const moving = differences.filter((difference) => difference !== 0);
  const size = moving.reduce((sum, difference) => sum + Math.abs(difference), 0);
  const observed = Math.abs(moving.reduce((sum, difference) => sum + difference, 0)) - 1e-12 * size;
  const isAsFar = (isFlipped: (i: number) => boolean): boolean => Math.abs(moving.reduce((sum, difference, i) => sum + (isFlipped(i) ? -difference : difference), 0)) >= observed;
  if (moving.length <= mostEnumerated) {
    const patterns = Array.from({ length: 2 ** moving.length }, (_, pattern) => isAsFar((i) => (pattern >> i) % 2 === 1));
    return patterns.filter(Boolean).length / patterns.length;
  }
  let asFar = 1;
  for (let r = 0; r < resamples; r++) {
    const bits = randomWords(moving.length / 32, seed, r);
    if (isAsFar((i) => ((bits[i >>> 5]! >>> (i & 31)) & 1) === 1)) asFar++;
  }
  return asFar / (resamples + 1);
}

/**
 * 95% interval of the mean of some values by the percentile bootstrap (Efron 1979): the values are drawn anew with
 * replacement, and the middle 95% of the means taken.
 *
 * @param values one or more, independent of one another: one per question, not one per completion
 */
export function bootstrapInterval(values: readonly number[], { seed = 0, resamples = 2_000 }: Resampling = {}): Interval {
  const n = values.length;
  const means = Float64Array.from({ length: resamples }, (_, r) => {
    const words = randomWords(n, seed, r);
    return mean(Array.from({ length: n }, (_value, i) => values[Math.floor((words[i]! / 2 ** 32) * n)]!));
  }).sort();
  return { low: quantile(means, 0.025), high: quantile(means, 0.975) };
}

/** Linear between neighbours, as numpy's default. */
function quantile(sorted: Float64Array, share: number): number {
  const place = share * (sorted.length - 1);
  const below = Math.floor(place);
  const above = Math.min(below + 1, sorted.length - 1);
  return sorted[below]! + (place - below) * (sorted[above]! - sorted[below]!);
}

/** At least `count` random words of 32 bits that depend on seed and resample alone. */
function randomWords(count: number, seed: number, resample: number): number[] {
  const words: number[] = [];
  for (let block = 0; words.length < count; block++) words.push(...philox([resample, block, 0, 0], [seed, purpose.resampling]));
  return words;
}
