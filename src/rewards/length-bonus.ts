import { z } from 'zod';
import { expected } from '../errors.ts';
import { defineReward, parameter, type PureReward } from './definition.ts';
import { lengthOf } from './length.ts';

/**
 * length / per. With `messages` the messages of the completion are counted, of which there is one: the constant 1 / per,
 * which is what the source of recipe 2 gives in chat mode.
 */
export const lengthBonus = defineReward({
  name: 'lengthBonus',
  rule: 'length / `per`; with `messages`, the number of messages / `per`, which is the same for every completion',
  range: '0 … ∞',
  source: 'recipe 2, *length*: characters / 100, or in chat mode the constant 0.01',
  parameters: {
    unit: parameter(z.enum(['characters', 'tokens', 'messages']).default('characters'), "'characters', 'tokens' or 'messages'", 'what is counted'),
    per: parameter(z.number().gt(0).default(100), 'a number above 0', 'the length that earns 1'),
  },
  positional: ['unit', 'per'],
  make: ({ unit, per }): PureReward => {
    return ({ completion }) => {
      if (unit !== 'messages') return lengthOf(completion, unit) / per;
      if (!completion.messages) throw expected('lengthBonus.unit', "to be 'characters' or 'tokens' for prompts that are plain text", unit, 'count one of these, or give messages as prompts');
      return completion.messages.length / per;
    };
  },
});
