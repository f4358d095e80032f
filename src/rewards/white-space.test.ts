import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isSpace, strip } from './white-space.ts';

test("white space is Python's: what `str.isspace` says of every code unit", () => {
  const ranges = [[0x09, 0x0d], [0x1c, 0x20], [0x85], [0xa0], [0x1680], [0x2000, 0x200a], [0x2028, 0x2029], [0x202f], [0x205f], [0x3000]] as const;
  const all = Array.from({ length: 0x10000 }, (_, code) => code).filter((code) => isSpace(String.fromCharCode(code)));
  assert.deepEqual(all, ranges.flatMap(([from, to = from]) => Array.from({ length: to - from + 1 }, (_, i) => from + i)));
  assert.equal(isSpace(undefined), false);
});

test('the outer white space goes, the inner and a byte order mark stay', () => {
  assert.equal(strip('\x1c \u3000a b\x85\r\n'), 'a b');
  assert.equal(strip('\ufeffa\ufeff '), '\ufeffa\ufeff');
  assert.equal(strip(' \n'), '');
});
