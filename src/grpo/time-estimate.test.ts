import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { DecoderConfig } from '../model/decoder-config.ts';
import { stepSeconds } from './time-estimate.ts';
import type { TimedStep } from './time-estimate.ts';

// The network and shape of flops.test.ts: 34 weights in its layer, 10 in its head; an update is 1092 operations, a rollout 120 + 224, a scoring 364.
const config = { layers: 1, hiddenSize: 2, intermediateSize: 3, heads: 1, keyValueHeads: 1, headDim: 2, vocabSize: 5 } as DecoderConfig;
const run: TimedStep = { config, step: { prompts: 1, generations: 2, promptTokens: 2, newTokens: 2 }, completions: 2, updates: 1, rank: 0, trained: 10, scorings: 0 };
const plan = { limit: { tokens: 100 }, checkpoint: false, slots: 2, decodingCopies: true };
/** One operation and one byte a second. */
const roof = { gemmGflops: 1e-9, memoryGbs: 1e-9 };
const shares = { forward: 1, training: 1, thin: 0.5, decoding: 0.5, reading: 1, halfWidth: 0, decodeCall: 7 };

const near = (a: number, b: number) => assert.ok(Math.abs(a - b) < 1e-6, `${a} is not ${b}`);

test('a rollout: prompts, tokens at half the peak, what is read, a layer in one step', () => {
  // Read once: 44 weights and 2·2·(2·(2/2 + 2/2)) numbers of cache; packed: 4 passes over the weights.
  near(stepSeconds(run, plan, roof, shares).rollout, 120 + 2 * 224 + 4 * (44 + 16 + 4 * 44) + 7);
});

test('with one slot there are twice as many steps', () => {
  near(stepSeconds(run, { ...plan, slots: 1 }, roof, shares).rollout, 120 + 2 * 224 + 4 * (2 * (44 + 8) + 4 * 44) + 14);
});

test('with the weights as they are nothing is packed, and tokens take 1.6 times as long', () => {
  near(stepSeconds(run, { ...plan, decodingCopies: false }, roof, shares).rollout, 120 + 1.6 * (2 * 224 + 4 * (44 + 16)) + 7);
});

test('an update: its arithmetic, and 7 passes of AdamW over what is trained', () => {
  near(stepSeconds(run, plan, roof, shares).update, 1092 + 4 * 7 * 10);
  // Computed again: the forward pass without its head.
  near(stepSeconds(run, { ...plan, checkpoint: true }, roof, shares).update, 1092 + 220 + 64 + 280);
  // Torn in two, the prompt is computed twice: two groups of 3 tokens that see 6 pairs.
  near(stepSeconds(run, { ...plan, limit: { tokens: 4 } }, roof, shares).update, 2 * (6 * (34 * 3 - 26) + 12 * 2 * (6 - 1) + 6 * 10 * 2) + 280);
});

test('narrow products reach less of their share: at the half width, half', () => {
  const { rollout, update } = stepSeconds(run, plan, roof, { ...shares, halfWidth: 2 });
  near(update, 2 * 1092 + 280);
  near(rollout, 2 * 120 + 2 * 224 + 944 + 7);
});

test('the products of an adapter have a share of their own', () => {
  // 6·(62·4 − 46) operations at half the peak; of the frozen weights 4·(34·4 − 26) less 24 for each of 4 tokens, attention, the head.
  near(stepSeconds({ ...run, rank: 2 }, plan, roof, shares).update, 2 * 6 * 202 + 4 * 110 - 24 * 4 + 192 + 160 + 280);
});

test('a round that serves two updates is shared out; scorings are forward passes', () => {
  const { rollout, scoring } = stepSeconds({ ...run, updates: 2, scorings: 2 }, plan, roof, shares);
  near(rollout, stepSeconds(run, plan, roof, shares).rollout / 2);
  near(scoring, 364);
});
