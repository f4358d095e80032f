/** One row of a dataset: column name to value, as it stands in the file. */
export type Row = Record<string, unknown>;

/** Where a row was read. */
export interface RowOrigin {
  /** Path, or place on the Hub. */
  file: string;
  /** Lines and records count from 1 as editors do; rows and elements from 0 as programs do. */
  unit: 'line' | 'row' | 'element';
  number: number;
}

/** Beside the rows, not in them: a row holds its columns and nothing else. */
const origins = new WeakMap<Row, RowOrigin>();

/** Notes where a row was read, and returns the row. */
export function withOrigin(row: Row, origin: RowOrigin | undefined): Row {
  if (origin) origins.set(row, origin);
  return row;
}

/** Where a row, or the row that it was made of, was read; nothing for rows given by a program. */
export function originOf(row: Row): RowOrigin | undefined {
  return origins.get(row);
}

/** A row as an error names it: its position in the dataset, and its place in the file where it has one. */
export function rowName(row: Row, index: number): string {
  const origin = originOf(row);
  return origin ? `row ${index} (${origin.file}, ${origin.unit} ${origin.number})` : `row ${index}`;
}
