import assert from 'node:assert/strict';
import { test } from 'node:test';
import { mergeSums, metricsOf } from './metrics.ts';
import type { LossSums } from './metrics.ts';

const a: LossSums = { totals: { loss: 1 }, means: { entropy: { sum: 6, count: 3 } }, minima: { low: 0.5 }, maxima: { high: 0.1 } };
const b: LossSums = { totals: { loss: -0.25 }, means: { entropy: { sum: 1, count: 1 }, kl: { sum: 2, count: 4 } }, minima: { low: 0.25 }, maxima: { high: 0.4 } };

test('a mean over two parts is not the mean of their means', () => {
  assert.deepEqual(metricsOf(mergeSums(a, b)), { loss: 0.75, entropy: 7 / 4, kl: 0.5, low: 0.25, high: 0.4 });
});

test('merging does not change its arguments and does not depend on the order', () => {
  const before = structuredClone(a);
  assert.deepEqual(mergeSums(a, b), mergeSums(b, a));
  assert.deepEqual(a, before);
});

test('figures over nothing are 0, and nothing merged to something leaves it as it is', () => {
  const nothing: LossSums = { totals: { loss: 0 }, means: { entropy: { sum: 0, count: 0 } }, minima: { low: Infinity }, maxima: { high: -Infinity } };
  assert.deepEqual(metricsOf(nothing), { loss: 0, entropy: 0, low: 0, high: 0 });
  assert.deepEqual(metricsOf(mergeSums(nothing, a)), metricsOf(a));
});
