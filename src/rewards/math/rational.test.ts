import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BeyondLimits } from './limits.ts';
import { add, divide, fromDecimal, power, rational, roundTo, toNumber } from './rational.ts';

test('fractions are in lowest terms with a positive denominator', () => {
  assert.deepEqual(rational(6n, -4n), { num: -3n, den: 2n });
  assert.deepEqual(add(rational(1n, 6n), rational(1n, 3n)), { num: 1n, den: 2n });
  assert.deepEqual(divide(rational(1n, 2n), rational(-1n, 4n)), { num: -2n, den: 1n });
  assert.deepEqual(power(rational(-2n, 3n), -3n), { num: -27n, den: 8n });
});

test('decimals', () => {
  assert.deepEqual(fromDecimal('12.50'), { num: 25n, den: 2n });
  assert.deepEqual(fromDecimal('.5'), { num: 1n, den: 2n });
  assert.deepEqual(fromDecimal('5.'), { num: 5n, den: 1n });
});

test('rounding goes to the nearest, halves to even, also below zero', () => {
  const half = (num: bigint): bigint => roundTo(rational(num, 2n), 0);
  assert.deepEqual([1n, 3n, 5n, -1n, -3n].map(half), [0n, 2n, 2n, 0n, -2n]);
  assert.equal(roundTo(rational(-2n, 3n), 2), -67n);
  assert.equal(roundTo(rational(1n, 3n), 6), 333_333n);
});

test('doubles of parts that are too large for one', () => {
  assert.ok(Math.abs(toNumber({ num: 3n * 10n ** 500n, den: 7n * 10n ** 500n }) - 3 / 7) < 1e-12);
  assert.equal(toNumber(rational(-1n, 4n)), -0.25);
});

test('what is too large is refused before it is computed', () => {
  assert.throws(() => power(rational(9n), 10n ** 30n), BeyondLimits);
  assert.throws(() => power(rational(1n, 3n), 5_000n), BeyondLimits);
  assert.throws(() => rational(1n, 0n), BeyondLimits);
  assert.throws(() => divide(rational(1n), rational(0n)), BeyondLimits);
  assert.deepEqual(power(rational(-1n), 10n ** 30n + 1n), { num: -1n, den: 1n });
});
