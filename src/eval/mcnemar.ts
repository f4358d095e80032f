/** Questions on which two models disagree. */
export interface Discordant {
  /** Right by the first model alone. */
  onlyFirst: number;
  /** Right by the second model alone. */
  onlySecond: number;
}

/**
 * McNemar's exact test (1947), two-sided: if both models were as good, each question on which they disagree would be a toss
 * of a coin. Twice the smaller tail of the binomial, at most 1.
 */
export function mcnemarExact({ onlyFirst, onlySecond }: Discordant): number {
  const n = onlyFirst + onlySecond;
  const fewer = Math.min(onlyFirst, onlySecond);
  // In logarithms: 2^−n is no float64 beyond n = 1074.
  let logTerm = -n * Math.LN2;
  let tail = Math.exp(logTerm);
  for (let i = 1; i <= fewer; i++) {
    logTerm += Math.log(n - i + 1) - Math.log(i);
    tail += Math.exp(logTerm);
  }
  return Math.min(1, 2 * tail);
}
