/** A share with the range it may lie in. */
export interface Interval {
  low: number;
  high: number;
}

/** The normal quantile of a two-sided 95% interval. */
const z95 = 1.959963984540054;

/**
 * 95% interval of a share by Wilson's score (Wilson, *Probable inference, the law of succession, and statistical
 * inference*, 1927). It stays inside [0, 1] and has a width at 0 and at n successes too.
 *
 * @param successes how many of the trials succeeded
 * @param trials independent trials, 1 or more
 */
export function wilsonInterval(successes: number, trials: number): Interval {
  const share = successes / trials;
  const z2 = z95 ** 2;
  const centre = (share + z2 / (2 * trials)) / (1 + z2 / trials);
  const half = (z95 / (1 + z2 / trials)) * Math.sqrt((share * (1 - share)) / trials + z2 / (4 * trials ** 2));
  // The formula gives exactly 0 and 1 at the ends; its rounding does not.
  return { low: successes === 0 ? 0 : centre - half, high: successes === trials ? 1 : centre + half };
}
