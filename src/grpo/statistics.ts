/** The three statistics that rewards and their metrics are made of, in float64. */

/** Arithmetic mean; NaN of an empty list. Equal values give exactly that value, which a sum over n does not promise. */
export function mean(values: readonly number[]): number {
  const first = values[0];
  if (first === undefined) return Number.NaN;
  // The sum of differences is exactly 0 when all values are equal.
  return first + values.reduce((sum, value) => sum + (value - first), 0) / values.length;
}

/** Standard deviation with n−1 in the denominator; NaN of fewer than two values, exactly 0 of equal ones. */
export function standardDeviation(values: readonly number[]): number {
  const centre = mean(values);
  return Math.sqrt(values.reduce((sum, value) => sum + (value - centre) ** 2, 0) / (values.length - 1));
}

/**
 * Whether all values are the same number, up to the rounding of the additions that made them: 0.1 + 0.2 and 0.3 + 0 are
 * one reward, not two.
 *
 * @param magnitudes for each value the sum of the absolute values of its terms; left out, only identical numbers count
 */
export function allEqual(values: readonly number[], magnitudes?: readonly number[]): boolean {
  if (values.length === 0) return true;
  let [low, high, size] = [Infinity, -Infinity, 0];
  values.forEach((value, i) => {
    low = Math.min(low, value);
    high = Math.max(high, value);
    size = Math.max(size, magnitudes?.[i] ?? 0);
  });
  // A sum of a few float64 terms is off by at most a few units in the last place of its largest partial sum.
  return high - low <= 8 * Number.EPSILON * size;
}
