/** Curves as text, for terminals and logs, and what both kinds of curve are made of: smoothing and ticks. */
import { expected } from '../errors.ts';

/** Options of `curveText`. */
export interface CurveTextOptions {
  /** What the curve shows, above it. */
  title: string;
  /** Name of the x axis. */
  xLabel?: string;
  /** Columns of the plot itself, without its axis. */
  width?: number;
  /** Rows of the plot itself. */
  height?: number;
  /** Steps over which the curve is averaged; 1 shows the figures as they are. */
  smoothing?: number;
}

/** Eighths of a character cell, from nothing to full. */
const BLOCKS = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'] as const;

/**
 * Trailing mean: each point becomes the mean of itself and up to `window` − 1 points before it. Points that are not finite
 * are left out of the means; where a window has none, the result is NaN.
 */
export function smooth(values: readonly number[], window: number): number[] {
  return values.map((_, i) => {
    const near = values.slice(Math.max(0, i - window + 1), i + 1).filter(Number.isFinite);
    return near.reduce((sum, value) => sum + value, 0) / near.length;
  });
}

/** Round numbers (1, 2 or 5 times a power of ten apart) inside [low, high], about `count` of them. */
export function niceTicks(low: number, high: number, count: number): number[] {
  if (!(high > low)) return [low];
  const rough = (high - low) / Math.max(1, count);
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((digit) => digit * power).find((candidate) => candidate >= rough * (1 - 1e-9))!;
  const first = Math.ceil(low / step - 1e-9);
  const last = Math.floor(high / step + 1e-9);
  // Multiples from whole numbers, so that errors do not add up; + 0 turns −0 into 0.
  return Array.from({ length: last - first + 1 }, (_, i) => Number(((first + i) * step).toPrecision(12)) + 0);
}

/**
 * A curve of one value per step, drawn with block characters: the axis at the left, the first and last step below.
 *
 * @param values one per step, from step 1; steps without a finite value are gaps
 * @throws InputError when no value is finite
 */
export function curveText(values: readonly number[], options: CurveTextOptions): string {
  const { title, xLabel = 'step', width = 60, height = 8, smoothing = 1 } = options;
  const columns = resample(smooth(values, smoothing), width);
  const finite = columns.filter(Number.isFinite);
  if (finite.length === 0) throw expected('values', 'to hold at least one finite number', values, 'draw a curve after the first step');
  const low = finite.reduce((least, value) => Math.min(least, value));
  const high = finite.reduce((most, value) => Math.max(most, value));
  // Filled cells in eighths, 1 at least so that the lowest point is seen; a flat curve runs through the middle.
  const eighths = columns.map((value) =>
    Number.isFinite(value) ? (high > low ? 1 + Math.round(((value - low) / (high - low)) * (height * 8 - 1)) : height * 4) : 0,
  );
  const labels = Array.from({ length: height }, () => '');
  const labelled: [number, number][] = high > low ? [[0, high], [height - 1, low]] : [[Math.floor(height / 2), low]];
  for (const [row, value] of labelled) labels[row] = label(value);
  const margin = Math.max(...labels.map((text) => text.length));
  const rows = labels.map((text, row) => {
    const below = (height - 1 - row) * 8;
    const cells = eighths.map((filled) => BLOCKS[Math.min(8, Math.max(0, filled - below))]!).join('');
    return `${text.padStart(margin)} ${text === '' ? '│' : '┤'}${cells}`.trimEnd();
  });
  const first = `${xLabel} 1`;
  const last = String(values.length);
  const gap = Math.max(1, columns.length - first.length - last.length);
  return [
    smoothing > 1 ? `${title} (mean over ${smoothing} steps)` : title,
    ...rows,
    `${' '.repeat(margin)} └${'─'.repeat(columns.length)}`,
    values.length === 1 ? `${' '.repeat(margin + 2)}${first}` : `${' '.repeat(margin + 2)}${first}${' '.repeat(gap)}${last}`,
  ].join('\n');
}

/** At most `width` columns, each the mean of the finite values of its share of the steps; fewer steps stay as they are wide. */
function resample(values: readonly number[], width: number): number[] {
  if (values.length <= width) {
    // Short runs are widened by whole columns, so that a curve of five steps can still be seen.
    const repeat = Math.max(1, Math.floor(width / Math.max(1, values.length)));
    return values.flatMap((value) => Array.from({ length: repeat }, () => value));
  }
  return Array.from({ length: width }, (_, column) => {
    const share = values.slice(Math.floor((column * values.length) / width), Math.floor(((column + 1) * values.length) / width));
    return smooth(share, share.length).at(-1)!;
  });
}

/** A number in at most about five characters of precision, without trailing zeros. */
export function label(value: number): string {
  const text = Number(value.toPrecision(4));
  return Object.is(text, -0) ? '0' : String(text);
}
