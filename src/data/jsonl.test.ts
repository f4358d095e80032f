import assert from 'node:assert/strict';
import { test } from 'node:test';
import { all, bytesSource } from '../../test/bytes-source.ts';
import { jsonLines, parseJson, parseJsonl } from './jsonl.ts';
import { originOf } from './row.ts';

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const lines = (text: string, file = 'f'): object[] => parseJsonl(bytes(text), file).rows;

test('one object per line; blank lines, carriage returns and a byte order mark do not matter', () => {
  assert.deepEqual(lines('\uFEFF{"a":1}\r\n\n  \n{"a":2}'), [{ a: 1 }, { a: 2 }]);
  assert.deepEqual(lines(''), []);
});

test('line separators of Unicode inside text do not end a line', () => {
  assert.deepEqual(lines('{"a":"x\u2028y\u2029z"}\n'), [{ a: 'x\u2028y\u2029z' }]);
});

test('a broken line is named by its number, blank lines counted', () => {
  const broken = { name: 'FileFormatError', message: /`posts\.jsonl`.*on line 3 \(/ };
  assert.throws(() => lines('{"a":1}\n\n{"a":\n', 'posts.jsonl'), broken);
  assert.throws(() => lines('{"a":1}\n\n[1]\n'), { name: 'FileFormatError', message: /to be an object, got \[1\] \(line 3\)/ });
});

test('bytes that are not UTF-8 are refused with their line', () => {
  assert.throws(() => parseJsonl(Uint8Array.from([0x7b, 0x7d, 0x0a, 0xff]), 'f'), { name: 'FileFormatError', message: /UTF-8.*on line 2/ });
});

test('a file longer than a piece: lines that lie across pieces, and their numbers', async () => {
  const texts = Array.from({ length: 7 }, (_, i) => `é${i}`.repeat(100_000 + 37 * i));
  const rows = await all(jsonLines(bytesSource(texts.map((text, i) => JSON.stringify({ i, text })).join('\n\n'), 'long.jsonl')));
  assert.deepEqual(rows, texts.map((text, i) => ({ i, text })));
  assert.deepEqual(rows.map(originOf), texts.map((_, i) => ({ file: 'long.jsonl', unit: 'line', number: 1 + 2 * i })));
  const late = `${texts.map((text) => JSON.stringify({ text })).join('\n')}\n{`;
  await assert.rejects(all(jsonLines(bytesSource(late))), { name: 'FileFormatError', message: /on line 8 \(/ });
});

test('a .json file holds an array of objects, an object with one such array, or lines', () => {
  assert.deepEqual(parseJson(bytes('[{"a":1}]'), 'f'), [{ a: 1 }]);
  assert.deepEqual(parseJson(bytes('{\n"version": 1, "data": [{"a":1}, {"a":2}]}'), 'f'), [{ a: 1 }, { a: 2 }]);
  assert.deepEqual(parseJson(bytes('{"data": [{"a":1}]}\n'), 'f'), [{ a: 1 }]);
  assert.deepEqual(parseJson(bytes('{"a":1}\r\n{"a":2}\n'), 'f'), [{ a: 1 }, { a: 2 }]);
});

test('and nothing else', () => {
  assert.throws(() => parseJson(bytes('{"a":1}'), 'f'), { name: 'FileFormatError', message: /an array of objects.*, got \{"a":1\}/ });
  assert.throws(() => parseJson(bytes('{"a":[], "b":[]}'), 'f'), { name: 'FileFormatError', message: /got lists under `a`, `b`/ });
  assert.throws(() => parseJson(bytes('[{}, 1]'), 'f'), { name: 'FileFormatError', message: /element 1/ });
  assert.throws(() => parseJson(bytes('{"a":1}\n{'), 'f'), { name: 'FileFormatError', message: /on line 2/ });
});
