/** Rows from Parquet, one row group in memory at a time. */
import type { AsyncBuffer, DecodedArray, FileMetaData } from 'hyparquet';
import { expected, FileFormatError, TsrlError } from '../errors.ts';
import type { ByteSource } from './byte-source.ts';
import { converterOf, plainSchema, UnreadableValue } from './parquet-values.ts';
import { withOrigin } from './row.ts';
import type { Row } from './row.ts';

/** A column of the rows, with what makes its values. */
interface Column {
  name: string;
  convert: (value: unknown) => unknown;
}

const loadLibrary = async () => {
  const [library, { compressors }] = await Promise.all([import('hyparquet'), import('hyparquet-compressors')]);
  return { ...library, compressors };
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
  const buffer = asyncBuffer(source);
  const metadata = await readable(source, () => library.parquetMetadataAsync(buffer, { geoparquet: false, initialFetchSize: 1 << 16 }));
  const wanted = wantedColumns(source, library, metadata, columns);
  metadata.schema = plainSchema(library.parquetSchema(metadata), metadata.schema);
  let first = 0;
  for (const [number, group] of metadata.row_groups.entries()) {
    const count = Number(group.num_rows);
    const values = await readable(source, () => readGroup(library, buffer, metadata, first, count, wanted), `row group ${number}`);
    for (let i = 0; i < count; i++) yield withOrigin(rowOf(source, wanted, values, first + i, i), { file: source.name, unit: 'row', number: first + i });
    first += count;
  }
}

/** The library's view of the bytes; a part outside the file is the file's fault. */
function asyncBuffer(source: ByteSource): AsyncBuffer {
  return {
    byteLength: source.size,
    slice: async (start, end = source.size) => {
      if (!(start >= 0 && start <= end && end <= source.size)) throw new RangeError(`bytes ${start} to ${end} of ${source.size}`);
      const bytes = await source.read(start, end);
      if (bytes.length !== end - start) throw new RangeError(`${bytes.length} bytes in place of ${end - start}`);
      return bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength) as ArrayBuffer;
    },
  };
}

/** Runs the library, whose complaints about a damaged file are of many kinds. */
async function readable<T>(source: ByteSource, read: () => Promise<T>, where = 'the footer'): Promise<T> {
  try {
    return await read();
  } catch (cause) {
    throw damage(source, cause, where);
  }
}

/** The error of a damaged file. Faults of the network, the disk and the house have their own sentences. */
function damage({ name: file }: ByteSource, cause: unknown, where: string): unknown {
  if (cause instanceof TsrlError || !(cause instanceof Error) || 'syscall' in cause || cause.name === 'AbortError') return cause;
  return new FileFormatError(`Expected \`${file}\` to be a whole Parquet file, got a fault in ${where} (${cause.message}); fetch or write it again.`, { file, where }, { cause });
}

function wantedColumns(source: ByteSource, { parquetSchema }: Library, metadata: FileMetaData, columns: readonly string[] | null): Column[] {
  const { children } = parquetSchema(metadata);
  const names = children.map(({ element }) => element.name);
  return (columns ?? names).map((name) => {
    const node = children[names.indexOf(name)];
    if (!node) throw expected('dataset', `to have the column \`${name}\``, names, `name one that ${source.name} has`);
    try {
      return { name, convert: converterOf(node) };
    } catch (error) {
      throw unreadable(source, error, name, null);
    }
  });
}

/** Decoded values of each wanted column, [rows of the group]. */
async function readGroup(library: Library, file: AsyncBuffer, metadata: FileMetaData, first: number, count: number, wanted: readonly Column[]): Promise<DecodedArray[]> {
  if (count === 0) return [];
  const chunks = new Map<string, DecodedArray[]>(wanted.map(({ name }) => [name, []]));
  await library.parquetRead({
    file,
    metadata,
    columns: wanted.map(({ name }) => name),
    rowStart: first,
    rowEnd: first + count,
    compressors: library.compressors,
    utf8: false,
    parsers: { timestampFromNanoseconds: (nanos) => nanos },
    onChunk: ({ columnName, columnData }) => void chunks.get(columnName)!.push(columnData),
  });
  return wanted.map(({ name }) => {
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
