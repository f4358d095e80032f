import { z } from 'zod';
import { answerCheck, checkParameter } from './answer-check.ts';
import { extractionParameter } from './answer-extraction.ts';
import { defineReward, parameter, type PureReward } from './definition.ts';
import { columnParameter, columnText } from './row-column.ts';

/**
 * 1 when the text after the reasoning gives the right answer, else 0, and 0 when the reasoning never ends. It ends at the
 * last occurrence of the first delimiter in the list that occurs at all. null when the right answer cannot be read.
 */
export const reasoningAccuracy = defineReward({
  name: 'reasoningAccuracy',
  rule: '1 when the text after the reasoning gives the right answer, else 0, and 0 when the reasoning never ends; it ends at the last occurrence of the first delimiter in the list that occurs at all; not applicable when the right answer cannot be read',
  range: '0 or 1',
  source: 'TRL, `reasoning_accuracy_reward`',
  parameters: {
    column: columnParameter('solution', 'where the right answer is'),
    check: checkParameter,
    extract: extractionParameter('boxed', "where the answer stands, for `check: 'exact'` and `'number'`"),
    reasoningDelimiters: parameter(z.array(z.string().min(1)).min(1).default(['</think>']), 'a list of texts', 'what ends the reasoning'),
  },
  positional: ['column', 'check'],
  make: ({ column, check, extract, reasoningDelimiters }): PureReward => {
    const isRight = answerCheck(check, extract);
    return ({ completion: { text }, row }) => {
      const gold = columnText(row, column);
      const delimiter = reasoningDelimiters.find((one) => text.includes(one));
      // Before the right answer is looked at, as TRL does: reasoning without an end is 0 in every row.
      if (delimiter === undefined) return 0;
      const verdict = gold === null ? null : isRight(text.slice(text.lastIndexOf(delimiter) + delimiter.length), gold);
      return verdict === null ? null : Number(verdict);
    };
  },
});
