import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { DecoderConfig } from '../model/decoder-config.ts';
import { keptNumbers, packedTokens } from './activations.ts';
import type { KeptBy } from './activations.ts';

// H 8, F 10, 4 heads of 2 over 2 key heads, two norms.
const config = {
  hiddenSize: 8,
  intermediateSize: 10,
  layers: 2,
  heads: 4,
  keyValueHeads: 2,
  headDim: 2,
  vocabSize: 5,
  norms: { inputNorm: 'a', feedForwardNorm: 'b' },
  queryKeyNorm: null,
  attentionCap: null,
  windows: [null, null],
} as unknown as DecoderConfig;
const plain: KeptBy = { config, lora: null, attention: 'sdpa', checkpoint: false };
// 3 + 2·(4 − 1) = 9 packed tokens.
const batch = { prompts: 1, generations: 2, promptTokens: 3, newTokens: 4 };
const of = (change: Partial<DecoderConfig>): KeptBy => ({ ...plain, config: { ...config, ...change } });

test('a prompt counts once for its group, a completion without its last token', () => {
  assert.equal(packedTokens({ ...batch, prompts: 5 }), 45);
});

// A token: 2·8 + 2·8 + 2·4·2 + 3·10 = 78, and of attention 2·2·2 + 4 = 12. A layer: 9·90 = 810.
test('layers, and one in hand', () => {
  assert.equal(keptNumbers(plain, batch), 3 * 810);
  assert.equal(keptNumbers(plain, { ...batch, prompts: 2 }), 2 * 3 * 810);
});

test('computed again, a layer keeps its input', () => {
  assert.equal(keptNumbers({ ...plain, checkpoint: true }, batch), 2 * 8 * 9 + 810);
});

// Result by tree 9·8, keys and values 2·(4·2)·(3 + 2·(3 + 3)) = 240, 4 weights for each pair: 4·(3² + 3·2·(3 + 3)) = 180.
const written = 9 * 78 + 72 + 240 + 180;

test('attention written out keeps its weights and its keys, and under a cap the scores before it', () => {
  assert.equal(keptNumbers({ ...plain, attention: 'eager' }, batch), 3 * written);
  assert.equal(keptNumbers(of({ attentionCap: 50 }), batch), 3 * (written + 180));
});

test('written out, one key head for all queries, or as many as queries, is copied with its prompt only: 2·d·(9 + 12) a key head', () => {
  const eager = (keyValueHeads: number) => keptNumbers({ ...of({ keyValueHeads }), attention: 'eager' }, batch);
  assert.equal(eager(1), 3 * (written - 240 + 84));
  assert.equal(eager(4), 3 * (written - 240 + 336));
});

test('written out, a window of 3 lets completions see 2 tokens of the prompt, in its layer alone', () => {
  // 16·2 keys and values and 4·6 weights less; the larger layer is the one in hand.
  assert.equal(keptNumbers({ ...of({ windows: [3, null] }), attention: 'eager' }, batch), 3 * written - 56);
  assert.equal(keptNumbers(of({ windows: [3, null] }), batch), 3 * 810);
});

test('more norms: their inputs; of queries and keys 2·(4 + 2) more', () => {
  const norms = { inputNorm: 'a', attentionOutputNorm: 'b', feedForwardNorm: 'c', feedForwardOutputNorm: 'd' };
  assert.equal(keptNumbers(of({ norms, queryKeyNorm: 'head' }), batch), 3 * (810 + 9 * (16 + 12)));
});

test('an adapter keeps A·x of every map, dropout twice its inputs, DoRA its outputs', () => {
  const lora = { r: 3, alpha: 8, dropout: 0, targetModules: ['q_proj', 'down_proj'], modulesToSave: [], useRslora: false, useDora: false, initLoraWeights: 'kaiming' as const };
  assert.equal(keptNumbers({ ...plain, lora }, batch), 3 * (810 + 9 * 6));
  // q is 8 → 8, down 10 → 8.
  assert.equal(keptNumbers({ ...plain, lora: { ...lora, dropout: 0.1 } }, batch), 3 * (810 + 9 * (6 + 36)));
  assert.equal(keptNumbers({ ...plain, lora: { ...lora, useDora: true } }, batch), 3 * (810 + 9 * (6 + 16)));
});
