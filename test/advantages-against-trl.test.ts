/**
 * Random rounds against the advantages of TRL 1.16.0 in float64 (test/fixtures/trl/make.py), to 1e-6: every scaling and
 * GDPO, with weights, rewards that do not apply, rows and groups without any, and groups whose rewards are all equal.
 *
 * Where the two differ on purpose:
 * - Equal rewards, up to the rounding of their sum, give exactly 0 here; TRL divides the rounding by ε, which 1e-6 does
 *   not tell apart, so it is asked for on its own.
 * - A group with fewer than two scored rows counts as one without spread here; TRL's deviation of it is NaN, which does not.
 * - TRL counts groups without spread by the deviation it scales with, here they are counted by their own: compared for
 *   'group' and 'none' alone.
 * - TRL's GRPO has no leaveOneOut: with n scored rows it is n/(n − 1) of what TRL has without scaling.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { computeAdvantages } from '../src/grpo/advantage.ts';
import type { AdvantageOptions, Scale } from '../src/grpo/advantage.ts';

interface Case {
  mode: Scale | 'normalizeThenSum';
  weights: number[];
  /** [P][G][F]; null = does not apply. */
  rewards: (number | null)[][][];
  /** [P][G] */
  advantages: number[][];
  /** [P]; the deviation that TRL scaled the group with is 0. */
  zeroStd: boolean[];
}

const cases = JSON.parse(readFileSync(new URL('./fixtures/trl/advantages.json', import.meta.url), 'utf8')) as Case[];

const scored = (group: Case['rewards'][number]): number => group.filter((row) => row.some((value) => value !== null)).length;
const isEqual = (group: Case['rewards'][number]): boolean => group.every((row) => JSON.stringify(row) === JSON.stringify(group[0]));
/** 0.1 + 0.2 beside 0.3 + 0: one reward, but for its rounding. */
const isEqualUpToRounding = (group: Case['rewards'][number]): boolean => group[0]![0] === 0.3 && group[1]![0] === 0.1 && group[1]![1] === 0.2;

function close(name: string, actual: readonly number[][], wanted: readonly number[][]): void {
  assert.deepEqual(actual.map(({ length }) => length), wanted.map(({ length }) => length));
  actual.forEach((group, p) =>
    group.forEach((value, g) => assert.ok(Math.abs(value - wanted[p]![g]!) <= 1e-6, `${name}[${p}][${g}]: ${value} is not within 1e-6 of ${wanted[p]![g]}`)),
  );
}

cases.forEach(({ mode, weights, rewards, advantages, zeroStd }, index) => {
  test(`TRL advantages ${index}: ${mode}, weights ${weights.join(', ')}`, () => {
    const options: AdvantageOptions = mode === 'normalizeThenSum' ? { rewardAggregation: mode } : { scaleRewards: mode };
    const ours = computeAdvantages(rewards, { rewardWeights: weights, ...options });
    close('advantages', ours.advantages, advantages);
    rewards.forEach((group, p) => {
      if (scored(group) >= 2 && !isEqual(group) && !isEqualUpToRounding(group)) return;
      assert.ok(ours.advantages[p]!.every((value) => value === 0), `group ${p} is exactly 0`);
      assert.ok(ours.zeroStdGroups.includes(p), `group ${p} has no spread`);
    });
    if (mode === 'group' || mode === 'none') {
      const compared = rewards.flatMap((group, p) => (scored(group) >= 2 ? [p] : []));
      assert.deepEqual(compared.filter((p) => ours.zeroStdGroups.includes(p)), compared.filter((p) => zeroStd[p]));
    }
    if (mode === 'none') {
      const leaveOneOut = computeAdvantages(rewards, { rewardWeights: weights, scaleRewards: 'none', advantage: 'leaveOneOut' });
      const wanted = advantages.map((group, p) => group.map((value) => (scored(rewards[p]!) < 2 ? 0 : (value * scored(rewards[p]!)) / (scored(rewards[p]!) - 1))));
      close('leaveOneOut', leaveOneOut.advantages, wanted);
    }
  });
});

test('the cases meet every scaling, weights, nulls, unscored rows, groups of one scored row, and equal rewards', () => {
  assert.ok(cases.length >= 40);
  for (const mode of ['group', 'batch', 'none', 'normalizeThenSum']) {
    const groups = cases.filter((one) => one.mode === mode).flatMap(({ rewards }) => rewards);
    const has = (what: string, test: (group: Case['rewards'][number]) => boolean) => assert.ok(groups.some(test), `${mode}: ${what}`);
    has('a null in a scored row', (group) => group.some((row) => row.includes(null) && row.some((value) => value !== null)));
    has('no scored row', (group) => scored(group) === 0);
    has('one scored row', (group) => scored(group) === 1);
    has('an unscored row among others', (group) => scored(group) >= 2 && scored(group) < group.length);
    has('equal rewards', (group) => scored(group) >= 2 && isEqual(group));
    if (mode !== 'normalizeThenSum') has('equal up to rounding', isEqualUpToRounding);
    assert.ok(cases.some((one) => one.mode === mode && new Set(one.weights).size > 1), `${mode}: weights`);
  }
});
