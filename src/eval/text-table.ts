/**
 * A table of plain text, its columns aligned: numbers at the right, the rest at the left. Every line is a row of Markdown too.
 *
 * @param head names of the columns
 * @param rows as many cells each
 */
export function textTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const isFigures = head.map((_, column) => rows.every((row) => /^([-+]?[\d.]|$|–)/.test(row[column]!)));
  const widths = head.map((name, column) => Math.max(3, ...[name, ...rows.map((row) => row[column]!)].map(width)));
  const line = (cells: readonly string[]) => `| ${cells.map((cell, column) => pad(cell, widths[column]!, isFigures[column]!)).join(' | ')} |`;
  const rule = `|${widths.map((size, column) => (isFigures[column] ? `${'-'.repeat(size + 1)}:` : '-'.repeat(size + 2))).join('|')}|`;
  return [line(head), rule, ...rows.map(line)].join('\n');
}

function pad(cell: string, size: number, atRight: boolean): string {
  const space = ' '.repeat(size - width(cell));
  return atRight ? space + cell : cell + space;
}

/** Characters, which is the width of what stands in our tables. */
function width(cell: string): number {
  return [...cell].length;
}
