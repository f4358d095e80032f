import { expected } from '../../errors.ts';
import type { RewardFunction } from '../reward.ts';
import { gradeCompletion } from './math-equals.ts';

/** Options of `mathAnswer`. */
export interface MathAnswerOptions {
  /** The column of the dataset that holds the solution: a text, or a number. */
  column?: string;
}

/**
 * 1 where the completion gives the answer of the solution, 0 where it does not, null where the solution holds no
 * mathematics: the values of TRL's `accuracy_reward`. The answer counts in LaTeX, in a box or behind the word "answer".
 * The solution is a text: LaTeX stands between dollar signs or in a box there, and numbers may be plain.
 */
export function mathAnswer({ column = 'solution' }: MathAnswerOptions = {}): RewardFunction {
  return function mathAnswer({ completion, row }) {
    const solution = Object.hasOwn(row, column) ? row[column] : undefined;
    if (typeof solution !== 'string' && typeof solution !== 'number') {
      throw expected(column, 'to be a column with a text or a number', solution, `name one of the columns ${Object.keys(row).join(', ')} with \`column\``);
    }
    const verdict = gradeCompletion(String(solution), completion.text);
    return verdict === 'noGold' ? null : Number(verdict === 'equal');
  };
}
