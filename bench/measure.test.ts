import assert from 'node:assert/strict';
import { test } from 'node:test';
import { rowOf } from './measure.ts';
import type { RoundResult } from './programs/task.ts';
import type { Part } from './works.ts';

// The network and the shape of flops.test.ts: 344 operations of a rollout and 1092 of an update.
const network = { layers: 1, hiddenSize: 2, intermediateSize: 3, heads: 1, keyValueHeads: 1, headDim: 2, vocabSize: 5 };
const shape = { prompts: 1, generations: 2, promptTokens: 2, newTokens: 2 };
const roof = { gemmGflops: 1e-9, memoryGbs: 1 };
const workFor = (part: Part) => ({ program: 'grpo', part, shape, ours: {}, peer: {} }) as const;

/** Rounds of steps that take so many seconds, of which half is the update; the first is warm-up. */
function rounds(seconds: number[][], peaks: (number | null)[]) {
  return {
    rounds: seconds.map((steps, i) => ({ result: { steps: [99, ...steps].map((step) => ({ step, rollout: step / 4, update: step / 2 })), versions: {} } satisfies RoundResult, peakGb: peaks[i]! })),
    failure: null,
  };
}

const plan = { network, roof, peer: null, works: { full: workFor('step'), training: workFor('update') } };

test('median of the steps of a round, then of the rounds; the warm-up does not count; the peak is the largest', () => {
  const { ours, gflop, roofSeconds, peer, ratio } = rowOf('full', workFor('step'), { ours: rounds([[8, 2, 4], [10, 10, 1]], [3, 4]), peer: rounds([], []) }, plan);
  assert.deepEqual(ours, { seconds: { median: 7, least: 4, most: 10 }, tokensPerSecond: 4 / 7, peakGb: 4 });
  assert.equal(gflop, 1436e-9);
  assert.equal(roofSeconds, 1436);
  assert.deepEqual([peer, ratio], [null, null]);
});

test('a ratio is taken round by round', () => {
  const { ratio } = rowOf('full', workFor('step'), { ours: rounds([[2], [4], [1]], [1, 1, 1]), peer: rounds([[6], [8], [9]], [1, 1, 1]) }, plan);
  assert.deepEqual(ratio, { median: 3, least: 2, most: 9 });
});

test('a row about the update takes the time of the update and its arithmetic', () => {
  const { ours, gflop } = rowOf('training', workFor('update'), { ours: rounds([[6]], [null]), peer: rounds([], []) }, plan);
  assert.deepEqual([ours.seconds.median, ours.peakGb, gflop], [3, null, 1092e-9]);
});

test('a peer that failed has no figures, and its row says why', () => {
  const { peer, ratio, peerNote } = rowOf('full', workFor('step'), { ours: rounds([[2], [2]], [1, 1]), peer: { ...rounds([[6]], [1]), failure: 'killed' } }, plan);
  assert.deepEqual([peer, ratio, peerNote], [null, null, 'no figures, because it failed: killed']);
});
