/** The rewards that ship with tsrl, by the names that recipes and `--reward` use. */
import { expected } from '../errors.ts';
import { lengthReward } from './length.ts';
import type { BatchReward, RewardFunction } from './reward.ts';
import { taskReward } from './task.ts';

/** One built-in reward as text names it. */
export interface BuiltinReward {
  /** How it is written: `length:TARGET[:characters|tokens]`. */
  usage: string;
  /** What it rewards, in one line. */
  summary: string;
  /** Makes the reward from what follows the name, split at the colons. */
  make(args: readonly string[]): RewardFunction | BatchReward;
}

/** Name → built-in reward. */
export const builtinRewards: Readonly<Record<string, BuiltinReward>> = {
  length: {
    usage: 'length:TARGET[:characters|tokens]',
    summary: '−|TARGET − length of the completion|, in characters unless told otherwise',
    make: ([target, unit = 'characters', ...rest]) => {
      const usable = target !== undefined && /^\d+$/.test(target) && (unit === 'characters' || unit === 'tokens');
      if (!usable || rest.length > 0) {
        throw expected('reward', 'to be written length:TARGET[:characters|tokens]', ['length', target, unit, ...rest].join(':'), 'as in `length:50`');
      }
      return lengthReward({ target: Number(target), unit });
    },
  },
  task: {
    usage: 'task',
    summary: '1 for a completion that solves the task its row was made by, else 0',
    make: (args) => {
      if (args.length > 0) throw expected('reward', 'to be written task', ['task', ...args].join(':'), 'leave out what follows; the rows say which task it is');
      return taskReward;
    },
  },
};

/**
 * Makes a built-in reward from its text form, as in `length:50`.
 *
 * @throws InputError for a name that is not built in, or arguments it does not take
 */
export function builtinReward(text: string): RewardFunction | BatchReward {
  const [name = '', ...args] = text.split(':');
  if (!Object.hasOwn(builtinRewards, name)) {
    const usages = Object.values(builtinRewards).map(({ usage }) => usage);
    throw expected('reward', `to be a built-in reward (${usages.join(', ')})`, text, 'use one of these, or a file whose default export is the reward');
  }
  return builtinRewards[name]!.make(args);
}
