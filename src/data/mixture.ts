/** Several datasets as one, in given proportions. */
import { expected } from '../errors.ts';
import { epochOrder } from './order.ts';
import type { Row } from './row.ts';
import type { DatasetInput } from './source.ts';

/** One dataset of a mixture. */
export interface MixturePart {
  dataset: DatasetInput;
  /** Its share is this over the sum of all; 0.7 and 0.3 are fractions. */
  weight: number;
}

/** How a mixture is made. */
export interface MixtureOptions {
  /** Rows of the mixture. Default: as many as there can be without a row twice. More than that repeats rows. */
  rows?: number;
  /** Draws which rows are taken, and their order. Default 42. */
  seed?: number;
}

/** A mixture as the option `dataset` takes it. */
export interface MixtureSpec extends MixtureOptions {
  mixture: readonly MixturePart[];
}

/**
 * Datasets mixed by weight. Nothing is read before the run starts.
 *
 * @throws InputError for no parts, and for weights that are not above 0
 */
export function mixture(parts: readonly MixturePart[], options: MixtureOptions = {}): MixtureSpec {
  assertWeights(parts);
  return { mixture: parts, ...options };
}

/** Refuses weights that are no shares. */
export function assertWeights(parts: readonly { weight: number }[]): void {
  if (parts.length === 0) throw expected('mixture', 'to have at least one part', parts, 'give { dataset, weight } for each');
  for (const [i, { weight }] of parts.entries()) {
    if (!Number.isFinite(weight) || weight <= 0) throw expected(`mixture[${i}].weight`, 'to be a number above 0', weight, 'correct it, or leave the part out');
  }
}

/**
 * Rows of several lists in one list. Of each part its share, rounded so that the sum fits; which ones, and the order of all,
 * is drawn from the seed. A part with fewer rows than its share is gone through again, in a new order.
 */
export function mixRows(parts: readonly { rows: readonly Row[]; weight: number }[], { rows: wanted, seed = 42 }: MixtureOptions = {}): Row[] {
  assertWeights(parts);
  const total = parts.reduce((sum, { weight }) => sum + weight, 0);
  // The small addend keeps 3 / 0.3 at 10.
  const count = wanted ?? Math.floor(Math.min(...parts.map(({ rows, weight }) => (rows.length * total) / weight)) + 1e-9);
  const counts = apportion(count, parts.map(({ weight }) => weight / total));
  const empty = counts.indexOf(0);
  if (empty !== -1) throw expected('mixture', `to give part ${empty} at least one of ${count} rows`, parts[empty]!.weight, 'raise `rows`, or leave the part out');
  const taken = parts.flatMap(({ rows }, p) => Array.from({ length: counts[p]! }, (_, i) => ({ rows, p, i })));
  const orders = parts.map(({ rows }, p) => passes(rows.length, seed + p));
  return epochOrder(taken.length, { seed, epoch: 0, shuffle: true }).map((at) => {
    const { rows, p, i } = taken[at]!;
    return rows[orders[p]!(i)]!;
  });
}

/** The row at each place, pass after pass over `n` rows. */
function passes(n: number, seed: number): (i: number) => number {
  const known: number[][] = [];
  return (i) => {
    const pass = Math.floor(i / n);
    known[pass] ??= epochOrder(n, { seed, epoch: pass, shuffle: true });
    return known[pass][i % n]!;
  };
}

/** Whole numbers with the sum `count`, nearest to the shares: what rounding down leaves goes to the largest remainders. */
function apportion(count: number, shares: readonly number[]): number[] {
  const counts = shares.map((share) => Math.floor(share * count + 1e-9));
  const left = count - counts.reduce((sum, one) => sum + one, 0);
  const remainders = shares.map((share, p) => ({ p, remainder: share * count - counts[p]! })).sort((a, b) => b.remainder - a.remainder || a.p - b.p);
  for (const { p } of remainders.slice(0, left)) counts[p]! += 1;
  return counts;
}

/** Rows of several streams in one: always from the part that is furthest behind its share. Ends when that part does. */
export async function* mixStreams(parts: readonly { rows: AsyncIterable<Row>; weight: number }[]): AsyncGenerator<Row> {
  assertWeights(parts);
  const total = parts.reduce((sum, { weight }) => sum + weight, 0);
  const sources = parts.map(({ rows, weight }) => ({ iterator: rows[Symbol.asyncIterator](), share: weight / total, given: 0 }));
  try {
    for (let i = 1; ; i++) {
      const next = sources.reduce((most, one) => (one.share * i - one.given > most.share * i - most.given + 1e-9 ? one : most));
      const { done, value } = await next.iterator.next();
      if (done) return;
      next.given += 1;
      yield value;
    }
  } finally {
    for (const { iterator } of sources) await iterator.return?.();
  }
}
