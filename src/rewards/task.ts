/** The verifiers of tasks that make their own rows, as one reward. */
import { verifyTask } from '../data/tasks/by-name.ts';
import type { RewardFunction } from './reward.ts';

/** 1 for a completion that solves its row's task (`row.task`), 0 for one that does not; rows of several tasks may be mixed. */
export const taskReward: RewardFunction = function task({ completion, row }) {
  return verifyTask(completion.text, row);
};
