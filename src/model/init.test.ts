import assert from 'node:assert/strict';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { writeTinyModel } from '../../scripts/tiny-model.ts';
import type { TypedValue } from '../../test/fixtures/gguf/build-gguf.ts';
import { buildGguf } from '../../test/fixtures/gguf/build-gguf.ts';
import { liveTensors } from '../tensor/scope.ts';
import { decoderConfig } from './families.ts';
import { initModel, randomWeights, sizedConfig } from './init.ts';
import { disposeModel, loadNetwork } from './load.ts';
import { valuesOf } from './weight.ts';

const fixtures = fileURLToPath(new URL('../../test/fixtures/model/families', import.meta.url));

let root: string;
let tiny: string;
before(async () => {
  root = mkdtempSync(join(tmpdir(), 'tsrl-init-'));
  tiny = await writeTinyModel(join(root, 'tiny'));
});
after(() => rmSync(root, { recursive: true }));

const bytes = (folder: string) => readFileSync(join(folder, 'model.safetensors'));

test('a random model has the sizes asked for, the tokenizer of the other, and follows from its seed', async () => {
  const live = liveTensors();
  const folders = [1, 1, 2].map((_, i) => join(root, `random-${i}`));
  const sizes = { layers: 1, hidden: 16, intermediate: 20, heads: 4, keyValueHeads: 1, headDim: 6 };
  for (const [i, folder] of folders.entries()) await initModel(folder, { like: tiny, seed: i === 2 ? 2 : 1, std: 0.5, ...sizes });
  const [first, second, third] = folders.map(bytes);
  assert.ok(first!.equals(second!));
  assert.ok(!first!.equals(third!));
  const model = await loadNetwork(folders[0]!);
  const { layers, hiddenSize, intermediateSize, heads, keyValueHeads, headDim, vocabSize } = model.decoder.config;
  assert.deepEqual([layers, hiddenSize, intermediateSize, heads, keyValueHeads, headDim, vocabSize], [1, 16, 20, 4, 1, 6, 259]);
  assert.deepEqual(model.tokenizer.encode('hi'), [104, 105]);
  const values = valuesOf(model.decoder.embedding).toArray() as Float32Array;
  const mean = values.reduce((sum, x) => sum + x, 0) / values.length;
  // 4,144 numbers: the mean lies within 0.04 and the spread within 0.03 of what was asked for.
  assert.ok(Math.abs(mean) < 0.04);
  assert.ok(Math.abs(Math.sqrt(values.reduce((sum, x) => sum + (x - mean) ** 2, 0) / values.length) - 0.5) < 0.03);
  disposeModel(model);
  assert.equal(liveTensors(), live);
});

for (const name of ['gemma3', 'phi3', 'smollm3', 'qwen2']) {
  test(`a random model of another family loads: ${name}`, async () => {
    const like = join(root, name);
    cpSync(join(fixtures, name), like, { recursive: true });
    for (const file of ['tokenizer.json', 'tokenizer_config.json']) cpSync(join(tiny, file), join(like, file));
    const folder = join(root, `${name}-random`);
    const { parameters } = await initModel(folder, { like, layers: 2, hidden: 8, dtype: 'bfloat16' });
    const model = await loadNetwork(folder, { dtype: 'bfloat16' });
    assert.equal([...model.decoder.trained.values()].reduce((total, weight) => total + weight.length, 0), parameters);
    const config = JSON.parse(readFileSync(join(folder, 'config.json'), 'utf8')) as Record<string, unknown>;
    assert.deepEqual([config['model_type'], config['torch_dtype'], config['dtype'], config['num_attention_heads'], config['num_key_value_heads']], [model.config['model_type'], 'bfloat16', undefined, 2, 1]);
    const norm = model.decoder.finalNorm.toArray();
    assert.ok(norm.every((x) => x === (name === 'gemma3' ? 0 : 1)));
    for (const { bias } of model.decoder.layers[0]!.queryKeyValue) assert.ok(bias === null || bias.toArray().every((x) => x === 0));
    disposeModel(model);
  });
}

test('the weights of the model it is like need not be there', async () => {
  const [like, folder, wanted] = ['no-weights', 'like-no-weights', 'like-weights'].map((name) => join(root, name)) as [string, string, string];
  cpSync(tiny, like, { recursive: true });
  rmSync(join(like, 'model.safetensors'));
  for (const [from, to] of [[like, folder], [tiny, wanted]] as const) await initModel(to, { like: from, layers: 1, hidden: 8 });
  assert.ok(bytes(folder).equals(bytes(wanted)));
  await assert.rejects(loadNetwork(like), /hold model\.safetensors or model\.safetensors\.index\.json, got neither/);
});

