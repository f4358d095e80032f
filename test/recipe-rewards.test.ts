/** The rewards of the recipes together, as docs/rewards-library.md writes them, on the sample texts of their sources. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { rewards } from '../src/rewards/builtin.ts';
import type { PureReward } from '../src/rewards/definition.ts';
import { sampleOf } from './reward-sample.ts';

function earned(all: Record<string, PureReward>, text: string, row: Record<string, unknown>): Record<string, number | null> {
  const sample = sampleOf(text, { row, messages: [{ role: 'assistant', content: text }] });
  return Object.fromEntries(Object.entries(all).map(([name, reward]) => [name, reward(sample)]));
}

const gsm8kZh = {
  mark: rewards.tagCount(),
  format: rewards.format({ multiline: false, score: 0.5 }),
  digit: rewards.digits({ score: 0.5 }),
  length: rewards.lengthBonus({ unit: 'messages' }),
  correctness: rewards.exactAnswer({ column: 'answer_only', score: 2 }),
};

test('gsm8k-zh: the pair on one line earns the format and no mark, the layout of the prompt the marks and no format', () => {
  const row = { answer_only: '72' };
  const oneLine = '<think>小明有六打鸡蛋。</think><answer>72</answer>';
  const onLines = '<think>\n小明有六打鸡蛋。\n</think>\n<answer>\n72\n</answer>\n';
  assert.deepEqual(earned(gsm8kZh, oneLine, row), { mark: 0, format: 0.5, digit: 0.5, length: 0.01, correctness: 2 });
  assert.deepEqual(earned(gsm8kZh, onLines, row), { mark: 0.625, format: 0, digit: 0.5, length: 0.01, correctness: 2 });
  assert.deepEqual(earned({ ...gsm8kZh, format: rewards.format({ score: 0.5 }) }, onLines, row).format, 0.5);
  assert.deepEqual(earned(gsm8kZh, '72', row), { mark: 0, format: 0, digit: 0.5, length: 0.01, correctness: 2 });
  assert.deepEqual(earned(gsm8kZh, '答案是 72', row), { mark: 0, format: 0, digit: 0, length: 0.01, correctness: 0 });
});

const gsm8k = {
  correctness: rewards.gradedAnswer(),
  tags: rewards.tagCount({ tags: { '<reasoning>': 0.2, '</reasoning>': 0.2, '<answer>': 0.2, '</answer>': 0.2 }, count: 'present' }),
};

test('gsm8k: at most 2.8', () => {
  const row = { answer: 'Natalia sold 48 / 2 = 24 in May, 48 + 24 = 72 together.\n#### 72' };
  const full = '<reasoning>48 + 24</reasoning>\n<answer>72</answer>';
  assert.deepEqual(earned(gsm8k, full, row), { correctness: 2, tags: 0.8 });
  assert.deepEqual(earned(gsm8k, `${full} and on it goes`, row), { correctness: 2, tags: 0.8 });
  assert.deepEqual(earned(gsm8k, full.replace('72', '72 clips'), row), { correctness: 1.5, tags: 0.8 });
  assert.deepEqual(earned(gsm8k, '<answer>72', row), { correctness: 0, tags: 0.2 });
});

test('tldr-200: the strict format is the pair and nothing else', () => {
  const format = rewards.format({ strict: true, multiline: false });
  const pair = '<think>short</think><answer>A cat was lost.</answer>';
  assert.deepEqual([pair, `${pair}.`, ` ${pair}`, pair.replace('><', '>\n<')].map((text) => format(sampleOf(text))), [1, 0, 0, 0]);
});
