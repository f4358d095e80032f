import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decoderConfig, weightShapes } from './families.ts';

const config = {
  model_type: 'llama',
  hidden_size: 24,
  intermediate_size: 40,
  num_hidden_layers: 1,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  vocab_size: 50,
  rms_norm_eps: 1e-5,
};

test('what config.json leaves out has the defaults of transformers', () => {
  assert.deepEqual(decoderConfig(config), {
    hiddenSize: 24,
    intermediateSize: 40,
    layers: 1,
    heads: 4,
    keyValueHeads: 2,
    headDim: 6,
    vocabSize: 50,
    contextLength: 2048,
    normEpsilon: 1e-5,
    ropeTheta: 10_000,
    tiedHead: false,
    queryKeyValueBias: false,
    outputBias: false,
    feedForwardBias: false,
    paddingId: null,
  });
  const { num_key_value_heads: _, ...withoutKeyHeads } = config;
  assert.equal(decoderConfig(withoutKeyHeads).keyValueHeads, 4);
});

test('the padding token may have the id 0', () => assert.equal(decoderConfig({ ...config, pad_token_id: 0 }).paddingId, 0));

test('the rotary base is read from both places', () => {
  assert.equal(decoderConfig({ ...config, rope_theta: 500 }).ropeTheta, 500);
  assert.equal(decoderConfig({ ...config, rope_parameters: { rope_type: 'default', rope_theta: 700 } }).ropeTheta, 700);
});

test('weights have the names and shapes of Hugging Face checkpoints', () => {
  const shapes = Object.fromEntries(weightShapes(decoderConfig({ ...config, head_dim: 10, attention_bias: true, mlp_bias: true })));
  assert.deepEqual(shapes, {
    'model.embed_tokens.weight': [50, 24],
    'model.layers.0.input_layernorm.weight': [24],
    'model.layers.0.self_attn.q_proj.weight': [40, 24],
    'model.layers.0.self_attn.q_proj.bias': [40],
    'model.layers.0.self_attn.k_proj.weight': [20, 24],
    'model.layers.0.self_attn.k_proj.bias': [20],
    'model.layers.0.self_attn.v_proj.weight': [20, 24],
    'model.layers.0.self_attn.v_proj.bias': [20],
    'model.layers.0.self_attn.o_proj.weight': [24, 40],
    'model.layers.0.self_attn.o_proj.bias': [24],
    'model.layers.0.post_attention_layernorm.weight': [24],
    'model.layers.0.mlp.gate_proj.weight': [40, 24],
    'model.layers.0.mlp.gate_proj.bias': [40],
    'model.layers.0.mlp.up_proj.weight': [40, 24],
    'model.layers.0.mlp.up_proj.bias': [40],
    'model.layers.0.mlp.down_proj.weight': [24, 40],
    'model.layers.0.mlp.down_proj.bias': [24],
    'model.norm.weight': [24],
    'lm_head.weight': [50, 24],
  });
  assert.ok(!weightShapes(decoderConfig({ ...config, tie_word_embeddings: true })).has('lm_head.weight'));
});

const refused: [string, Record<string, unknown>, RegExp][] = [
  ['an unknown family, with the list of known ones', { model_type: 'mamba' }, /to be one of llama, got "mamba"/],
  ['a family named like a method of objects', { model_type: 'constructor' }, /to be one of llama/],
  ['no family', { model_type: undefined }, /to be one of llama/],
  ['another activation', { hidden_act: 'gelu' }, /hidden_act` to be "silu", got "gelu"/],
  ['scaled rotary embeddings', { rope_scaling: { type: 'linear', factor: 2 } }, /rope_scaling` to be null, got \{"type":"linear"/],
  ['scaled rotary embeddings as transformers 5 writes them', { rope_parameters: { rope_type: 'llama3', rope_theta: 1 } }, /rope_scaling` to be null, got \{"rope_type":"llama3"/],
  ['a missing size', { hidden_size: undefined }, /hidden_size` to be a positive number, got nothing/],
  ['key heads that do not divide the heads', { num_key_value_heads: 3 }, /to divide the 4 attention heads, got 3/],
  ['a padding token that is no id', { pad_token_id: '2' }, /pad_token_id` to be a token id, got "2"/],
  ['a flag that is none', { mlp_bias: 1 }, /mlp_bias` to be true or false, got 1/],
];

for (const [what, change, message] of refused) {
  test(`refuses ${what}`, () => assert.throws(() => decoderConfig({ ...config, ...change }), { name: 'InputError', message }));
}
