import { z } from 'zod';
import { defineReward, parameter, type PureReward } from './definition.ts';

/**
 * (1 − different n-grams / n-grams) · maxPenalty over the token ids; 0 for fewer than `ngramSize` tokens. "Demystifying Long
 * Chain-of-Thought Reasoning" (arXiv 2502.03373), appendix C.2.
 */
export const repetitionPenalty = defineReward({
  name: 'repetitionPenalty',
  rule: '(1 − different n-grams / n-grams) · `maxPenalty`, over token ids; 0 for fewer tokens than an n-gram has',
  range: '`maxPenalty` … 0',
  source: 'arXiv 2502.03373, appendix C.2; TRL, `get_repetition_penalty_reward`',
  parameters: {
    ngramSize: parameter(z.int().min(1).max(64).default(3), 'a whole number from 1 to 64', 'tokens per n-gram'),
    maxPenalty: parameter(z.number().max(0).default(-1), 'a number of 0 or less', 'what endless repetition comes near to'),
  },
  positional: ['ngramSize', 'maxPenalty'],
  make: ({ ngramSize, maxPenalty }): PureReward => {
    return ({ completion: { ids } }) => {
      const count = ids.length - ngramSize + 1;
      if (count < 1) return 0;
      const different = new Set<string>();
      for (let i = 0; i < count; i++) different.add(ids.slice(i, i + ngramSize).join());
      const repeated = 1 - different.size / count;
      return repeated > 0 ? repeated * maxPenalty : 0;
    };
  },
});
