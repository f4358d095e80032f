/** Rows of the bench as a Markdown table that also reads well in a terminal. */
import type { Row } from './measure.ts';
import type { Spread } from './statistics.ts';
import { shapeText } from './works.ts';

/** Cells as an aligned Markdown table; the first column is text, the others are figures. */
export function markdownTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((cell, i) => Math.max(3, cell.length, ...rows.map((row) => row[i]!.length)));
  const line = (cells: readonly string[]) => `| ${cells.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!))).join(' | ')} |`;
  const rule = widths.map((width, i) => (i === 0 ? '-'.repeat(width) : `${'-'.repeat(width - 1)}:`));
  return [line(head), `| ${rule.join(' | ')} |`, ...rows.map(line)].join('\n');
}

const head = ['work', 'shape', 'ours, s', 'TRL, s', 'TRL ÷ ours', 'ours, tokens/s', 'TRL, tokens/s', 'ours, GB', 'TRL, GB', 'memory', 'ours, GFLOP/s', 'of the roof'];

/** The table of a measurement. Without the peer its columns hold a dash. */
export function benchTable(rows: readonly Row[]): string {
  return markdownTable(head, rows.map(cellsOf));
}

function cellsOf({ work, shape, ours, peer, ratio, gflop, roofSeconds }: Row): string[] {
  const seconds = ours.seconds.median;
  return [
    work,
    shapeText(shape),
    spreadText(ours.seconds),
    orDash(peer, (side) => spreadText(side.seconds)),
    orDash(ratio, spreadText),
    ours.tokensPerSecond.toFixed(0),
    orDash(peer, (side) => side.tokensPerSecond.toFixed(0)),
    orDash(ours.peakGb, (gb) => gb.toFixed(1)),
    orDash(peer?.peakGb ?? null, (gb) => gb.toFixed(1)),
    orDash(ours.peakGb && peer?.peakGb ? ours.peakGb / peer.peakGb : null, percent),
    (gflop / seconds).toFixed(1),
    percent(roofSeconds / seconds),
  ];
}

/** Median and, where it was measured more than once, both ends. */
function spreadText({ median, least, most }: Spread): string {
  return least === most ? figure(median) : `${figure(median)} (${figure(least)}–${figure(most)})`;
}

/** Three digits that count. */
export function figure(value: number): string {
  const digits = value >= 100 ? 0 : value >= 10 ? 1 : 2;
  return value.toFixed(digits);
}

/** A share as whole percent. */
export function percent(share: number): string {
  return `${(100 * share).toFixed(0)}%`;
}

function orDash<T>(value: T | null, text: (value: T) => string): string {
  return value === null ? '–' : text(value);
}
