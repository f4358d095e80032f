import { z } from 'zod';
import { expected } from '../errors.ts';
import { defineReward, parameter, scoreParameter, type PureReward } from './definition.ts';
import { lengthOf, unitParameter } from './length.ts';

/** `score` when min ≤ length ≤ max, else 0. */
export const lengthBounds = defineReward({
  name: 'lengthBounds',
  rule: '`score` when min ≤ length ≤ max, else 0',
  range: '0 or `score`',
  source: 'tsrl',
  parameters: {
    min: parameter(z.number().min(0), 'a number of 0 or more', 'the shortest that counts'),
    max: parameter(z.number().min(0), 'a number of 0 or more', 'the longest that counts'),
    unit: unitParameter,
    score: scoreParameter,
  },
  positional: ['min', 'max', 'unit'],
  make: ({ min, max, unit, score }): PureReward => {
    if (max < min) throw expected('lengthBounds.max', `to be ${min} (\`min\`) or more`, max, 'exchange the two');
    return ({ completion }) => {
      const length = lengthOf(completion, unit);
      return length >= min && length <= max ? score : 0;
    };
  },
});
