import { columnParameter, columnText } from '../row-column.ts';
import { defineReward, type PureReward } from '../definition.ts';
import { gradeCompletion } from './math-equals.ts';

/**
 * 1 where the completion gives the answer of the solution, 0 where it does not, null where the solution holds no
 * mathematics: the values of TRL's `accuracy_reward`. The answer counts in LaTeX, in a box or behind the word "answer".
 * The solution is a text: LaTeX stands between dollar signs or in a box there, and numbers may be plain.
 */
export const mathAnswer = defineReward({
  name: 'mathAnswer',
  rule: '1 when the completion gives, as LaTeX, in a box or behind the word "answer", mathematics equal to that of the solution ([docs/math-answers.md](math-answers.md)), else 0; not applicable where the solution holds none',
  range: '0 or 1',
  source: 'TRL, `accuracy_reward`; math-verify 0.9',
  parameters: { column: columnParameter('solution', 'where the solution is: LaTeX between dollar signs or in a box, or plain numbers') },
  positional: ['column'],
  make: ({ column }): PureReward => ({ completion, row }) => {
    const solution = columnText(row, column);
    const verdict = solution === null ? 'noGold' : gradeCompletion(solution, completion.text);
    return verdict === 'noGold' ? null : Number(verdict === 'equal');
  },
});
