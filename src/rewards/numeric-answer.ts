import { z } from 'zod';
import { expected } from '../errors.ts';
import { extractAnswer, extractionParameter, goldAnswer } from './answer-extraction.ts';
import { defineReward, parameter, scoreParameter, type PureReward } from './definition.ts';
import { numbersIn } from './numbers.ts';
import { columnParameter } from './row-column.ts';

/**
 * `score` when the extracted answer holds exactly one number and it is the right one, up to `tolerance`; else 0. Commas
 * between groups of three digits, units and currency signs do not matter. null where the row has null.
 */
export const numericAnswer = defineReward({
  name: 'numericAnswer',
  rule: '`score` when the extracted answer holds exactly one number and it is the right one; `1,350` is one, units and currency signs do not matter; else 0; not applicable where the row has null',
  range: '0 or `score`',
  source: 'tsrl',
  parameters: {
    column: columnParameter('answer', 'where the right answer is'),
    extract: extractionParameter('answer', 'where the answer stands in the completion'),
    gold: extractionParameter('whole', 'where the right answer stands in the column'),
    tolerance: parameter(z.number().min(0).default(0), 'a number of 0 or more', 'the largest difference that counts as equal'),
    score: scoreParameter,
  },
  positional: ['column', 'extract', 'gold'],
  make: ({ column, extract, gold, tolerance, score }): PureReward => {
    return ({ completion, row }) => {
      const right = goldAnswer(row, column, gold);
      if (right === null) return null;
      const [wanted, ...others] = numbersIn(right);
      if (wanted === undefined || others.length > 0) throw expected(column, 'to hold exactly one number', right, 'mend the row or set `gold`');
      const found = numbersIn(extractAnswer(completion.text, extract) ?? '');
      return found.length === 1 && Math.abs(found[0]! - wanted) <= tolerance ? score : 0;
    };
  },
});
