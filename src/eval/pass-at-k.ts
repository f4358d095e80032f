/**
 * The chance that at least one of k completions, drawn without replacement from the n there are, is right: 1 − C(n−c, k) /
 * C(n, k), as a product (Chen et al., *Evaluating large language models trained on code*, 2021, arXiv 2107.03374, equation 1).
 * Unbiased for the chance of k fresh completions, which 1 − (1 − c/n)^k is not.
 *
 * @param n completions of a question
 * @param c how many of them are right
 * @param k 1 to n
 */
export function passAtK(n: number, c: number, k: number): number {
  let noneIsRight = 1;
  // With fewer than k wrong ones the factor of i = k is among them, which is exactly 0.
  for (let i = n - c + 1; i <= n; i++) noneIsRight *= 1 - k / i;
  return 1 - noneIsRight;
}

/** The k that are shown for n completions: 1, 2, 4, … and n. */
export function usualKs(n: number): number[] {
  const powers = Array.from({ length: Math.floor(Math.log2(n)) + 1 }, (_, i) => 2 ** i);
  return powers.at(-1) === n ? powers : [...powers, n];
}
