import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sampleOf } from '../../test/reward-sample.ts';
import { finished } from './finished.ts';

test('a completion that was cut earns 0', () => {
  const reward = finished({ score: 0.25 });
  assert.deepEqual((['stop', 'stopString', 'length'] as const).map((finishReason) => reward(sampleOf('a', { finishReason }))), [0.25, 0.25, 0]);
});
