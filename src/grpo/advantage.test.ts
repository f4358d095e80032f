import assert from 'node:assert/strict';
import { test } from 'node:test';
import { InputError } from '../errors.ts';
import { computeAdvantages, type AdvantageOptions } from './advantage.ts';

/** [P 2][G 4][F 2]; the second group has no spread. */
const GOLDEN = [
  [[1, 0], [0, 1], [null, null], [0.5, null]],
  [[1, 1], [1, 1], [1, 1], [1, 1]],
];

function close(actual: readonly number[], wanted: readonly number[], tolerance: number): void {
  assert.equal(actual.length, wanted.length);
  actual.forEach((value, i) => assert.ok(Math.abs(value - wanted[i]!) <= tolerance, `[${i}] ${value}, wanted ${wanted[i]}`));
}

// Made by TRL 1.16.0 on the same rewards with weights [1, 2].
const goldenCases: [string, AdvantageOptions, number[]][] = [
  ['group', { scaleRewards: 'group' }, [-0.21819, 1.09095, 0, -0.87276]],
  ['batch', { scaleRewards: 'batch' }, [-0.15508, 0.77541, 0, -0.62033]],
  ['none', { scaleRewards: 'none' }, [-0.16667, 0.83333, 0, -0.66667]],
  ['GDPO', { rewardAggregation: 'normalizeThenSum' }, [-1.73133, 1.73133, 0, 0]],
];
for (const [name, options, wanted] of goldenCases) {
  test(`agrees with TRL: ${name}`, () => {
    const result = computeAdvantages(GOLDEN, { rewardWeights: [1, 2], ...options });
    close(result.advantages[0]!, wanted, 1e-5);
    assert.deepEqual(result.advantages[1], [0, 0, 0, 0]);
    assert.deepEqual(result.rewards, [[1, 2, null, 0.5], [3, 3, 3, 3]]);
    assert.deepEqual(result.zeroStdGroups, [1]);
  });
}

test('group: 0, 1, 2, 3 by hand', () => {
  const { advantages } = computeAdvantages([[[0], [1], [2], [3]]]);
  const std = Math.sqrt(5 / 3);
  close(advantages[0]!, [-1.5, -0.5, 0.5, 1.5].map((x) => x / (std + 1e-4)), 1e-12);
});

test('leaveOneOut subtracts the mean of the others and is independent of the scale', () => {
  const rewards = [[[0], [1], [2], [5]]];
  const none = computeAdvantages(rewards, { advantage: 'leaveOneOut', scaleRewards: 'none' });
  // Others' means: 8/3, 7/3, 2, 1.
  close(none.advantages[0]!, [-8 / 3, -4 / 3, 0, 4], 1e-12);
  const scaled = computeAdvantages(rewards, { advantage: 'leaveOneOut', scaleRewards: 'group' });
  const std = Math.sqrt((4 + 1 + 0 + 9) / 3);
  close(scaled.advantages[0]!, [-8 / 3, -4 / 3, 0, 4].map((x) => x / (std + 1e-4)), 1e-12);
});

test('leaveOneOut leaves unscored rows out of the others', () => {
  const { advantages } = computeAdvantages([[[1], [null], [4]]], { advantage: 'leaveOneOut', scaleRewards: 'none' });
  assert.deepEqual(advantages, [[-3, 0, 3]]);
});

test('batch divides by the deviation of all scored rows of the round', () => {
  const { advantages } = computeAdvantages([[[0], [2]], [[10], [null]], [[4], [4]]], { scaleRewards: 'batch' });
  // Scored: 0, 2, 10, 4, 4: mean 4, Σ² = 16 + 4 + 36 = 56, std √14.
  const scale = Math.sqrt(14) + 1e-4;
  close(advantages.flat(), [-1 / scale, 1 / scale, 0, 0, 0, 0], 1e-12);
});

test('equal rewards give exactly 0, whatever their rounding', () => {
  for (const scaleRewards of ['group', 'batch', 'none'] as const) {
    for (const advantage of ['groupMean', 'leaveOneOut'] as const) {
      const thirds = computeAdvantages([[[0.1], [0.1], [0.1]], [[7], [8], [9]]], { scaleRewards, advantage });
      assert.deepEqual(thirds.advantages[0], [0, 0, 0]);
      assert.deepEqual(thirds.zeroStdGroups, [0]);
      // 0.1 + 0.2 is 0.30000000000000004 in float64.
      const sums = computeAdvantages([[[0.1, 0.2], [0.3, 0], [0.2, 0.1]]], { scaleRewards, advantage });
      assert.deepEqual(sums.advantages, [[0, 0, 0]]);
      assert.deepEqual(sums.zeroStdGroups, [0]);
    }
  }
});

