import { z } from 'zod';
import { answerCheck, checkParameter } from './answer-check.ts';
import { extractionParameter } from './answer-extraction.ts';
import { defineReward, parameter, type PureReward } from './definition.ts';
import { columnParameter, columnText } from './row-column.ts';

/**
 * Correctness scaled by the length in tokens along half a cosine: a right answer earns maxValueCorrect at length 0 and
 * minValueCorrect at maxLen and beyond, a wrong one minValueWrong at 0 and maxValueWrong at maxLen and beyond. "Demystifying
 * Long Chain-of-Thought Reasoning" (arXiv 2502.03373), appendix C.1. null when the right answer cannot be read.
 */
export const cosineScaled = defineReward({
  name: 'cosineScaled',
  rule: 'correctness scaled along half a cosine over the length in tokens: right answers from `maxValueCorrect` at 0 to `minValueCorrect` at `maxLen` and beyond, wrong ones from `minValueWrong` to `maxValueWrong`; not applicable when the right answer cannot be read',
  range: '`minValueWrong` … `maxValueCorrect`',
  source: 'arXiv 2502.03373, appendix C.1; TRL, `get_cosine_scaled_reward`',
  parameters: {
    maxLen: parameter(z.int().min(1), 'a whole number of 1 or more', 'the length, in tokens, at which the scale ends'),
    check: checkParameter,
    column: columnParameter('solution', 'where the right answer is'),
    extract: extractionParameter('boxed', "where the answer stands, for `check: 'exact'` and `'number'`"),
    minValueWrong: parameter(z.number().default(-1), 'a number', 'a wrong answer of length 0'),
    maxValueWrong: parameter(z.number().default(-0.5), 'a number', 'a wrong answer of length `maxLen`'),
    minValueCorrect: parameter(z.number().default(0.5), 'a number', 'a right answer of length `maxLen`'),
    maxValueCorrect: parameter(z.number().default(1), 'a number', 'a right answer of length 0'),
  },
  positional: ['maxLen', 'column', 'check'],
  make: ({ maxLen, check, column, extract, minValueWrong, maxValueWrong, minValueCorrect, maxValueCorrect }): PureReward => {
    const isRight = answerCheck(check, extract);
    return ({ completion: { text, ids }, row }) => {
      const gold = columnText(row, column);
      const verdict = gold === null ? null : isRight(text, gold);
      if (verdict === null) return null;
      const cosine = Math.cos(Math.min(ids.length / maxLen, 1) * Math.PI);
      const [atEnd, atStart] = verdict ? [minValueCorrect, maxValueCorrect] : [maxValueWrong, minValueWrong];
      return atEnd + 0.5 * (atStart - atEnd) * (1 + cosine);
    };
  },
});
