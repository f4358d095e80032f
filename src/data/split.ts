/** The notation of splits: `train`, `train[:75]`, `train[10:20]`, `train[-5:]`, `train[:10%]`, and sums: `train+test[:10]`. */
import { expected } from '../errors.ts';

/** One end of a slice: a row number, counted from the end when negative, or a percentage. */
export interface SliceEnd {
  value: number;
  percent: boolean;
}

/** A slice of a split; null = the beginning, or the end. The end is exclusive. */
export interface Slice {
  from: SliceEnd | null;
  to: SliceEnd | null;
}

const END = String.raw`(-?\d+%?)?`;
const NOTATION = new RegExp(String.raw`^([\w][\w.-]*)(?:\[${END}:${END}\])?$`);

/** One term of a split. */
export interface SplitTerm {
  name: string;
  slice: Slice | null;
  /** As it was written, for errors. */
  text: string;
}

/**
 * Takes a split apart, into the terms of its sum.
 *
 * @throws InputError for text that is not a split
 */
export function parseSplit(text: string): SplitTerm[] {
  return text.split('+').map((term) => {
    const match = NOTATION.exec(term.trim());
    if (!match) throw expected('split', 'to be a name, with a slice if wanted', text, "write it as 'train', 'train[:75]', 'train[10:20]', 'train[:10%]' or 'train+test'");
    const [, name, from, to] = match;
    return { name: name!, slice: term.includes('[') ? { from: parseEnd(from), to: parseEnd(to) } : null, text: term.trim() };
  });
}

/** How many rows from the beginning a slice needs; null = all. */
export function rowsNeeded({ from, to }: Slice): number | null {
  const fromBeginning = (end: SliceEnd): boolean => !end.percent && end.value >= 0;
  return to && fromBeginning(to) && (from === null || fromBeginning(from)) ? to.value : null;
}

function parseEnd(text: string | undefined): SliceEnd | null {
  return text ? { value: Number.parseInt(text, 10), percent: text.endsWith('%') } : null;
}

/**
 * The rows of a slice. Percentages are rounded to the nearest row.
 *
 * @param notation the split as written, for errors
 * @throws InputError for a slice that reaches beyond the rows, or holds none
 */
export function sliceRows<T>(rows: readonly T[], { from, to }: Slice, notation: string): T[] {
  const start = position(from, 0, rows.length);
  const end = position(to, rows.length, rows.length);
  if (start < 0 || end > rows.length || start >= end) {
    throw expected('split', `to be a slice with rows in it, within the ${rows.length} there are`, notation, 'correct its ends');
  }
  return rows.slice(start, end);
}

function position(end: SliceEnd | null, open: number, length: number): number {
  if (end === null) return open;
  const rows = end.percent ? Math.round((end.value * length) / 100) : end.value;
  return end.value < 0 ? length + rows : rows;
}
