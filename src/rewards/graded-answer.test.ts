import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sampleOf } from '../../test/reward-sample.ts';
import { gradedAnswer } from './graded-answer.ts';

const earns = (text: string, gold = '72'): number | null => gradedAnswer()(sampleOf(text, { row: { answer: `6 * 12 = <<6*12=72>>72\n#### ${gold}` } }));

const samples: [text: string, gold: string, earned: number, why: string][] = [
  ['<reasoning>6 * 12</reasoning>\n<answer>\n72\n</answer>', '72', 2, 'the same text'],
  ['<answer>72.0</answer>', '72', 1.5, 'the same number'],
  ['<answer>$72 dollars</answer>', '72', 1.5, 'the same number among words'],
  ['<answer>71</answer>', '72', 0, 'another number'],
  ['<answer>6 * 12 = 72</answer>', '72', 0, 'three numbers'],
  ['<answer>1,350</answer>', '1350', 0, '1,350 is two numbers'],
  ['<answer>1,350</answer>', '1,350', 2, 'the same text, though it is two numbers'],
  ['<answer>72', '72', 0, 'an answer that is not closed'],
  ['72', '72', 0, 'no answer block'],
  ['<answer>...</answer>', '...', 0, 'three points are no answer'],
  ['<answer>1</answer><answer>72</answer>', '72', 2, 'the last block counts'],
  ['', '72', 0, 'nothing'],
];
for (const [text, gold, earned, why] of samples) {
  test(`recipe 3: ${why} earns ${earned}`, () => assert.equal(earns(text, gold), earned));
}

test('a row without #### is an error, one with null does not apply', () => {
  assert.throws(() => gradedAnswer()(sampleOf('a', { row: { answer: '72' } })), /`answer` to hold an answer/);
  assert.equal(gradedAnswer()(sampleOf('a', { row: { answer: null } })), null);
});
