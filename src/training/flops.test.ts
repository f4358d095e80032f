import assert from 'node:assert/strict';
import { test } from 'node:test';
import { referenceFlops, rolloutFlops, rolloutRoofSeconds, updateFlops, workOf } from './flops.ts';

// One layer of 2·2·2·(1 + 1) + 3·2·3 = 34 weights, 2·2·2 of them for keys and values; a head of 10.
const network = { layers: 1, hiddenSize: 2, intermediateSize: 3, heads: 1, keyValueHeads: 1, headDim: 2, vocabSize: 5 };
// 2 + 2·1 = 4 tokens go through the network; they see 3 + 2·3 = 9 tokens; 4 are predicted. In the last layer the first token
// of the prompt is only seen: it needs 26 weights less and sees nothing.
const shape = { prompts: 1, generations: 2, promptTokens: 2, newTokens: 2 };

test('an update: linear 6·(34·4 − 26), attention 12·2·(9 − 1), head 6·10·4', () => {
  assert.equal(updateFlops(network, shape), 660 + 192 + 240);
});

test('a rollout: linear 2·(34·4 − 26), attention 4·2·(9 − 1), head 2·10·(1 + 2)', () => {
  assert.equal(rolloutFlops(network, shape), 220 + 64 + 60);
});

test('prompts multiply, layers multiply all but the head and what the last one saves', () => {
  assert.equal(updateFlops(network, { ...shape, prompts: 3 }), 3 * 1092);
  assert.equal(updateFlops({ ...network, layers: 5 }, shape), 6 * (5 * 34 * 4 - 26) + 24 * (5 * 9 - 1) + 240);
});

test('queries and output grow with the heads, keys and values with theirs', () => {
  // 2·2·2·(4 + 2) + 18 = 66 weights, 16 of them for keys and values; attention by 4 heads of 2.
  assert.equal(updateFlops({ ...network, heads: 4, keyValueHeads: 2 }, shape), 6 * (66 * 4 - 50) + 12 * 8 * 8 + 240);
});

test('a longer completion adds the square of its length in attention', () => {
  // 3 tokens of each completion are run: 2 + 6 tokens; each completion sees 3·2 + 6 = 12.
  assert.equal(rolloutFlops(network, { ...shape, newTokens: 4 }), 2 * (34 * 8 - 26) + 8 * (3 + 24 - 1) + 20 * 7);
});

test('the roof of a rollout is the slower of arithmetic and memory', () => {
  // Prefill alone: 2·(34·2 − 26) + 8·2 + 20·1 = 120 of the 344 operations.
  const fastMemory = { gemmGflops: 1e-9, memoryGbs: 1 };
  assert.equal(rolloutRoofSeconds(network, shape, fastMemory), 120 + 224);
  // One step reads (34 + 10)·4 bytes of weights and 8·2·(2 + 2·1) of cache.
  const slowMemory = { gemmGflops: 1e-9, memoryGbs: 1e-9 / 2 };
  assert.equal(rolloutRoofSeconds(network, shape, slowMemory), 120 + 2 * (176 + 64));
});

test('a step is a rollout and an update', () => {
  const roof = { gemmGflops: 1e-9, memoryGbs: 1 };
  assert.deepEqual(workOf('step', network, shape, roof), { flops: 344 + 1092, roofSeconds: 344 + 1092 });
  assert.deepEqual(workOf('update', network, shape, roof), { flops: 1092, roofSeconds: 1092 });
  assert.deepEqual(workOf('rollout', network, shape, roof), { flops: 344, roofSeconds: 344 });
});

test('an adapter of rank 2: every map takes 2·(in + out) more, and frozen weights one product less', () => {
  // 2·(2·(2 + 2) + 2·(2 + 2) + 3·(2 + 3)) = 62 adapter weights, 16 of them for keys and values; backwards 4·34 + 6·62 a token, less 2·2·2·3 that nobody needs in the first layer.
  const method = { rank: 2, reference: false };
  assert.equal(updateFlops(network, shape, method), 4 * 110 + 6 * (62 * 4 - 46) - 24 * 4 + 192 + 4 * 10 * 4);
  assert.equal(rolloutFlops(network, shape, method), 2 * (110 + 62 * 4 - 46) + 64 + 60);
});

test('a reference is a forward pass: linear 2·(34·4 − 26), attention 4·2·(9 − 1), head 2·10·4, in a step alone', () => {
  assert.equal(referenceFlops(network, shape), 220 + 64 + 80);
  const roof = { gemmGflops: 1e-9, memoryGbs: 1 };
  const method = { rank: 0, reference: true };
  assert.equal(workOf('step', network, shape, roof, method).flops, 344 + 364 + 1092);
  assert.equal(workOf('update', network, shape, roof, method).flops, 1092);
});
