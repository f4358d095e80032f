import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bootstrapInterval, permutationTest } from './resampling.ts';

test('by hand: of the 8 sign patterns of 1, 2, 3 two reach as far as their sum; zeros change nothing', () => {
  assert.equal(permutationTest([1, 2, 3]), 2 / 8);
  assert.equal(permutationTest([1, 0, 2, 3, 0]), 2 / 8);
  // 3 − 2 = 1: every pattern reaches 1 or more.
  assert.equal(permutationTest([3, -2]), 1);
});

test('no difference at all is no evidence', () => {
  assert.equal(permutationTest([]), 1);
  assert.equal(permutationTest([0, 0]), 1);
});

test('drawn patterns: a clear difference in 60 pairs is found, the seed repeats, p is never 0', () => {
  const clear = Array.from({ length: 60 }, (_, i) => 1 + (i % 3));
  assert.equal(permutationTest(clear, { resamples: 999 }), 1 / 1000);
  const balanced = Array.from({ length: 60 }, (_, i) => (i % 2 === 0 ? 1 : -1) * (1 + (i >> 1)));
  assert.equal(permutationTest(balanced), 1);
  const mixed = Array.from({ length: 60 }, (_, i) => (i % 3 === 0 ? -2 : 1.3));
  assert.equal(permutationTest(mixed, { seed: 5 }), permutationTest(mixed, { seed: 5 }));
  assert.notEqual(permutationTest(mixed, { seed: 5 }), permutationTest(mixed, { seed: 6 }));
});

test('the bootstrap of 0 and 1: means 0, ½ and 1 with chances ¼, ½, ¼; of equal values the value', () => {
  assert.deepEqual(bootstrapInterval([0, 1]), { low: 0, high: 1 });
  assert.deepEqual(bootstrapInterval([0.1, 0.1, 0.1]), { low: 0.1, high: 0.1 });
});

test('a wider spread or fewer values make a wider interval, and the seed repeats', () => {
  const width = ({ low, high }: { low: number; high: number }) => high - low;
  const values = Array.from({ length: 100 }, (_, i) => i / 100);
  const interval = bootstrapInterval(values, { seed: 3 });
  assert.deepEqual(bootstrapInterval(values, { seed: 3 }), interval);
  // 1.96 · √(1/12)/√100 on each side of 0.495, within the error of 2,000 resamples
  assert.ok(Math.abs(interval.low - (0.495 - 0.0566)) < 0.006 && Math.abs(interval.high - (0.495 + 0.0566)) < 0.006);
  assert.ok(width(bootstrapInterval(values.filter((_, i) => i % 10 === 0))) > 2 * width(interval));
});
