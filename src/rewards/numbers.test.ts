import assert from 'node:assert/strict';
import { test } from 'node:test';
import { numbersIn, singleNumber } from './numbers.ts';

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
