import { extractAnswer, extractionParameter, goldAnswer } from './answer-extraction.ts';
import { defineReward, scoreParameter, type PureReward } from './definition.ts';
import { columnParameter } from './row-column.ts';

/** `score` when the extracted answer is the right one, character by character; else 0. null where the row has null. */
export const exactAnswer = defineReward({
  name: 'exactAnswer',
  rule: '`score` when the extracted answer is the right one, character by character; else 0; not applicable where the row has null',
  range: '0 or `score`',
  source: 'recipe 2, *correctness* (score 2)',
  parameters: {
    column: columnParameter('answer', 'where the right answer is'),
    extract: extractionParameter('answer', 'where the answer stands in the completion'),
    gold: extractionParameter('whole', 'where the right answer stands in the column'),
    score: scoreParameter,
  },
  positional: ['column', 'extract', 'gold'],
  make: ({ column, extract, gold, score }): PureReward => {
    return ({ completion, row }) => {
      const right = goldAnswer(row, column, gold);
      if (right === null) return null;
      return extractAnswer(completion.text, extract) === right ? score : 0;
    };
  },
});
