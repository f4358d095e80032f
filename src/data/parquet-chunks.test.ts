import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ColumnMetaData, RowGroup } from 'hyparquet';
import { bytesSource } from '../../test/bytes-source.ts';
import { readChunks } from './parquet-chunks.ts';

type Header = ReturnType<Parameters<typeof readChunks>[3]>;

/** A chunk of a column at a place of the file. */
const chunk = (name: string, start: number, size: number, values: number) => ({ file_offset: 0n, meta_data: { path_in_schema: [name], data_page_offset: BigInt(start), total_compressed_size: BigInt(size), num_values: BigInt(values) } as ColumnMetaData });
const group = (...columns: ReturnType<typeof chunk>[]): RowGroup => ({ columns, total_byte_size: 0n, num_rows: 1n });
const page = (packed: number, values: number, more: object = {}): Header => ({ type: 'DATA_PAGE', compressed_page_size: packed, uncompressed_page_size: 8, data_page_header: { num_values: values }, ...more }) as Header;

/** Reads with headers that take no bytes. */
function read(columns: RowGroup, names: readonly string[], headers: Header[], reads: [number, number][] = []) {
  return readChunks(bytesSource(new Uint8Array(100_000), 'f', reads), columns, names, () => headers.shift() ?? assert.fail('a page too many'));
}

test('the wanted columns in one read where they lie together, others not at all', async () => {
  const reads: [number, number][] = [];
  const columns = group(chunk('a', 4, 96, 1), chunk('b', 100, 5000, 1), chunk('c', 5100, 100, 1), chunk('d', 50_000, 10, 1));
  const file = await read(columns, ['a', 'c', 'd'], [page(96, 1), page(100, 1), page(10, 1)], reads);
  assert.deepEqual(reads, [[4, 5200], [50_000, 50_010]]);
  assert.equal((await file.slice(5100, 5200)).byteLength, 100);
  assert.throws(() => file.slice(60_000, 60_010), RangeError);
});

test('a dictionary holds values of no row; pages go on until all values are there', async () => {
  const dictionary = page(20, 0, { type: 'DICTIONARY_PAGE', data_page_header: undefined, dictionary_page_header: { num_values: 50 } });
  const v2 = page(10, 0, { type: 'DATA_PAGE_V2', data_page_header: undefined, data_page_header_v2: { num_values: 3 } });
  const headers = [dictionary, page(30, 2), v2];
  await read(group(chunk('a', 0, 100, 5)), ['a'], headers);
  assert.deepEqual(headers, []);
});

for (const [what, headers] of [
  ['a size below 0', [page(-5, 1)]],
  ['an unpacked size below 0', [page(5, 1, { uncompressed_page_size: -1 })]],
  ['a page beyond the chunk', [page(101, 1)]],
  ['too few values', [page(60, 1), page(40, 1)]],
  ['values without number', [page(5, 2 ** 30)]],
  ['values below 0', [page(5, -1)]],
] as [string, Header[]][]) {
  test(`refused: ${what}`, async () => {
    await assert.rejects(read(group(chunk('a', 0, 100, 5)), ['a'], headers), { name: 'RangeError', message: /in a page of column a$/ });
  });
}

test('a chunk outside the file is refused before it is read', async () => {
  const reads: [number, number][] = [];
  for (const [start, size] of [[99_999, 2], [-1, 5], [50, -1]] as const) await assert.rejects(read(group(chunk('a', start, size, 1)), ['a'], [], reads), { name: 'RangeError' });
  assert.deepEqual(reads, []);
});
