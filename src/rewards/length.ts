import { z } from 'zod';
import { defineReward, parameter, type PureReward, type ScoredSample } from './definition.ts';

/** What lengths count: code points of the text, so that an emoji counts as in Python, or the sampled ids, stop token included. */
export type LengthUnit = 'characters' | 'tokens';

/** The parameter `unit` of rewards that look at the length. */
export const unitParameter = parameter(z.enum(['characters', 'tokens']).default('characters'), "'characters' or 'tokens'", 'what is counted: code points of the text, or token ids, the stop token included');

/** Length of a completion. */
export function lengthOf({ text, ids }: ScoredSample['completion'], unit: LengthUnit): number {
  if (unit === 'tokens') return ids.length;
  let count = 0;
  for (const _ of text) count++;
  return count;
}

/** −|target − length|: 0 at the target, one less for each character (or token) away from it. */
export const length = defineReward({
  name: 'length',
  rule: '−|target − length|: 0 at the target, one less for each character or token away from it',
  range: '−∞ … 0',
  source: 'recipes 1 and 4',
  parameters: {
    target: parameter(z.number().min(0), 'a number of 0 or more', 'the length that earns 0'),
    unit: unitParameter,
  },
  positional: ['target', 'unit'],
  make: ({ target, unit }): PureReward => {
    // Subtracted from 0, not negated: −|0| would be −0.
    return ({ completion }) => 0 - Math.abs(target - lengthOf(completion, unit));
  },
});
