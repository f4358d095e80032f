import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sampleOf } from '../../test/reward-sample.ts';
import { tagCount } from './tag-count.ts';

const onLines = '<think>\nIt is 7.\n</think>\n<answer>\n7\n</answer>\n';

const marks: [text: string, earned: number, why: string][] = [
  [onLines, 0.625, 'all four'],
  [onLines.trimEnd(), 0.375, 'no line break after the last tag'],
  ['<think>It is 7.</think><answer>7</answer>', 0, 'tags on one line'],
  [`${onLines}<answer>\n`, 0.5, 'one tag twice'],
  ['<think>\n<think>\n', 0, 'twice the same'],
  ['', 0, 'nothing'],
];
for (const [text, earned, why] of marks) {
  test(`recipe 2, mark: ${why} earns ${earned}`, () => assert.equal(tagCount()(sampleOf(text)), earned));
}

test('recipe 3: 0.2 for each of the four tags present', () => {
  const tags = { '<reasoning>': 0.2, '</reasoning>': 0.2, '<answer>': 0.2, '</answer>': 0.2 };
  const reward = tagCount({ tags, count: 'present' });
  const earned = ['<reasoning>a</reasoning><answer>7</answer>', '<answer><answer>', 'answer', '</answer>7<answer>'].map((text) => reward(sampleOf(text)));
  assert.deepEqual(earned, [0.8, 0.2, 0, 0.4]);
});

test('occurrences that overlap count once', () => assert.deepEqual(['aaa', 'aaaa'].map((text) => tagCount({ tags: { aa: 1 } })(sampleOf(text))), [1, 0]));

test('refuses an empty tag', () => assert.throws(() => tagCount({ tags: { '': 1 } }), /`tagCount\.tags`/));
