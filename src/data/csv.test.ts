import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseCsv } from './csv.ts';

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

test('the first line names the columns; quotes hold commas, quotes and line ends; values are text', async () => {
  const rows = await parseCsv(bytes('\uFEFFprompt,answer\n"a, ""b""\nc",1\n\nd,\n'), 'f');
  assert.deepEqual(rows, [{ prompt: 'a, "b"\nc', answer: '1' }, { prompt: 'd', answer: '' }]);
});

test('a line that does not fit is named', async () => {
  await assert.rejects(parseCsv(bytes('a,b\n1,2\n3\n'), 'posts.csv'), { name: 'FileFormatError', message: /`posts\.csv`.*correct line 3\.$/ });
});

test('a column named twice is refused', async () => {
  await assert.rejects(parseCsv(bytes('a,a\n1,2\n'), 'f'), { name: 'FileFormatError', message: /got `a` twice/ });
});
