import assert from 'node:assert/strict';
import { test } from 'node:test';
import { firstBonus, nextBonus } from './adaptive-entropy.ts';

const adaptive = { target: 0.5, min: 0, max: 0.02, delta: 0.01 };

test('a fixed weight stays and applies from the start', () => {
  const bonus = firstBonus(0.3, null);
  assert.deepEqual(bonus, { coefficient: 0.3, applied: 0.3 });
  assert.deepEqual(nextBonus(bonus, 9, null), bonus);
});

test('an adaptive weight rises while the entropy is at or below the target, up to max', () => {
  let bonus = firstBonus(0, adaptive);
  assert.equal(bonus.applied, 0);
  bonus = nextBonus(bonus, 0.5, adaptive);
  assert.deepEqual(bonus, { coefficient: 0.01, applied: 0.01 });
  bonus = nextBonus(nextBonus(bonus, 0.1, adaptive), 0.1, adaptive);
  assert.deepEqual(bonus, { coefficient: 0.02, applied: 0.02 });
});

test('above the target it falls, down to min, and does not apply', () => {
  let bonus = nextBonus({ coefficient: 0.015, applied: 0.015 }, 0.51, adaptive);
  assert.ok(Math.abs(bonus.coefficient - 0.005) < 1e-12);
  assert.equal(bonus.applied, 0);
  bonus = nextBonus(bonus, 2, adaptive);
  assert.deepEqual(bonus, { coefficient: 0, applied: 0 });
});
