import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { DecoderConfig } from '../model/decoder-config.ts';
import { largestMicroBatch, memoryParts, peakBytes, trainedShapes } from './memory-estimate.ts';
import type { RunSizes } from './memory-estimate.ts';

// H 8, F 10, 4 heads of 2 over 2 key heads. A layer has maps of 64 + 32 + 32 + 64 + 3·80 = 432 weights and norms of 16; the embedding 5·8; 944 in all.
const config = {
  hiddenSize: 8,
  intermediateSize: 10,
  layers: 2,
  heads: 4,
  keyValueHeads: 2,
  headDim: 2,
  vocabSize: 5,
  tiedHead: true,
  norms: { inputNorm: 'a', feedForwardNorm: 'b' },
  queryKeyNorm: null,
  attentionCap: null,
  logitCap: null,
  windows: [null, null],
} as unknown as DecoderConfig;
const run: RunSizes = {
  config,
  storage: { number: 4, block: null },
  lora: null,
  attention: 'sdpa',
  reference: 'none',
  optim: 'adamw',
  optimizerSettings: { adamBeta1: 0.9, adamBeta2: 0.999, adamEpsilon: 1e-8, momentum: null, weightDecay: 0 },
  step: { prompts: 2, generations: 2, promptTokens: 3, newTokens: 4 },
  completions: 4,
  rewardModels: 0,
};
const plan = { limit: { tokens: 11 }, checkpoint: false, slots: 4, decodingCopies: true };
const lora = { r: 3, alpha: 8, dropout: 0, targetModules: ['q_proj', 'down_proj'], modulesToSave: [], useRslora: false, useDora: false, initLoraWeights: 'kaiming' as const };

const near = (a: number, b: number) => assert.ok(Math.abs(a - b) < 1e-6, `${a} is not ${b}`);

test('what is always there: 944 weights, two moments of each, a tokenizer of 5 entries', () => {
  const { runtime, weights, adapters, reference, optimizer } = memoryParts(run, plan);
  assert.deepEqual([runtime, weights, adapters, reference, optimizer], [350e6 + 800 * 5, 4 * 944, 0, 0, 8 * 944]);
  assert.equal(memoryParts({ ...run, reference: 'copy' }, plan).reference, 4 * 944);
  assert.equal(memoryParts({ ...run, optim: 'sgd' }, plan).optimizer, 4 * 944);
});

test('sampling: maps and head once more; pages of 64 for 4 slots and two prompts of 3; 512 prompt tokens on their way', () => {
  const { rollout } = memoryParts(run, plan);
  assert.deepEqual(rollout, { decodingCopies: 4 * (2 * 432 + 40), keyValueCache: 4 * 16 * (4 * 64 + 2 * 3), sampling: 4 * 512 * (4 * 8 + 3 * 10 + 3 * 8), heap: 16_768 + 176_128 });
  // The second prompt waits for the slot, but one more may be there while the last row of the first ends.
  assert.equal(memoryParts(run, { ...plan, slots: 1 }).rollout.keyValueCache, 4 * 16 * (64 + 2 * 3));
  // A wide vocabulary: 4 blocks of logits of 4 rows; of one row they weigh less than the head, which is there twice while it is reordered.
  const wide = { ...run, config: { ...config, vocabSize: 20_000 } };
  assert.equal(memoryParts(wide, plan).rollout.sampling, 4 * 4 * 4 * 20_000);
  assert.equal(memoryParts(wide, { ...plan, slots: 1 }).rollout.sampling, 4 * (20_000 * 8 - 16 * 70));
});

test('without decoding copies: cache and what is on its way', () => {
  const { rollout, update } = memoryParts(run, { ...plan, decodingCopies: false });
  assert.deepEqual(rollout, { decodingCopies: 0, keyValueCache: 4 * 16 * 262, sampling: 4 * 512 * 86, heap: 16_768 + 176_128 });
  // What the cache took and gradients do not fill, 16768 − 3776 bytes, has room for the 9016 of activations and head.
  near(update.heap, 0.1 * 8856 + 0.6 * 9016);
});

test('an update in two micro-batches: all gradients beside the activations of the second', () => {
  const { update } = memoryParts(run, plan);
  // activations.test.ts works out 2214 numbers; 8 predicted tokens give a block of logits; sampling freed 20384 bytes, gradients fill 3776.
  const { heap, ...counted } = update;
  assert.deepEqual(counted, { gradients: 4 * 944, activations: 4 * 2214, head: 4 * 8 * 5 });
  near(heap, 0.1 * 8856 + 0.6 * 9016);
  // A soft cap needs the logits on the way back, and one block more on the way.
  assert.equal(memoryParts({ ...run, config: { ...config, logitCap: 30 } }, plan).update.head, 3 * 4 * 8 * 5);
});

