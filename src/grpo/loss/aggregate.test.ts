import assert from 'node:assert/strict';
import { test } from 'node:test';
import { tensor } from '../../tensor/tensor.ts';
import { aggregates } from './aggregate.ts';
import type { LossType } from './options.ts';

// Row sums 6, 4, 0 with 3, 1 and no counted tokens.
const losses = tensor([1, 2, 3, 4, 0, 0, 0, 0, 0], [3, 3], 'float64');
const divisors = {
  normaliser: { rows: 4, tokens: 8, microBatches: 2 },
  counts: tensor([3, 1, 1], [3, 1], 'float64'),
  tokens: tensor([4], [], 'float64'),
  maxCompletionLength: 5,
};

const wanted: Record<LossType, number> = {
  grpo: (2 + 4) / 4,
  sapo: (2 + 4) / 4,
  gmpo: (2 + 4) / 4,
  dapo: 10 / 8,
  cispo: 10 / 8,
  vespo: 10 / 8,
  bnpo: 10 / 4 / 2,
  dr_grpo: 10 / (4 * 5),
  luspo: 10 / 4,
};

for (const [lossType, value] of Object.entries(wanted) as [LossType, number][]) {
  test(`${lossType} of a part of an update`, () => assert.equal(aggregates[lossType](losses, divisors).item(), value));
}

test('an update without rows or tokens has the loss 0', () => {
  const nothing = { ...divisors, normaliser: { rows: 0, tokens: 0 }, tokens: tensor([0], [], 'float64') };
  const none = tensor([0, 0, 0], [3, 1], 'float64');
  for (const aggregate of Object.values(aggregates)) assert.equal(aggregate(none, nothing).item(), 0);
});
