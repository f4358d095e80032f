import assert from 'node:assert/strict';
import { test } from 'node:test';
import { lastNumber, numbersIn, singleNumber } from './numbers.ts';

test('numbers as people write them', () => {
  const texts: [string, number[]][] = [
    ['1,350,000 and 1,35', [1350000, 1, 35]],
    ['10-5', [10, 5]],
    ['x = -5, (-6) to −7', [-5, -6, -7]],
    ['.5 and 5.', [0.5, 5]],
    ['2e3 2e 3E-1', [2000, 2, 0.3]],
    ['f(x)-2', [2]],
    ['none', []],
  ];
  for (const [text, numbers] of texts) assert.deepEqual(numbersIn(text), numbers, text);
});

test('recipe 3 wants one number and no more', () => {
  assert.deepEqual(['-7', 'a .5 b', '1,350', '10-5', 'x', '7.', '1.2.3'].map(singleNumber), [-7, 0.5, null, null, null, 7, null]);
});

test('recipe 3 reads decimal digits of every script, as Python does', () => {
  assert.deepEqual(['５', '-٣.٥', '४२', '𝟗𝟬', '²', '七', '５ and 6'].map(singleNumber), [5, -3.5, 42, 90, null, null, null]);
  assert.deepEqual(['so １，３５', '= ٣.٥%', '5\u3000', '5\x1f', '\ufeff5', '𝟗'].map(lastNumber), [null, '3.5', '5', '5', null, '9']);
});
