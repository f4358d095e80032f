/** Medians and spreads of few measurements. */
import { expected } from '../src/errors.ts';

/** The middle of some measurements and how far they lie apart. */
export interface Spread {
  median: number;
  least: number;
  most: number;
}

/** The middle value; between two, their mean. */
export function median(values: readonly number[]): number {
  if (values.length === 0) throw expected('values', 'to hold a measurement', values, 'measure first');
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** Median, least and most. */
export function spreadOf(values: readonly number[]): Spread {
  return { median: median(values), least: Math.min(...values), most: Math.max(...values) };
}
