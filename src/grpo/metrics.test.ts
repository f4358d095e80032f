import assert from 'node:assert/strict';
import { test } from 'node:test';
import { countTokens, roundMetrics } from './metrics.ts';
import { sampleRecords } from './sample-records.ts';
import type { FinishReason, Group } from './types.ts';

function group(
  promptTokens: number,
  rows: { tokens: number; finish: FinishReason; rewards: Record<string, number | null>; reward: number | null }[],
): Group {
  return {
    prompt: { index: 0, row: { q: 1 }, source: 'q', text: 'q', ids: Array.from({ length: promptTokens }, () => 7) },
    rollouts: rows.map(({ tokens, finish }) => ({
      ids: Array.from({ length: tokens }, () => 9),
      text: 't'.repeat(tokens),
      finishReason: finish,
      logprobs: new Float32Array(tokens),
    })),
    rewards: rows.map(({ rewards }) => rewards),
    reward: rows.map(({ reward }) => reward),
    advantages: rows.map((_, i) => i),
  };
}

const groups = [
  group(3, [
    { tokens: 2, finish: 'stop', rewards: { a: 1, b: null }, reward: 1 },
    { tokens: 6, finish: 'length', rewards: { a: 3, b: 2 }, reward: 5 },
  ]),
  group(5, [
    { tokens: 4, finish: 'stopString', rewards: { a: null, b: 9 }, reward: null },
    { tokens: 6, finish: 'length', rewards: { a: 0, b: null }, reward: 0 },
  ]),
];

test('figures of a round by hand', () => {
  const metrics = roundMetrics({
    groups,
    rewardNames: ['a', 'b'],
    failed: [[{}, { b: 'timeout' }], [{ a: 'error', b: 'timeout' }, {}]],
    calls: { a: { busy: 2, tries: 4, spent: 6, retries: 0 }, b: { busy: 1, tries: 8, spent: 2, retries: 4 } },
    logged: [[{ depth: 1 }, {}], [{ depth: 4 }, {}]],
    zeroStdGroups: [1],
  });
  const { reward_std: std, 'rewards/a/std': stdA, 'rewards/b/std': stdB, ...rest } = metrics;
  assert.deepEqual(rest, {
    reward: 2, // 1, 5, 0
    'rewards/a/mean': 4 / 3, // 1, 3, 0
    'rewards/a/errors': 1,
    'rewards/a/timeouts': 0,
    'rewards/a/retries': 0,
    'time/reward/a': 2,
    'time/reward/a/latency': 1.5,
    'rewards/b/mean': 5.5, // 2, 9: the errored row's other reward still counts for its own function
    'rewards/b/errors': 0,
    'rewards/b/timeouts': 2,
    'rewards/b/retries': 4,
    'time/reward/b': 1,
    'time/reward/b/latency': 0.25,
    reward_errors: 2, // rows, not failures
    frac_reward_zero_std: 0.5,
    'logged/depth': 2.5,
    'completions/mean_length': 4.5,
    'completions/min_length': 2,
    'completions/max_length': 6,
    'completions/mean_terminated_length': 3,
    'completions/min_terminated_length': 2,
    'completions/max_terminated_length': 4,
    'completions/clipped_ratio': 0.5,
  });
  assert.ok(Math.abs(std! - Math.sqrt(7)) < 1e-12); // (1 + 9 + 4) / 2
  assert.ok(Math.abs(stdA! - Math.sqrt(7 / 3)) < 1e-12); // (1/9 + 25/9 + 16/9) / 2 = 42/18
  assert.ok(Math.abs(stdB! - Math.sqrt(24.5)) < 1e-12); // 2 · 3.5² / 1
});

test('figures come from rows, not from means of groups', () => {
  const uneven = [
    group(1, [{ tokens: 1, finish: 'stop', rewards: { a: 0 }, reward: 0 }]),
    group(1, [3, 3, 3].map((reward) => ({ tokens: 5, finish: 'stop' as const, rewards: { a: reward }, reward }))),
  ];
  const metrics = roundMetrics({ groups: uneven, rewardNames: ['a'], zeroStdGroups: [] });
  assert.equal(metrics.reward, 2.25);
  assert.equal(metrics['completions/mean_length'], 4);
});

test('a figure with no rows behind it is left out', () => {
  const nothing = [group(1, [{ tokens: 6, finish: 'length', rewards: { a: null }, reward: null }])];
  assert.deepEqual(roundMetrics({ groups: nothing, rewardNames: ['a'], zeroStdGroups: [0] }), {
    'rewards/a/errors': 0,
    'rewards/a/timeouts': 0,
    reward_errors: 0,
    frac_reward_zero_std: 1,
    'completions/mean_length': 6,
    'completions/min_length': 6,
    'completions/max_length': 6,
    'completions/clipped_ratio': 1,
  });
  assert.equal('reward_std' in roundMetrics({ groups: [group(1, [{ tokens: 1, finish: 'stop', rewards: { a: 1 }, reward: 1 }])], rewardNames: ['a'], zeroStdGroups: [0] }), false);
});

test('a prompt is counted once per completion', () => {
  assert.equal(countTokens(groups), 2 * 3 + 8 + 2 * 5 + 10);
});

test('sample records have the fields of a samples file', () => {
  const records = sampleRecords(4, groups, { logged: [[{ depth: 1 }]], failed: [[{ b: 'timeout' }, {}]] });
  assert.equal(records.length, 4);
  assert.deepEqual(records[0], {
    step: 4,
    group: 0,
    sample: 0,
    prompt: 'q',
    completion: 'tt',
    rewards: { a: 1, b: null },
    reward: 1,
    advantage: 0,
    finishReason: 'stop',
    promptIds: [7, 7, 7],
    completionIds: [9, 9],
    row: { q: 1 },
    logged: { depth: 1 },
    failed: { b: 'timeout' },
  });
  assert.deepEqual([records[3]!.group, records[3]!.sample, records[3]!.advantage, records[3]!.logged, records[3]!.failed], [1, 1, 1, undefined, undefined]);
});

test('truncated sampling reports how far it is from the full distribution; full sampling reports nothing', () => {
  const rollout = { ids: [1, 2], text: '', finishReason: 'stop' as const, logprobs: Float32Array.of(-1, -2) };
  const group = (more: object) => ({
    prompt: { index: 0, row: {}, source: 'a', text: 'a', ids: [1] },
    rollouts: [{ ...rollout, ...more }],
    rewards: [{}],
    reward: [null],
    advantages: [0],
  });
  const metrics = roundMetrics({ groups: [group({ truncatedLogprobs: Float32Array.of(-0.5, -1) })], rewardNames: [], zeroStdGroups: [] });
  assert.equal(metrics['sampling/truncation_logp_difference/mean'], 0.75);
  assert.equal(metrics['sampling/truncation_logp_difference/max'], 1);
  const full = roundMetrics({ groups: [group({})], rewardNames: [], zeroStdGroups: [] });
  assert.ok(!('sampling/truncation_logp_difference/mean' in full));
});
