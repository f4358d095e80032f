import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sampleOf } from '../../test/reward-sample.ts';
import { softOverlongPunishment } from './soft-overlong-punishment.ts';

const earns = (maxCompletionLen: number, softPunishCache: number, tokens: number): number | null =>
  softOverlongPunishment({ maxCompletionLen, softPunishCache })(sampleOf('', { ids: Array.from({ length: tokens }, () => 1) }));

test('0 to 80, halfway at 90, −1 from 100 on', () => {
  assert.deepEqual([0, 80, 85, 90, 100, 101].map((tokens) => earns(100, 20, tokens)), [0, 0, -0.25, -0.5, -1, -1]);
});

test('without a cache there is no slope', () => assert.deepEqual([100, 101].map((tokens) => earns(100, 0, tokens)), [0, -1]));
