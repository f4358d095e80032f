import assert from 'node:assert/strict';
import { test } from 'node:test';
import { wilsonInterval } from './wilson.ts';

const near = (got: number, wanted: number, tolerance: number) => assert.ok(Math.abs(got - wanted) <= tolerance, `${got} is not ${wanted}`);

test('half of 4, worked out by hand: z² = 3.8415, centre ½, half-width z·√(1/16 + z²/64)/(1 + z²/4)', () => {
  const { low, high } = wilsonInterval(2, 4);
  // √(0.0625 + 0.0600228) = 0.3500326; 1.959964 · 0.3500326 / 1.9603646 = 0.3499610
  near(low, 0.5 - 0.349961, 1e-6);
  near(high, 0.5 + 0.349961, 1e-6);
});

test('7 and 27 of 30 span the ranges that recipe 3 publishes', () => {
  const before = wilsonInterval(7, 30);
  assert.deepEqual([before.low, before.high].map((x) => Math.round(100 * x)), [12, 41]);
  const after = wilsonInterval(27, 30);
  assert.deepEqual([after.low, after.high].map((x) => Math.round(100 * x)), [74, 97]);
});

test('none and all: an end of exactly 0 or 1, and z²/(n + z²) on the other side', () => {
  const none = wilsonInterval(0, 10);
  assert.equal(none.low, 0);
  near(none.high, 3.841459 / 13.841459, 1e-6);
  const all = wilsonInterval(10, 10);
  assert.equal(all.high, 1);
  near(all.low, 10 / 13.841459, 1e-6);
});
