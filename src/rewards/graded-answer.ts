import { z } from 'zod';
import { extractAnswer, extractionParameter, goldAnswer } from './answer-extraction.ts';
import { defineReward, parameter, type PureReward } from './definition.ts';
import { singleNumber } from './numbers.ts';
import { columnParameter } from './row-column.ts';

/**
 * `exact` when the extracted answer is the right one, character by character; `number` when each of the two holds exactly
 * one match of `-?\d*\.?\d+` and they are equal (`1,350` holds two); else 0. null where the row has null.
 */
export const gradedAnswer = defineReward({
  name: 'gradedAnswer',
  rule: '`exact` when the extracted answer is the right one, character by character; `number` when each of the two holds exactly one match of `-?\\d*\\.?\\d+` and they are equal (`1,350` holds two); else 0; not applicable where the row has null',
  range: '0, `number` or `exact`',
  source: 'recipe 3, correctness',
  parameters: {
    column: columnParameter('answer', 'where the right answer is'),
    extract: extractionParameter('closedAnswer', 'where the answer stands in the completion'),
    gold: extractionParameter('hashes', 'where the right answer stands in the column'),
    exact: parameter(z.number().default(2), 'a number', 'what the same text earns'),
    number: parameter(z.number().default(1.5), 'a number', 'what the same number earns'),
  },
  positional: ['column', 'extract', 'gold'],
  make: ({ column, extract, gold, exact, number }): PureReward => {
    return ({ completion, row }) => {
      const right = goldAnswer(row, column, gold);
      if (right === null) return null;
      const answer = extractAnswer(completion.text, extract);
      if (answer === null) return 0;
      if (answer === right) return exact;
      const found = singleNumber(answer);
      return found !== null && found === singleNumber(right) ? number : 0;
    };
  },
});
