import assert from 'node:assert/strict';
import { test } from 'node:test';
import { all, bytesSource } from '../../test/bytes-source.ts';
import { csvRows } from './csv.ts';
import { originOf } from './row.ts';
import type { Row } from './row.ts';

const rowsOf = (text: string | Uint8Array, file = 'f'): Promise<Row[]> => all(csvRows(bytesSource(text, file)));

test('the first line names the columns; quotes hold commas, quotes and line ends; values are text', async () => {
  const rows = await rowsOf('\uFEFFprompt,answer\n"a, ""b""\nc",1\n\nd,\n');
  assert.deepEqual(rows, [{ prompt: 'a, "b"\nc', answer: '1' }, { prompt: 'd', answer: '' }]);
  assert.deepEqual(rows.map(originOf), [3, 5].map((number) => ({ file: 'f', unit: 'line', number })));
});

test('a file longer than a piece', async () => {
  const text = 'é'.repeat(700_000);
  assert.deepEqual(await rowsOf(`a,b\n${text},1\n2,${text}\n`), [{ a: text, b: '1' }, { a: '2', b: text }]);
});

test('a line that does not fit is named', async () => {
  await assert.rejects(rowsOf('a,b\n1,2\n3\n', 'posts.csv'), { name: 'FileFormatError', message: /`posts\.csv`.*correct line 3\.$/ });
});

test('a column named twice and bytes that are not UTF-8 are refused', async () => {
  await assert.rejects(rowsOf('a,a\n1,2\n'), { name: 'FileFormatError', message: /got `a` twice/ });
  await assert.rejects(rowsOf(Uint8Array.from([0x61, 0x0a, 0xff, 0x0a])), { name: 'FileFormatError', message: /to be UTF-8/ });
});
