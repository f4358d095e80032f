import { z } from 'zod';
import { defineReward, parameter, type PureReward } from './definition.ts';

/**
 * 0 up to maxCompletionLen − softPunishCache tokens, from there linearly to −1 at maxCompletionLen, −1 beyond. DAPO
 * (arXiv 2503.14476), equation 13.
 */
export const softOverlongPunishment = defineReward({
  name: 'softOverlongPunishment',
  rule: '0 up to `maxCompletionLen` − `softPunishCache` tokens, from there linearly to −1 at `maxCompletionLen`, −1 beyond',
  range: '−1 … 0',
  source: 'DAPO, equation 13; TRL, `get_soft_overlong_punishment`',
  parameters: {
    maxCompletionLen: parameter(z.int().min(0), 'a whole number of 0 or more', 'the length, in tokens, that earns −1'),
    softPunishCache: parameter(z.int().min(0), 'a whole number of 0 or more', 'over how many tokens before it the punishment grows'),
  },
  positional: ['maxCompletionLen', 'softPunishCache'],
  make: ({ maxCompletionLen, softPunishCache }): PureReward => {
    const free = maxCompletionLen - softPunishCache;
    return ({ completion: { ids } }) => {
      if (ids.length <= free) return 0;
      return ids.length <= maxCompletionLen ? (free - ids.length) / softPunishCache : -1;
    };
  },
});