test('normalizeThenSum: opposite z-scores cancel to exactly 0', () => {
  const result = computeAdvantages([[[1, 0], [0, 1], [0, 1]], [[1, 1], [0.3, 1], [0.1, 1]]], {
    rewardAggregation: 'normalizeThenSum',
  });
  assert.deepEqual(result.advantages[0], [0, 0, 0]);
  assert.deepEqual(result.zeroStdGroups, [0]);
  assert.ok(result.advantages[1]![0]! > 0);
});

test('normalizeThenSum sees a spread where the plain sums are equal', () => {
  const rewards = [[[2, 0, 0], [0, 1, 1], [0, 0, 2]]];
  assert.deepEqual(computeAdvantages(rewards).advantages, [[0, 0, 0]]);
  const gdpo = computeAdvantages(rewards, { rewardAggregation: 'normalizeThenSum' });
  assert.deepEqual(gdpo.zeroStdGroups, []);
  assert.ok(Math.max(...gdpo.advantages[0]!.map(Math.abs)) > 0.5);
});

test('fewer than two scored rows: all 0, counted as without spread', () => {
  for (const rewardAggregation of ['sumThenNormalize', 'normalizeThenSum'] as const) {
    const result = computeAdvantages([[[3], [null]], [[null], [null]], [[1], [2]]], { rewardAggregation });
    assert.deepEqual(result.advantages.slice(0, 2), [[0, 0], [0, 0]]);
    assert.deepEqual(result.rewards, [[3, null], [null, null], [1, 2]]);
    assert.deepEqual(result.zeroStdGroups, [0, 1]);
  }
});

test('an errored row is unscored even when its other rewards apply', () => {
  const result = computeAdvantages([[[0, 9], [1, 9], [5, null]]], {
    scaleRewards: 'none',
    errored: [[false, false, true]],
  });
  assert.deepEqual(result.advantages, [[-0.5, 0.5, 0]]);
  assert.deepEqual(result.rewards, [[9, 10, null]]);
});

test('a KL penalty moves the baseline and the advantages, not the reported reward', () => {
  const result = computeAdvantages([[[1], [1], [1]], [[1], [2], [3]]], {
    scaleRewards: 'none',
    klPenalty: [[0, 0.3, 0.6], [0.5, 0.5, 0.5]],
  });
  close(result.advantages.flat(), [0.3, 0, -0.3, -1, 0, 1], 1e-12);
  assert.deepEqual(result.rewards, [[1, 1, 1], [1, 2, 3]]);
  assert.deepEqual(result.zeroStdGroups, [0]);
});

test('an empty round is empty', () => {
  assert.deepEqual(computeAdvantages([]), { advantages: [], rewards: [], zeroStdGroups: [] });
});

test('refuses what it cannot mean', () => {
  const one = [[[1], [2]]];
  const refused: [unknown, AdvantageOptions, RegExp][] = [
    [one, { rewardWeights: [1, 2] }, /rewardWeights.*one weight per reward function \(1\)/],
    [one, { rewardWeights: [Number.NaN] }, /rewardWeights.*finite/],
    [[[[1], [2, 3]]], {}, /rewards\[0\]\[1\]/],
    [[[[1], [Number.NaN]]], {}, /rewards\[0\]\[1\].*errored/],
    [[[[1], [undefined]]], {}, /rewards\[0\]\[1\].*null/],
    [one, { errored: [[true]] }, /errored.*\[P\]\[G\]/],
    [one, { klPenalty: [[0, Infinity]] }, /klPenalty/],
    [one, { scaleRewards: 'std' as 'group' }, /scaleRewards.*group, batch, none/],
    [one, { rewardAggregation: 'normalizeThenSum', scaleRewards: 'none' }, /scaleRewards/],
    [one, { rewardAggregation: 'normalizeThenSum', advantage: 'leaveOneOut' }, /advantage/],
    [one, { rewardAggregation: 'normalizeThenSum', klPenalty: [[0, 0]] }, /klPlacement/],
  ];
  for (const [rewards, options, message] of refused) {
    assert.throws(
      () => computeAdvantages(rewards as number[][][], options),
      (error: Error) => error instanceof InputError && message.test(error.message),
      String(message),
    );
  }
});
