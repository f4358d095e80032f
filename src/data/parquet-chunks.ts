/**
 * The bytes of one row group, checked before the library decodes them. The library trusts the sizes in a file: a damaged one
 * could send it backwards for ever, or have it make room for what is not there. Nor does it look at checksums.
 */
import { crc32 } from 'node:zlib';
import type { AsyncBuffer, ColumnMetaData, RowGroup } from 'hyparquet';
import type { ByteSource } from './byte-source.ts';

type ReadHeader = (typeof import('hyparquet/src/column.js'))['parquetHeader'];

/** A part of the file. */
interface Range {
  start: number;
  end: number;
}

/** Unwanted bytes between two wanted parts that are read along, to save a request. */
const GAP = 8192;

/** Values of one page; what writers make has some ten thousand. */
const MOST_VALUES = 2 ** 26;

/**
 * Reads the chunks of the wanted columns.
 *
 * @param columns names of top-level columns
 * @returns what the library takes for the file; other parts of it cannot be read
 * @throws RangeError for a chunk or page that is not within the file
 */
export async function readChunks(source: ByteSource, group: RowGroup, columns: readonly string[], readHeader: ReadHeader): Promise<AsyncBuffer> {
  const chunks = group.columns.flatMap(({ meta_data: meta }) => (meta && columns.includes(meta.path_in_schema[0] ?? '') ? [{ meta, range: rangeOf(meta, source.size) }] : []));
  const parts: { range: Range; bytes: ArrayBuffer }[] = [];
  for (const range of together(chunks.map((chunk) => chunk.range))) parts.push({ range, bytes: await readPart(source, range) });
  const slice = (start: number, end: number): ArrayBuffer => {
    const part = parts.find(({ range }) => range.start <= start && end <= range.end);
    if (!part) throw new RangeError(`bytes ${start} to ${end}, which are none of the row group's`);
    return part.bytes.slice(start - part.range.start, end - part.range.start);
  };
  for (const { meta, range } of chunks) checkPages(new DataView(slice(range.start, range.end)), meta, readHeader);
  return { byteLength: source.size, slice: (start, end = source.size) => slice(start, end) };
}

/** The bytes of a part, all of them. */
export async function readPart(source: ByteSource, { start, end }: Range): Promise<ArrayBuffer> {
  if (!(start >= 0 && start <= end && end <= source.size)) throw new RangeError(`bytes ${start} to ${end} of ${source.size}`);
  const bytes = await source.read(start, end);
  if (bytes.length !== end - start) throw new RangeError(`${bytes.length} bytes in place of ${end - start}`);
  return bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength) as ArrayBuffer;
}

function rangeOf(meta: ColumnMetaData, size: number): Range {
  const start = Number(meta.dictionary_page_offset || meta.data_page_offset);
  const end = start + Number(meta.total_compressed_size);
  if (!(start >= 0 && start <= end && end <= size)) throw new RangeError(`column ${meta.path_in_schema.join('.')} in bytes ${start} to ${end} of ${size}`);
  return { start, end };
}

/** Ranges in the order of the file, those close to one another as one. */
function together(ranges: readonly Range[]): Range[] {
  const result: Range[] = [];
  for (const { start, end } of ranges.toSorted((a, b) => a.start - b.start)) {
    const last = result.at(-1);
    if (last && start - last.end <= GAP) last.end = Math.max(last.end, end);
    else result.push({ start, end });
  }
  return result;
}

/** Walks over the pages by their headers. */
function checkPages(view: DataView, meta: ColumnMetaData, readHeader: ReadHeader): void {
  const reader = { view, offset: 0 };
  const refuse = (what: string): never => {
    throw new RangeError(`${what} in a page of column ${meta.path_in_schema.join('.')}`);
  };
  for (let values = 0; values < meta.num_values; ) {
    if (reader.offset >= view.byteLength) refuse(`${values} of ${meta.num_values} values, no more`);
    const { type, compressed_page_size: packed, uncompressed_page_size: unpacked, crc, ...header } = readHeader(reader);
    if (!(packed >= 0 && unpacked >= 0 && reader.offset + packed <= view.byteLength)) refuse(`${packed} bytes of ${view.byteLength - reader.offset}`);
    // It covers the bytes as they are stored; the header has it as a signed number.
    if (crc !== undefined && crc32(new Uint8Array(view.buffer, view.byteOffset + reader.offset, packed)) !== crc >>> 0) refuse('a checksum that does not fit');
    const count = (type === 'DICTIONARY_PAGE' ? header.dictionary_page_header : (header.data_page_header ?? header.data_page_header_v2))?.num_values ?? 0;
    if (!(count >= 0 && count <= MOST_VALUES)) refuse(`${count} values`);
    if (type !== 'DICTIONARY_PAGE') values += count;
    reader.offset += packed;
  }
}
