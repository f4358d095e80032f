import assert from 'node:assert/strict';
import { test } from 'node:test';
import { allEqual, mean, standardDeviation } from './statistics.ts';

test('mean and standard deviation of 2, 4, 4, 4, 5, 5, 7, 9 are 5 and √(32/7)', () => {
  const values = [2, 4, 4, 4, 5, 5, 7, 9];
  assert.equal(mean(values), 5);
  assert.ok(Math.abs(standardDeviation(values) - Math.sqrt(32 / 7)) < 1e-12);
});

test('equal values have exactly themselves as mean and exactly no deviation', () => {
  const values = [0.1, 0.1, 0.1];
  assert.notEqual((0.1 + 0.1 + 0.1) / 3, 0.1);
  assert.equal(mean(values), 0.1);
  assert.equal(standardDeviation(values), 0);
});

test('no values have no mean, one value has no deviation', () => {
  assert.ok(Number.isNaN(mean([])));
  assert.ok(Number.isNaN(standardDeviation([3])));
});

test('sums that differ by rounding are equal, identical magnitudes aside nothing else is', () => {
  assert.equal(allEqual([0.1 + 0.2, 0.3]), false);
  assert.equal(allEqual([0.1 + 0.2, 0.3], [0.3, 0.3]), true);
  assert.equal(allEqual([0.3, 0.3 + 1e-12], [0.3, 0.3]), false);
  assert.equal(allEqual([1, 1, 1]), true);
});
