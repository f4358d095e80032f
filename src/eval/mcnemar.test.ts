import assert from 'node:assert/strict';
import { test } from 'node:test';
import { mcnemarExact } from './mcnemar.ts';

const near = (got: number, wanted: number) => assert.ok(Math.abs(got - wanted) <= 1e-12 * Math.max(1, wanted), `${got} is not ${wanted}`);

test('by hand: one against five: 2 · (1 + 6)/64', () => {
  near(mcnemarExact({ onlyFirst: 1, onlySecond: 5 }), 14 / 64);
  near(mcnemarExact({ onlyFirst: 5, onlySecond: 1 }), 14 / 64);
  near(mcnemarExact({ onlyFirst: 0, onlySecond: 10 }), 2 / 1024);
});

test('as many on both sides, or none at all, is no evidence', () => {
  assert.equal(mcnemarExact({ onlyFirst: 3, onlySecond: 3 }), 1);
  assert.equal(mcnemarExact({ onlyFirst: 0, onlySecond: 0 }), 1);
});
