import { expected } from '../errors.ts';
import type { RewardFunction } from './reward.ts';

/** Options of `lengthReward`. */
export interface LengthRewardOptions {
  /** The length that earns the best reward, 0. */
  target: number;
  /** `characters`: code points of the text, so that an emoji counts as in Python. `tokens`: the sampled ids, stop token included. */
  unit?: 'characters' | 'tokens';
}

/**
 * −|target − length of the completion|: 0 at the target, one less for each character (or token) away from it.
 *
 * @throws InputError when `target` is not a number of 0 or more, or `unit` is unknown
 */
export function lengthReward({ target, unit = 'characters' }: LengthRewardOptions): RewardFunction {
  if (!Number.isFinite(target) || target < 0) throw expected('target', 'to be 0 or more', target, 'give a length');
  if (unit !== 'characters' && unit !== 'tokens') throw expected('unit', "to be 'characters' or 'tokens'", unit, 'use one of the two');
  return function length({ completion }) {
    const size = unit === 'tokens' ? completion.ids.length : [...completion.text].length;
    // Subtracted from 0, not negated: −|0| would be −0.
    return 0 - Math.abs(target - size);
  };
}