test('of a GGUF file, the header is enough', async () => {
  const { vocab, merges } = (JSON.parse(readFileSync(join(tiny, 'tokenizer.json'), 'utf8')) as { model: { vocab: Record<string, number>; merges: string[] } }).model;
  const tokens = Object.keys(vocab).sort((a, b) => vocab[a]! - vocab[b]!);
  const sizes = { block_count: 1, embedding_length: 8, feed_forward_length: 12, context_length: 64 };
  const metadata: Record<string, TypedValue> = {
    'general.architecture': { string: 'gemma' },
    ...Object.fromEntries(Object.entries(sizes).map(([key, size]) => [`gemma.${key}`, { u32: size }])),
    'gemma.attention.head_count': { u32: 2 },
    'gemma.attention.key_length': { u32: 6 },
    'gemma.attention.layer_norm_rms_epsilon': { f32: 1e-6 },
    'tokenizer.ggml.model': { string: 'gpt2' },
    'tokenizer.ggml.pre': { string: 'gpt-2' },
    'tokenizer.ggml.tokens': { strings: tokens },
    'tokenizer.ggml.merges': { strings: merges },
  };
  const like = join(root, 'header.gguf');
  // The embedding alone, where a network would have ten more tensors.
  writeFileSync(like, buildGguf({ metadata, tensors: [{ name: 'token_embd.weight', dimensions: [8, tokens.length], type: 0, offset: 0 }], data: new Uint8Array(8 * 4 * tokens.length) }));
  const folder = join(root, 'like-gguf');
  await initModel(folder, { like, layers: 2 });
  const model = await loadNetwork(folder);
  const { layers, headDim, vocabSize, normStyle } = model.decoder.config;
  assert.deepEqual([model.config['model_type'], layers, headDim, vocabSize, normStyle], ['gemma', 2, 6, tokens.length, 'offset']);
  assert.deepEqual(model.tokenizer.encode('hi'), [104, 105]);
  disposeModel(model);
});

const big = { model_type: 'llama', hidden_size: 2048, intermediate_size: 8192, num_hidden_layers: 16, num_attention_heads: 32, num_key_value_heads: 8, head_dim: 64, vocab_size: 9 };

test('sizes that are not given follow the hidden size', () => {
  const pick = ({ hidden_size, intermediate_size, num_attention_heads, num_key_value_heads, head_dim }: Record<string, unknown>) => [hidden_size, intermediate_size, num_attention_heads, num_key_value_heads, head_dim];
  assert.deepEqual(pick(sizedConfig(big, { layers: 2 })), [2048, 8192, 32, 8, 64]);
  assert.deepEqual(pick(sizedConfig(big, { hidden: 512 })), [512, 2048, 8, 2, 64]);
  assert.deepEqual(pick(sizedConfig(big, { hidden: 64 })), [64, 256, 1, 1, 64]);
  // 4.7 heads in proportion; 300 has 4 as a divisor.
  assert.deepEqual(pick(sizedConfig(big, { hidden: 300 })), [300, 1200, 4, 1, 64]);
  assert.deepEqual(pick(sizedConfig(big, { hidden: 64, heads: 4, keyValueHeads: 2, headDim: 16 })), [64, 256, 4, 2, 16]);
});

test('lists of layers are cut', () => {
  const mixed = { ...big, model_type: 'smollm3', num_hidden_layers: 4, no_rope_layers: [1, 0, 1, 0], layer_types: Array.from({ length: 4 }, () => 'full_attention') };
  const { no_rope_layers, layer_types } = sizedConfig(mixed, { layers: 2 });
  assert.deepEqual([no_rope_layers, layer_types], [[1, 0], ['full_attention', 'full_attention']]);
  assert.throws(() => sizedConfig(mixed, { layers: 5 }), { name: 'InputError', message: /`layers` to be at most 4, as many as config\.json lists in `layer_types`, got 5/ });
});

test('weights are drawn only when they are written', () => {
  const [embedding] = randomWeights(decoderConfig({ ...big, vocab_size: 1e9 }), { seed: 1, std: 1, dtype: 'float32' });
  assert.deepEqual(embedding!.shape, [1e9, 2048]);
});

const refused: [string, Record<string, unknown>, RegExp][] = [
  ['half a layer', { layers: 0.5 }, /`layers` to be a whole number, 1 or more, got 0\.5/],
  ['key heads that do not divide the heads', { heads: 4, keyValueHeads: 3 }, /`keyValueHeads` to divide the 4 heads, got 3/],
  ['a negative spread', { std: -1 }, /`std` to be 0 or more, got -1/],
  ['a dtype of whole numbers', { dtype: 'int64' }, /`dtype` to be a floating type, got "int64"/],
];
test('a model that is there is not overwritten', async () => {
  const before = bytes(tiny);
  await assert.rejects(initModel(tiny, { like: tiny, layers: 1 }), { name: 'InputError', message: /`folder` to hold no model yet, got .*choose another folder/ });
  assert.ok(bytes(tiny).equals(before));
});

for (const [what, change, message] of refused) {
  test(`refuses ${what}`, () => assert.rejects(initModel(join(root, 'none'), { like: tiny, ...change }), { name: 'InputError', message }));
}
