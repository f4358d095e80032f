import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sampleOf } from '../../test/reward-sample.ts';
import { containsNumber } from './contains-number.ts';

test('a digit anywhere, or in the answer alone', () => {
  assert.deepEqual(['it is 7', 'seven', '½', ''].map((text) => containsNumber()(sampleOf(text))), [1, 0, 0, 0]);
  const reward = containsNumber({ extract: 'closedAnswer', score: 3 });
  assert.deepEqual(['7 <answer>seven</answer>', '<answer>7</answer>', '7'].map((text) => reward(sampleOf(text))), [0, 3, 0]);
});
