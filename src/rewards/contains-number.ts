import { defineReward, scoreParameter, type PureReward } from './definition.ts';
import { extractAnswer, extractionParameter } from './answer-extraction.ts';

/** `score` when the extracted text holds a number (a digit 0 to 9), else 0. */
export const containsNumber = defineReward({
  name: 'containsNumber',
  rule: '`score` when the extracted text holds a digit 0 to 9, else 0',
  range: '0 or `score`',
  source: 'tsrl',
  parameters: {
    extract: extractionParameter('whole', 'where the number must stand'),
    score: scoreParameter,
  },
  positional: ['extract'],
  make: ({ extract, score }): PureReward => {
    return ({ completion }) => (/[0-9]/.test(extractAnswer(completion.text, extract) ?? '') ? score : 0);
  },
});
