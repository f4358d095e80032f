import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseJsonArray, parseJsonl } from './jsonl.ts';

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

test('one object per line; blank lines, carriage returns and a byte order mark do not matter', () => {
  assert.deepEqual(parseJsonl(bytes('\uFEFF{"a":1}\r\n\n  \n{"a":2}'), 'f'), [{ a: 1 }, { a: 2 }]);
  assert.deepEqual(parseJsonl(bytes(''), 'f'), []);
});

test('line separators of Unicode inside text do not end a line', () => {
  assert.deepEqual(parseJsonl(bytes('{"a":"x\u2028y\u2029z"}\n'), 'f'), [{ a: 'x\u2028y\u2029z' }]);
});

test('a broken line is named by its number, blank lines counted', () => {
  const broken = { name: 'FileFormatError', message: /`posts\.jsonl`.*on line 3 \(/ };
  assert.throws(() => parseJsonl(bytes('{"a":1}\n\n{"a":\n'), 'posts.jsonl'), broken);
  assert.throws(() => parseJsonl(bytes('{"a":1}\n\n[1]\n'), 'f'), { name: 'FileFormatError', message: /to be an object, got \[1\] \(line 3\)/ });
});

test('bytes that are not UTF-8 are refused with their line', () => {
  assert.throws(() => parseJsonl(Uint8Array.from([0x7b, 0x7d, 0x0a, 0xff]), 'f'), { name: 'FileFormatError', message: /UTF-8.*on line 2/ });
});

test('an array of objects, and nothing else, is a .json file', () => {
  assert.deepEqual(parseJsonArray(bytes('[{"a":1}]'), 'f'), [{ a: 1 }]);
  assert.throws(() => parseJsonArray(bytes('{"a":1}'), 'f'), { name: 'FileFormatError', message: /an array of objects, got \{"a":1\}/ });
  assert.throws(() => parseJsonArray(bytes('[1]'), 'f'), { name: 'FileFormatError', message: /element 0/ });
});
