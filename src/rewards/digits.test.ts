import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sampleOf } from '../../test/reward-sample.ts';
import { digits } from './digits.ts';

test('recipe 2: all digits, in the answer or as the whole text', () => {
  const reward = digits({ score: 0.5 });
  const texts = ['<answer>\n72\n</answer>', '72', '<answer>７２</answer>', '<answer>7 2</answer>', '<answer>-7</answer>', '<answer>7.5</answer>', '<answer>7²</answer>', '<answer></answer>', ''];
  assert.deepEqual(texts.map((text) => reward(sampleOf(text))), [0.5, 0.5, 0.5, 0, 0, 0, 0, 0, 0]);
});
