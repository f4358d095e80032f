/** Rows held out for a test: the same ones for the same seed, whatever else is done with the dataset. */
import { expected } from '../errors.ts';
import { epochOrder } from './order.ts';
import type { Row } from './row.ts';

/** How rows are held out, and which side is meant. */
export interface HeldOut {
  /** A number of rows (1 or more), or a share of them (below 1). */
  testSize: number;
  /** Draws the rows that are held out. */
  splitSeed: number;
  part: 'train' | 'test';
}

/**
 * One side of rows of which some are held out, in their order. A share is rounded to the nearest row.
 *
 * @throws InputError when one side would be empty
 */
export function heldOutSide<T>(rows: readonly T[], { testSize, splitSeed, part }: HeldOut): T[] {
  const n = rows.length;
  const count = testSize < 1 ? Math.round(testSize * n) : testSize;
  if (!Number.isInteger(count) || count < 1 || count >= n) {
    throw expected('testSize', `to be a share below 1 or a whole number of rows that leaves some of the ${n} on both sides`, testSize, 'correct it');
  }
  const test = new Set(epochOrder(n, { seed: splitSeed, epoch: 0, shuffle: true }).slice(0, count));
  return rows.filter((_, i) => test.has(i) === (part === 'test'));
}

/**
 * A dataset in two: rows to train on and rows held out. Rows are cut at once; a path or description is cut when it is read.
 *
 * @param testSize a number of rows (1 or more), or a share of them (below 1)
 * @param seed draws the rows that are held out; default 42
 */
export function trainTestSplit<T extends Row>(dataset: readonly T[], options: { testSize: number; seed?: number }): { train: T[]; test: T[] };
export function trainTestSplit<S extends object>(dataset: S, options: { testSize: number; seed?: number }): { train: S & HeldOut; test: S & HeldOut };
export function trainTestSplit(dataset: string, options: { testSize: number; seed?: number }): { train: { path: string } & HeldOut; test: { path: string } & HeldOut };
export function trainTestSplit(dataset: unknown, { testSize, seed = 42 }: { testSize: number; seed?: number }): { train: unknown; test: unknown } {
  const side = (part: HeldOut['part']): unknown => {
    const how: HeldOut = { testSize, splitSeed: seed, part };
    if (Array.isArray(dataset)) return heldOutSide(dataset as unknown[], how);
    if (typeof dataset === 'string') return { path: dataset, ...how };
    if (typeof dataset === 'object' && dataset !== null && 'path' in dataset) return { ...dataset, ...how };
    throw expected('dataset', 'to be rows in an array, a path or { path, … }', dataset, 'collect the rows in an array first');
  };
  return { train: side('train'), test: side('test') };
}
