import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sampleOf } from '../../test/reward-sample.ts';
import { consistent } from './consistent.ts';

const samples: [text: string, earned: number, why: string][] = [
  ['<think>6 * 12 is 72</think><answer>$72.00</answer>', 1, 'the reasoning ends at the number of the answer'],
  ['<think>72, no: 71</think><answer>72</answer>', 0, 'the reasoning ends at another number'],
  ['<think>It must be Paris, then.</think><answer>paris</answer>', 1, 'every word of the answer was reasoned about'],
  ['<think>It must be Paris.</think><answer>Paris, France</answer>', 0, 'a word of the answer comes from nowhere'],
  ['<think>words</think><answer>7</answer>', 0, 'a number of the answer comes from nowhere'],
  ['<think>7</think><answer></answer>', 0, 'an empty answer'],
  ['<think></think><answer>7</answer>', 0, 'empty reasoning'],
  ['<answer>7</answer><think>7</think>', 0, 'reasoning after the answer'],
  ['<think>7<answer>7</answer>', 0, 'reasoning that is not closed'],
  ['<think>7</think>7', 0, 'no answer block'],
  ['', 0, 'nothing'],
];
for (const [text, earned, why] of samples) test(`${why} earns ${earned}`, () => assert.equal(consistent()(sampleOf(text)), earned));

test('tags of other names', () => {
  assert.equal(consistent({ think: 'reasoning', answer: 'result', score: 2 })(sampleOf('<reasoning>7</reasoning><result>7</result>')), 2);
});
