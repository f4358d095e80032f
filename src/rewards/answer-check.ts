/** Whether a text gives the right answer: what rewards that scale or gate correctness are given. */
import { z } from 'zod';
import { expected } from '../errors.ts';
import { extractAnswer } from './answer-extraction.ts';
import type { Extraction } from './answer-extraction.ts';
import { parameter } from './definition.ts';
import { gradeCompletion } from './math/math-equals.ts';
import { numbersIn } from './numbers.ts';
import { strip } from './white-space.ts';

/** Says whether a text gives the right answer; null when the right answer cannot be read, so that the reward does not apply. */
export type AnswerCheck = (text: string, gold: string) => boolean | null;

/** The parameter `check`. */
export const checkParameter = parameter(
  z.union([z.enum(['math', 'exact', 'number']), z.custom<AnswerCheck>((value) => typeof value === 'function')]).default('math'),
  "'math', 'exact', 'number' or a function (text, gold) => true, false or null",
  'how the answer is compared: as mathematics in the whole text, as `mathAnswer` does; the extracted text, the one number in it, or by your function, which sees the whole text',
);

/** The function behind `check`. */
export function answerCheck(check: 'math' | 'exact' | 'number' | AnswerCheck, extract: Extraction): AnswerCheck {
  if (check === 'math') {
    return (text, gold) => {
      const verdict = gradeCompletion(gold, text);
      return verdict === 'noGold' ? null : verdict === 'equal';
    };
  }
  if (check === 'exact') return (text, gold) => extractAnswer(text, extract) === strip(gold);
  if (check === 'number') return (text, gold) => sameNumber(extractAnswer(text, extract) ?? '', gold);
  return (text, gold) => {
    const verdict: unknown = check(text, gold);
    if (verdict !== null && typeof verdict !== 'boolean') throw expected('check', 'to return true, false or null', verdict, 'make it return one of these, and no promise');
    return verdict;
  };
}

/** null when `gold` does not hold exactly one number. */
function sameNumber(answer: string, gold: string): boolean | null {
  const wanted = numbersIn(gold);
  if (wanted.length !== 1) return null;
  const found = numbersIn(answer);
  return found.length === 1 && found[0] === wanted[0];
}
