import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sampleOf } from '../../test/reward-sample.ts';
import { thinkFormat } from './think-format.ts';

const samples: [text: string, earned: number][] = [
  ['<think>\nThis is my reasoning.\n</think>\nThis is my answer.', 1],
  ['<think>\nThis is my reasoning.\nThis is my answer.', 0],
  [' <think>a</think>', 0],
  ['<think>a<think>b</think>', 0],
  ['<think>a</think><think>', 0],
  ['<think></think></think>', 1],
  ['', 0],
];
for (const [text, earned] of samples) test(`${JSON.stringify(text)} earns ${earned}`, () => assert.equal(thinkFormat()(sampleOf(text)), earned));
