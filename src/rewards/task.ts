import { verifyTask } from '../data/tasks/by-name.ts';
import { defineReward, type PureReward } from './definition.ts';

/** 1 for a completion that solves the task its row was made by (`row.task`), else 0; rows of several tasks may be mixed. */
export const task = defineReward({
  name: 'task',
  rule: '1 when the completion solves the task that its row was made by, which the column `task` names, else 0; for rows of every task but `countdown`, which has a reward of its own',
  range: '0 or 1',
  source: 'the tasks of docs/data.md',
  parameters: {},
  make: (): PureReward => {
    return ({ completion, row }) => verifyTask(completion.text, row);
  },
});
