import { extractAnswer, extractionParameter } from './answer-extraction.ts';
import { defineReward, scoreParameter, type PureReward } from './definition.ts';

/** `score` when the extracted answer is decimal digits of any script and nothing else. Superscripts, digits to Python's `isdigit`, are none here. */
export const digits = defineReward({
  name: 'digits',
  rule: '`score` when the extracted answer is decimal digits, of any script, and nothing else; else 0. A superscript or a number in a circle, a digit to `isdigit` in Python, is none',
  range: '0 or `score`',
  source: 'recipe 2, *digit* (score 0.5)',
  parameters: {
    extract: extractionParameter('answer', 'where the answer stands'),
    score: scoreParameter,
  },
  positional: ['extract'],
  make: ({ extract, score }): PureReward => {
    return ({ completion }) => (/^\p{Nd}+$/u.test(extractAnswer(completion.text, extract) ?? '') ? score : 0);
  },
});