test('in one micro-batch gradients come as activations go', () => {
  const { update } = memoryParts(run, { ...plan, limit: { tokens: 22 } });
  near(update.heap, 0.1 * 17_712 + 0.6 * 18_032);
  assert.deepEqual([update.gradients, update.activations, update.head], [4 * 40, 2 * 8856, 2 * 160]);
  // Computed again, layers keep so little that the gradients alone are the most.
  const single = { ...run, step: { prompts: 1, generations: 1, promptTokens: 3, newTokens: 1 } };
  // 3 packed tokens keep 2·8·3 + 3·82 = 294 numbers.
  const { heap, ...last } = memoryParts(single, { ...plan, limit: { tokens: 4 }, checkpoint: true }).update;
  assert.deepEqual([last, heap], [{ gradients: 4 * 944, activations: 0.45 * 4 * 294, head: 0 }, 0]);
});

test('an adapter: 204 weights in both, B of q beside those of k and v, and no copy where it is shared', () => {
  const parts = memoryParts({ ...run, lora, reference: 'shared' }, plan);
  // Each layer: A 3·8 + 3·10, B 8·3 + 8·3.
  assert.deepEqual([parts.weights, parts.adapters, parts.reference, parts.optimizer, parts.update.gradients], [4 * 944, 4 * 204, 0, 8 * 204, 4 * 204]);
  assert.equal(parts.rollout.decodingCopies, 4 * (904 + 2 * (54 + 3 * 24 + 24)));
  assert.equal(memoryParts({ ...run, lora, reference: 'copy' }, plan).reference, 4 * 204);
});

test('weights of 16 bits: half of them and of the cache, copies in float32 for the steps, and of decoding the head alone', () => {
  const { weights, optimizer, reference, rollout, update } = memoryParts({ ...run, storage: { number: 2, block: null }, reference: 'copy' }, plan);
  assert.deepEqual([weights, optimizer, reference, update.gradients], [2 * 944, 4 * 944 + 8 * 944, 2 * 944, 4 * 944]);
  assert.deepEqual([rollout.decodingCopies, rollout.keyValueCache], [4 * 40, 2 * 16 * 262]);
  // An adapter is float32 itself.
  const adapted = memoryParts({ ...run, lora, storage: { number: 2, block: null } }, plan);
  assert.deepEqual([adapted.weights, adapted.adapters, adapted.optimizer], [2 * 944, 4 * 204, 8 * 204]);
});

test('a base in blocks: matrices in them, norms as numbers, no copies for decoding', () => {
  const { weights, adapters, rollout } = memoryParts({ ...run, lora, storage: { number: 4, block: 20 / 32 } }, plan);
  // 2·432 and 40 elements in matrices, 40 in norms.
  near(weights, (904 * 20) / 32 + 4 * 40);
  assert.deepEqual([adapters, rollout.decodingCopies, rollout.keyValueCache], [4 * 204, 0, 4 * 16 * 262]);
});

test('the peak: what is always there, and the larger of sampling and updating', () => {
  const always = { runtime: 1, weights: 2, adapters: 3, reference: 4, optimizer: 5, rewardModels: 6 };
  const rollout = { decodingCopies: 10, keyValueCache: 20, sampling: 30, heap: 40 };
  assert.equal(peakBytes({ ...always, rollout, update: { gradients: 1, activations: 2, head: 3, heap: 4 } }), 21 + 100);
  assert.equal(peakBytes({ ...always, rollout, update: { gradients: 100, activations: 2, head: 3, heap: 4 } }), 21 + 109);
});

test('micro-batches of groups that are all alike', () => {
  const step = { prompts: 3, generations: 4, promptTokens: 10, newTokens: 5 }; // 30 tokens a group
  const cut = (limit: { tokens: number } | { rows: number }) => {
    const { batch, batches } = largestMicroBatch(limit, step);
    return [batch.prompts, batch.generations, batches];
  };
  assert.deepEqual(cut({ tokens: 1000 }), [3, 4, 1]);
  assert.deepEqual(cut({ tokens: 65 }), [2, 4, 2]);
  assert.deepEqual(cut({ tokens: 25 }), [1, 3, 6]);
  assert.deepEqual(cut({ tokens: 3 }), [1, 1, 12]);
  assert.deepEqual(cut({ rows: 9 }), [2, 4, 2]);
  assert.deepEqual(cut({ rows: 3 }), [1, 3, 6]);
});

test('embedding and head are the vocabulary', () => {
  assert.deepEqual(trainedShapes(config, null).vocabulary, [[5, 8]]);
  assert.deepEqual(trainedShapes({ ...config, tiedHead: false }, null).vocabulary, [[5, 8], [5, 8]]);
  assert.deepEqual(trainedShapes(config, lora).vocabulary, []);
});
