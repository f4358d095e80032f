/** Rows from Parquet, one row group in memory at a time. */
import * as zlib from 'node:zlib';
import type { DecodedArray, FileMetaData, RowGroup, SchemaTree } from 'hyparquet';
import { expected, FileFormatError, TsrlError } from '../errors.ts';
import type { ByteSource } from './byte-source.ts';
import { readChunks, readPart } from './parquet-chunks.ts';
import { converterOf, plainSchema, UnreadableValue, utf8 } from './parquet-values.ts';
import { withOrigin } from './row.ts';
import type { Row } from './row.ts';

/** A column of the rows, with what makes its values. */
interface Column {
  name: string;
  convert: (value: unknown) => unknown;
}

type Unpack = (input: Uint8Array, options: { maxOutputLength: number }) => Uint8Array;
const byNode = (unpack: Unpack) => (input: Uint8Array, length: number) => unpack(input, { maxOutputLength: length });
// The library's gzip does not look at the checksum, and its Zstandard may loop without end on a damaged page; Node has its own from 22.15 on.
const zstd = Reflect.get(zlib, 'zstdDecompressSync') as Unpack | undefined;
const ofNode = { GZIP: byNode(zlib.gunzipSync), BROTLI: byNode(zlib.brotliDecompressSync), ...(zstd && { ZSTD: byNode(zstd) }) };

const loadLibrary = async () => {
  const [library, { compressors }, { parquetHeader }] = await Promise.all([import('hyparquet'), import('hyparquet-compressors'), import('hyparquet/src/column.js')]);
  const codecs = { ...compressors, ...ofNode };
  // A page without bytes, as the dictionary of a column of nulls, is more than its LZ4 can take.
  const unpackers = Object.entries(codecs).map(([codec, unpack]) => [codec, (input: Uint8Array, length: number) => (length === 0 ? new Uint8Array(0) : unpack(input, length))] as const);
  return { ...library, compressors: Object.fromEntries(unpackers), parquetHeader };
};
type Library = Awaited<ReturnType<typeof loadLibrary>>;

/**
 * Reads Parquet from front to back. parquet-values.ts says what each kind of value becomes.
 *
 * @param columns the columns to read, in this order; null = all. Of the others not a byte is read
 * @throws FileFormatError for a file that is not Parquet or is damaged, and for a value that fits no row, with its column and row
 * @throws InputError for a column that the file lacks
 */
export async function* parquetRows(source: ByteSource, columns: readonly string[] | null = null): AsyncGenerator<Row> {
  const library = await loadLibrary();
  const footer = { byteLength: source.size, slice: async (start: number, end = source.size) => notEncrypted(source, await readPart(source, { start, end }), end) };
  const { metadata, tree } = await readable(source, async () => {
    const metadata = await library.parquetMetadataAsync(footer, { geoparquet: false, initialFetchSize: 1 << 16 });
    return { metadata, tree: library.parquetSchema(metadata) };
  });
  const wanted = wantedColumns(source, tree, columns);
  metadata.schema = plainSchema(tree, metadata.schema);
  let first = 0;
  for (const [number, group] of metadata.row_groups.entries()) {
    const count = Number(group.num_rows);
    const values = await readable(source, () => readGroup(library, source, metadata, group, first, wanted), `row group ${number}`);
    for (let i = 0; i < count; i++) yield withOrigin(rowOf(source, wanted, values, first + i, i), { file: source.name, unit: 'row', number: first + i });
    first += count;
  }
}

/** Runs the library, whose complaints about a damaged file are of many kinds. */
async function readable<T>(source: ByteSource, read: () => Promise<T>, where = 'the footer'): Promise<T> {
  try {
    return await read();
  } catch (cause) {
    throw damage(source, cause, where);
  }
}

/** A part of a file up to `end`, unless that is the end of the file and says that the footer is encrypted. */
function notEncrypted(source: ByteSource, bytes: ArrayBuffer, end: number): ArrayBuffer {
  if (end === source.size && Buffer.from(bytes).subarray(-4).equals(Buffer.from('PARE'))) throw encrypted(source, 'its footer', 'write it without');
  return bytes;
}

