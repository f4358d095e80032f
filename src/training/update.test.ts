import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cutIntoParts } from './update.ts';

const cut = (completions: number[], most: number) => cutIntoParts(completions, most).map(({ completions: c, tokens: t }) => [c.from, c.to, t.from, t.to]);

test('parts hold whole completions up to a number of tokens, a longer one alone, empty ones with their neighbours', () => {
  assert.deepEqual(cut([3, 4, 5, 1], 8), [[0, 2, 0, 7], [2, 4, 7, 13]]);
  assert.deepEqual(cut([9, 1, 9], 8), [[0, 1, 0, 9], [1, 2, 9, 10], [2, 3, 10, 19]]);
  assert.deepEqual(cut([0, 8, 0, 8], 8), [[0, 3, 0, 8], [3, 4, 8, 16]]);
  assert.deepEqual(cut([0, 0], 8), [[0, 2, 0, 0]]);
  assert.deepEqual(cut([], 8), []);
});
