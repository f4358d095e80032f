/** Questions on which two models disagree. */
export interface Discordant {
  /** Right by the first model alone. */
  onlyFirst: number;
  /** Right by the second model alone. */
  onlySecond: number;
}

/** Beyond this a product is scaled down, long before float64 ends. */
const LARGE = 2 ** 500;

/**
 * McNemar's exact test (1947), two-sided: if both models were as good, each question on which they disagree would be a toss
 * of a coin. Twice the smaller tail of the binomial, at most 1.
 */
export function mcnemarExact({ onlyFirst, onlySecond }: Discordant): number {
  const n = onlyFirst + onlySecond;
  const fewer = Math.min(onlyFirst, onlySecond);
  // The largest term C(n, fewer) / 2^n is last · 2^exponent, the tail that times `terms`. A sum of logarithms would lose digits
  // as n grows.
  let [last, exponent, terms] = [1, -n, 1];
  for (let i = 1; i <= fewer; i++) {
    last *= (n - i + 1) / i;
    terms = 1 + (terms * i) / (n - i + 1);
    if (last > LARGE) [last, exponent] = [last / LARGE, exponent + 500];
  }
  // 2^exponent in two halves: 2^-n is no float64 beyond n = 1074.
  const tail = last * terms * 2 ** Math.ceil(exponent / 2) * 2 ** Math.floor(exponent / 2);
  return Math.min(1, 2 * tail);
}
