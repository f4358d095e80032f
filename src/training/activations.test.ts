import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { DecoderConfig } from '../model/decoder-config.ts';
import type { LoraSettings } from '../model/lora.ts';
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
const plain: KeptBy = { config, lora: null, attention: 'sdpa', fused: true, checkpoint: false };
// 3 + 2·(4 − 1) = 9 packed tokens.
const batch = { prompts: 1, generations: 2, promptTokens: 3, newTokens: 4 };
const of = (change: Partial<DecoderConfig>): KeptBy => ({ ...plain, config: { ...config, ...change } });

test('a prompt counts once for its group, a completion without its last token', () => {
  assert.equal(packedTokens({ ...batch, prompts: 5 }), 45);
});

// A token: 2·8 + 2·(8 + 1) + 2·4·2 + 2·10 = 70, and of attention 2·2·2 + 4 = 12. A layer: 9·82 = 738.
test('layers, and one in hand', () => {
  assert.equal(keptNumbers(plain, batch), 3 * 738);
  assert.equal(keptNumbers(plain, { ...batch, prompts: 2 }), 2 * 3 * 738);
});

test('without fused ops the gated unit is kept as well', () => {
  assert.equal(keptNumbers({ ...plain, fused: false }, batch), 3 * (738 + 9 * 10));
});

test('computed again, a layer keeps its input', () => {
  assert.equal(keptNumbers({ ...plain, checkpoint: true }, batch), 2 * 8 * 9 + 738);
});

// Queries of completions 6·8, keys and values 2·(4·2)·(3 + 2·(3 + 3)) = 240, 4 weights for each pair: 4·(3² + 3·2·(3 + 3)) = 180.
const written = 9 * 70 + 48 + 240 + 180;

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
  assert.equal(keptNumbers(of({ windows: [3, null] }), batch), 3 * 738);
});

test('more norms: their inputs and a number each; of queries and keys 2·(4 + 2) more, and a number for each head or for each of both', () => {
  const norms = { inputNorm: 'a', attentionOutputNorm: 'b', feedForwardNorm: 'c', feedForwardOutputNorm: 'd' };
  assert.equal(keptNumbers(of({ norms, queryKeyNorm: 'head' }), batch), 3 * (738 + 9 * (2 * 9 + 12 + 6)));
  assert.equal(keptNumbers(of({ norms, queryKeyNorm: 'whole' }), batch), 3 * (738 + 9 * (2 * 9 + 12 + 2)));
});

const lora: LoraSettings = { r: 3, alpha: 8, dropout: 0, targetModules: 'all-linear', modulesToSave: [], useRslora: false, useDora: false, initLoraWeights: 'kaiming' };
/** What the norms and the unit made, of a token: for queries, keys and values 8, for gate and up 8; 10. */
const kept = (change: Partial<LoraSettings>) => keptNumbers({ ...plain, lora: { ...lora, ...change } }, batch) / 3 - 738;

test('under an adapter a product keeps what its A takes, the gated unit too, and A·x', () => {
  assert.equal(kept({}), 9 * (7 * 3 + 10));
  assert.equal(kept({ targetModules: ['q_proj'] }), 9 * (3 - 8));
  assert.equal(kept({ targetModules: ['k_proj', 'up_proj'] }), 9 * (2 * 3));
  assert.equal(kept({ targetModules: ['o_proj'] }), 9 * (3 - 16));
  // In one of two layers, which is the one in hand: half an A·x in each.
  assert.equal(3 * kept({ targetModules: ['model.layers.1.mlp.down_proj'], r: 4 }), 9 * (2 - 16) + 2 * 9 * (2 - 16 + 10));
});

test('under dropout an adapter keeps its own inputs and their masks instead; under DoRA its outputs, and two numbers a row', () => {
  // q is 8 → 8, down 10 → 8.
  assert.equal(kept({ targetModules: ['q_proj', 'down_proj'], dropout: 0.1 }), 9 * (6 + 2 * 8 + 2 * 10 - 16));
  assert.equal(kept({ targetModules: ['q_proj', 'down_proj'], useDora: true }), 9 * (6 + 16 - 8 + 10) + 2 * 16);
});

test('a map that is trained whole keeps its input as in full training', () => {
  assert.equal(kept({ targetModules: ['o_proj'], modulesToSave: ['gate_proj', 'v_proj', 'down_proj'] }), 9 * 3);
});
