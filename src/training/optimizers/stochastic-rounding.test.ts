import assert from 'node:assert/strict';
import { test } from 'node:test';
import { native } from '../../tensor/binding.ts';
import { copy_, empty } from '../../tensor/ops.ts';
import { scope } from '../../tensor/scope.ts';
import { tensor } from '../../tensor/tensor.ts';
import { ROUNDING_BLOCK, stochasticBfloat16 } from './stochastic-rounding.ts';

const key = { seed: 42, update: 1, tensor: 0, start: 0 };
const round = (values: readonly number[], more: Partial<typeof key> = {}): number[] =>
  scope(() => {
    const rounded = stochasticBfloat16(tensor(Float32Array.from(values)), { ...key, ...more });
    const stored = empty([values.length], 'bfloat16');
    copy_(stored, rounded);
    // Storing them rounds no more.
    assert.deepEqual(stored.toArray(), rounded.toArray());
    return Array.from(rounded.toArray(), Number);
  });

/** Distance of two neighbours in bfloat16, which has 8 bits. */
const spacing = (value: number): number => 2 ** (Math.floor(Math.log2(Math.abs(value))) - 7);

test('each result is one of the two neighbours, and their mean is the number', () => {
  const draws = 20_000;
  for (const value of [1.003, -1.003, 0.7501, 3e-5, -12345.678, 1.99999, 2 ** -100 * 1.3]) {
    const exact = Math.fround(value);
    const [step, found] = [spacing(exact), round(Array.from({ length: draws }, () => exact))];
    const low = Math.floor(exact / step) * step;
    const share = (exact - low) / step;
    assert.ok(found.every((one) => one === low || one === low + step), `${value}`);
    const ups = found.filter((one) => one !== low).length / draws;
    // Four standard errors of a share.
    assert.ok(Math.abs(ups - share) <= 4 * Math.sqrt((share * (1 - share)) / draws), `${value}: ${ups} of the draws went up, wanted ${share}`);
  }
});

test('the mean of many different numbers stays, where rounding to the nearest would move it', () => {
  // All a quarter of the way up: the nearest is always below.
  const values = Array.from({ length: 50_000 }, (_, i) => (1 + (i % 128) / 128) * (1 + 0.25 / 256));
  const steps = round(values).map((one, i) => (one - Math.fround(values[i]!)) / spacing(values[i]!));
  const mean = steps.reduce((sum, step) => sum + step, 0) / steps.length;
  // A single error has a standard deviation of at most half a step.
  assert.ok(Math.abs(mean) <= (4 * 0.5) / Math.sqrt(values.length), String(mean));
});

test('what bfloat16 holds stays as it is', () => {
  const held = [0, 1, -1.5, 2 ** -126, 3.3895313892515355e38, -0.0078125];
  assert.deepEqual(round(held), held);
});

test('seed, update, tensor and place name the draw, and nothing else does', () => {
  const values = Array.from({ length: 3 * ROUNDING_BLOCK }, (_, i) => 1 + i / 7777);
  const all = round(values);
  assert.deepEqual(round(values), all);
  for (const threads of [1, 2]) {
    native().setThreads(threads);
    assert.deepEqual(round(values), all);
  }
  // A part by itself, as another size of slices would have it.
  assert.deepEqual(round(values.slice(ROUNDING_BLOCK), { start: ROUNDING_BLOCK }), all.slice(ROUNDING_BLOCK));
  const others = [{ seed: 43 }, { update: 2 }, { tensor: 1 }, { start: ROUNDING_BLOCK }].map((more) => round(values, more));
  assert.equal(new Set([all, ...others].map(String)).size, 5);
});
