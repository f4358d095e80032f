/** Where rows come from: lists, iterables, files and folders. */
import { readFile, stat } from 'node:fs/promises';
import { extname, join } from 'node:path';
import { expected, InputError, NotFoundError } from '../errors.ts';
import { parseCsv } from './csv.ts';
import { parseJsonArray, parseJsonl } from './jsonl.ts';
import type { Row } from './row.ts';
import { parseSplit, sliceRows } from './split.ts';

/** A file or folder of rows, and what to do with them. Applied in this order: split, columns, map, filter. */
export interface DatasetSpec {
  /** A `.jsonl`, `.json` or `.csv` file, or a folder with `<split>.jsonl`, `<split>.json` or `<split>.csv`. */
  path: string;
  /** Name of the split, with a slice if wanted: `train`, `train[:75]`, `train[10:20]`, `train[:10%]`. Default `train`. */
  split?: string;
  /** Columns to keep; as a record, new name → column of the file. */
  columns?: readonly string[] | Readonly<Record<string, string>>;
  /** Makes each row anew. */
  map?: (row: Row, index: number) => Row;
  /** Keeps the rows for which it returns true. */
  filter?: (row: Row, index: number) => boolean;
}

/** What the option `dataset` may be. */
export type DatasetInput = string | Iterable<Row> | AsyncIterable<Row> | DatasetSpec;

/** Rows that are all there, or rows that come one by one. */
export type Dataset = { kind: 'rows'; rows: Row[] } | { kind: 'stream'; rows: AsyncIterable<Row> };

const readers: Readonly<Record<string, (bytes: Uint8Array, file: string) => Row[] | Promise<Row[]>>> = {
  '.jsonl': parseJsonl,
  '.json': parseJsonArray,
  '.csv': parseCsv,
};

/**
 * Opens a dataset. Lists, iterables, files and folders are read whole; async iterables are left to come.
 *
 * @throws InputError for an empty dataset, an unknown split or column, a kind of file that cannot be read
 * @throws NotFoundError for a path that does not exist
 * @throws FileFormatError for a file that is not what its name says
 */
export async function loadDataset(input: DatasetInput): Promise<Dataset> {
  if (typeof input === 'object' && Symbol.asyncIterator in input) return { kind: 'stream', rows: checkedStream(input) };
  if (typeof input === 'object' && Symbol.iterator in input) return { kind: 'rows', rows: notEmpty(Array.from(input, checkedRow), 'dataset') };
  const spec: DatasetSpec = typeof input === 'string' ? { path: input } : input;
  const { name, slice } = parseSplit(spec.split ?? 'train');
  const all = notEmpty(await readRows(spec.path, name), spec.path);
  let rows = notEmpty(slice ? sliceRows(all, slice, spec.split!) : all, spec.path);
  if (spec.columns) rows = pickColumns(rows, spec.columns);
  if (spec.map) rows = rows.map(spec.map).map(checkedRow);
  if (spec.filter) rows = rows.filter(spec.filter);
  return { kind: 'rows', rows: notEmpty(rows, spec.filter ? `${spec.path} after filter` : spec.path) };
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
  const has = Object.keys(rows[missing]!);
  const index = offset + missing;
  throw expected('dataset', `to have the column \`${column}\``, has, `row ${index} lacks it; name the right one, as in \`prompt: '${has[0] ?? 'question'}'\` or \`columns: { ${column}: '${has[0] ?? 'question'}' }\``);
}

/** Keeps columns, or renames and keeps them. */
export function pickColumns(rows: readonly Row[], columns: NonNullable<DatasetSpec['columns']>): Row[] {
  const pairs = Array.isArray(columns)
    ? (columns as readonly string[]).map((name) => [name, name] as const)
    : Object.entries(columns as Readonly<Record<string, string>>);
  for (const [, column] of pairs) requireColumn(rows, column);
  return rows.map((row) => Object.fromEntries(pairs.map(([name, column]) => [name, row[column]])));
}

async function readRows(path: string, split: string): Promise<Row[]> {
  const info = await stat(path).catch(() => null);
  if (!info) throw notFound(path);
  if (!info.isDirectory()) {
    if (split !== 'train') throw expected('split', 'to be `train` for a single file', split, `name the file of that split, or a folder with ${split}.jsonl`);
    return readFileRows(path);
  }
  const candidates = Object.keys(readers).map((extension) => join(path, `${split}${extension}`));
  const there = await Promise.all(candidates.map((file) => stat(file).then(() => file, () => null)));
  const files = there.filter((file) => file !== null);
  if (files.length > 1) throw expected('dataset', `to have one file for the split \`${split}\``, files, 'name the one that is meant');
  if (files.length === 0) {
    throw expected('dataset', `to be a folder with ${Object.keys(readers).map((extension) => split + extension).join(', ')}`, path, 'name another split or folder');
  }
  return readFileRows(files[0]!);
}

async function readFileRows(file: string): Promise<Row[]> {
  const extension = extname(file).toLowerCase();
  const read = readers[extension];
  if (read) return read(await readFile(file), file);
  if (extension === '.parquet') throw new InputError(`Reading parquet (\`${file}\`) is not part of this version yet; convert it to .jsonl.`, { file });
  throw expected('dataset', 'to be a .jsonl, .json or .csv file', file, 'convert it, or pass the rows themselves');
}

function notFound(path: string): Error {
  if (/^[\w-]+\/[\w.-]+$/.test(path) && extname(path) === '') {
    return new InputError(`Expected \`dataset\` to be a path, got "${path}", which is not on this disk; reading datasets from the Hub is not part of this version yet, so download it and name the folder.`, { path });
  }
  return new NotFoundError(`Expected \`dataset\` to be a path that exists, got "${path}"; check the path (in a recipe it is relative to the recipe file).`, { path });
}

function notEmpty(rows: Row[], name: string): Row[] {
  if (rows.length === 0) throw expected('dataset', 'to hold at least one row', `no rows (${name})`, 'check the file, the split and the filter');
  return rows;
}

function checkedRow(row: unknown, index: number): Row {
  if (typeof row === 'object' && row !== null && !Array.isArray(row)) return row as Row;
  throw expected('dataset', 'to hold objects (column name to value)', row, `correct row ${index}`);
}

async function* checkedStream(rows: AsyncIterable<Row>): AsyncGenerator<Row> {
  let index = 0;
  for await (const row of rows) yield checkedRow(row, index++);
}
