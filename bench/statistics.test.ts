import assert from 'node:assert/strict';
import { test } from 'node:test';
import { median, spreadOf } from './statistics.ts';

test('the median of an odd and of an even number of values, in any order', () => {
  assert.equal(median([9, 1, 10]), 9);
  assert.equal(median([4, 1, 3, 2]), 2.5);
  assert.equal(median([7]), 7);
});

test('sorts by size, not as text', () => assert.equal(median([100, 20, 3]), 20));

test('a spread names both ends', () => assert.deepEqual(spreadOf([3, 1, 2, 8]), { median: 2.5, least: 1, most: 8 }));

test('no value has no median', () => assert.throws(() => median([]), /Expected `values` to hold a measurement/));
