/** What happens to rows between their file and the run: columns, map, filter. */
import { expected } from '../errors.ts';
import { originOf, rowName, withOrigin } from './row.ts';
import type { Row } from './row.ts';

/** How rows are changed. Applied in this order. */
export interface Shape {
  /** Columns to keep; as a record, new name → column of the file. */
  columns?: readonly string[] | Readonly<Record<string, string>>;
  /** Makes each row anew. May be async. */
  map?: (row: Row, index: number) => Row | Promise<Row>;
  /** Keeps the rows for which it returns true. May be async. */
  filter?: (row: Row, index: number) => boolean | Promise<boolean>;
}

/**
 * Rows as a run sees them, one after the other.
 *
 * @throws InputError for a row without a wanted column, and for a map that returns no row
 */
export async function* shapeRows(rows: Iterable<Row> | AsyncIterable<Row>, { columns, map, filter }: Shape): AsyncGenerator<Row> {
  const pairs = columns ? columnPairs(columns) : null;
  let [read, mapped] = [0, 0];
  for await (const source of rows) {
    const picked = pairs ? pickColumns(source, pairs, read) : source;
    const row = map ? withOrigin(checkedRow(await map(picked, read), read), originOf(source)) : picked;
    read += 1;
    if (!filter || (await filter(row, mapped++))) yield row;
  }
}

/** New name and column of the file. */
export function columnPairs(columns: NonNullable<Shape['columns']>): (readonly [string, string])[] {
  return Array.isArray(columns) ? (columns as readonly string[]).map((name) => [name, name] as const) : Object.entries(columns as Readonly<Record<string, string>>);
}

function pickColumns(row: Row, pairs: readonly (readonly [string, string])[], index: number): Row {
  for (const [, column] of pairs) requireColumn([row], column, index);
  return withOrigin(Object.fromEntries(pairs.map(([name, column]) => [name, row[column]])), originOf(row));
}

/**
 * Refuses rows that lack a column.
 *
 * @param offset position in the dataset of the first of them, for the error
 * @throws InputError that lists the columns there are, and the first row without
 */
export function requireColumn(rows: readonly Row[], column: string, offset = 0): void {
  const missing = rows.findIndex((row) => row[column] === undefined);
  if (missing === -1) return;
  const row = rows[missing]!;
  const has = Object.keys(row);
  throw expected('dataset', `to have the column \`${column}\``, has, `${rowName(row, offset + missing)} lacks it; name the right one, as in \`prompt: '${has[0] ?? 'question'}'\` or \`columns: { ${column}: '${has[0] ?? 'question'}' }\``);
}

/** Refuses what is no row. */
export function checkedRow(row: unknown, index: number): Row {
  if (typeof row === 'object' && row !== null && !Array.isArray(row)) return row as Row;
  throw expected('dataset', 'to hold objects (column name to value)', row, `correct row ${index}`);
}