function encrypted({ name: file }: ByteSource, what: string, mend: string): FileFormatError {
  return new FileFormatError(`Expected \`${file}\` to be readable without a key, got encryption of ${what}; ${mend}.`, { file });
}

/** The error of a damaged file. Faults of the network, the disk and the house have their own sentences. */
function damage({ name: file }: ByteSource, cause: unknown, where: string): unknown {
  if (cause instanceof TsrlError || !(cause instanceof Error) || 'syscall' in cause || cause.name === 'AbortError') return cause;
  return new FileFormatError(`Expected \`${file}\` to be a whole Parquet file, got a fault in ${where} (${cause.message}); fetch or write it again.`, { file, where }, { cause });
}

function wantedColumns(source: ByteSource, { children }: SchemaTree, columns: readonly string[] | null): Column[] {
  const names = children.map(({ element }) => element.name);
  if (names.length === 0) throw new FileFormatError(`Expected \`${source.name}\` to have columns, got none; write it with at least one.`, { file: source.name });
  if (columns?.length === 0) throw expected('columns', 'to name at least one column', columns, `choose from those of ${source.name}: ${names.join(', ')}`);
  return (columns ?? names).map((name) => {
    const node = children[names.indexOf(name)];
    if (!node) throw expected('dataset', `to have the column \`${name}\``, names, `name one that ${source.name} has`);
    try {
      if (names.indexOf(name) !== names.lastIndexOf(name)) throw new UnreadableValue('two columns of that name', 'write the file anew with names of their own, or choose the other columns with `columns`');
      return { name, convert: converterOf(node) };
    } catch (error) {
      throw unreadable(source, error, name, null);
    }
  });
}

/** Decoded values of each wanted column, [rows of the group]. */
async function readGroup(library: Library, source: ByteSource, metadata: FileMetaData, group: RowGroup, first: number, wanted: readonly Column[]): Promise<DecodedArray[]> {
  const count = Number(group.num_rows);
  if (count === 0) return [];
  const columns = wanted.map(({ name }) => name);
  const locked = group.columns.find(({ crypto_metadata: key, meta_data: meta }) => key && columns.includes(meta?.path_in_schema[0] ?? ''))?.meta_data?.path_in_schema[0];
  if (locked !== undefined) throw encrypted(source, `the column \`${locked}\``, 'write it without, or choose the other columns with `columns`');
  const file = await readChunks(source, group, columns, library.parquetHeader);
  const chunks = new Map<string, DecodedArray[]>(columns.map((name) => [name, []]));
  await library.parquetRead({
    file,
    metadata,
    columns,
    rowStart: first,
    rowEnd: first + count,
    compressors: library.compressors,
    utf8: false,
    parsers: { timestampFromNanoseconds: (nanos) => nanos, stringFromBytes: utf8 },
    onChunk: ({ columnName, columnData }) => void chunks.get(columnName)!.push(columnData),
  });
  return columns.map((name) => {
    const parts = chunks.get(name)!;
    const values = parts.length === 1 ? parts[0]! : parts.flatMap((part) => Array.from(part as ArrayLike<unknown>));
    if (values.length !== count) throw new Error(`column ${name} has ${values.length} values for ${count} rows`);
    return values;
  });
}

function rowOf(source: ByteSource, wanted: readonly Column[], values: readonly DecodedArray[], row: number, i: number): Row {
  const result: Row = {};
  for (const [c, { name, convert }] of wanted.entries()) {
    try {
      result[name] = convert(values[c]![i]);
    } catch (error) {
      throw unreadable(source, error, name, row);
    }
  }
  return result;
}

function unreadable(source: ByteSource, error: unknown, column: string, row: number | null): unknown {
  const file = source.name;
  const place = row === null ? `column \`${column}\`` : `column \`${column}\`, row ${row}`;
  if (!(error instanceof UnreadableValue)) return damage(source, error, place);
  return new FileFormatError(`Expected \`${file}\` to hold values that fit a row, got ${error.message} (${place}); ${error.mend}.`, { file, column, row }, { cause: error });
}
