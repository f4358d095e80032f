/** The order of an epoch: a permutation that depends on nothing but the seed, the epoch and the number of rows. */

/** Finalizer of MurmurHash3: every input bit reaches every output bit. 32-bit in and out. */
function mix(hash: number): number {
  let h = hash;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

/** One 32-bit hash of a list of whole numbers below 2^53. */
function hashOf(...parts: readonly number[]): number {
  // Both halves of each number count, so that large seeds differ too. The constant is 2^32 / golden ratio.
  return parts.reduce((hash, part) => mix(mix(hash + 0x9e3779b9 + (part >>> 0)) + Math.floor(part / 2 ** 32)), 0);
}

/** A whole number in 0 … n − 1. 53 random bits, so that the bias is below n / 2^53. */
export function below(n: number, seed: number, epoch: number, counter: number): number {
  const high = hashOf(seed, epoch, counter, 0) >>> 5; // 27 bits
  const low = hashOf(seed, epoch, counter, 1) >>> 6; // 26 bits
  return Math.floor(((high * 2 ** 26 + low) / 2 ** 53) * n);
}

/**
 * Row numbers 0 … n − 1 in the order of an epoch (Fisher-Yates, with draws keyed by seed, epoch and position).
 *
 * @param shuffle false = 0, 1, 2, …
 */
export function epochOrder(n: number, { seed, epoch, shuffle }: { seed: number; epoch: number; shuffle: boolean }): number[] {
  const order = Array.from({ length: n }, (_, i) => i);
  if (!shuffle) return order;
  for (let i = n - 1; i > 0; i--) {
    const j = below(i + 1, seed, epoch, i);
    [order[i], order[j]] = [order[j]!, order[i]!];
  }
  return order;
}
