import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decoderConfig } from './families.ts';
import { weightShapes } from './weight-names.ts';

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

const rotaryOf = (changes: Record<string, unknown>) => decoderConfig({ ...config, ...changes }).rotary;

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
    tiedHead: false,
    paddingId: null,
    embeddingScale: 1,
    normEpsilon: 1e-5,
    normStyle: 'plain',
    norms: { inputNorm: 'input_layernorm', feedForwardNorm: 'post_attention_layernorm' },
    queryKeyValueBias: false,
    outputBias: false,
    feedForwardBias: false,
    fusedProjections: false,
    activation: 'silu',
    queryKeyNorm: null,
    attentionScale: 6 ** -0.5,
    attentionCap: null,
    windows: [null],
    rotary: [{ theta: 10_000, width: 6, scaling: null }],
    logitCap: null,
  });
  const { num_key_value_heads: _, ...withoutKeyHeads } = config;
  assert.equal(decoderConfig(withoutKeyHeads).keyValueHeads, 4);
});

test('the padding token may have the id 0', () => assert.equal(decoderConfig({ ...config, pad_token_id: 0 }).paddingId, 0));

test('the rotary base is read from both places', () => {
  assert.equal(rotaryOf({ rope_theta: 500 })[0]!.theta, 500);
  assert.equal(rotaryOf({ rope_parameters: { rope_type: 'default', rope_theta: 700 } })[0]!.theta, 700);
});

test('rotary scalings are read under their old and new names', () => {
  assert.deepEqual(rotaryOf({ rope_scaling: { type: 'linear', factor: 2 } })[0]!.scaling, { type: 'linear', factor: 2 });
  const llama3 = { rope_type: 'llama3', rope_theta: 9, factor: 8, low_freq_factor: 1, high_freq_factor: 4 };
  const read = { type: 'llama3', factor: 8, lowFactor: 1, highFactor: 4 };
  assert.deepEqual(rotaryOf({ rope_parameters: { ...llama3, original_max_position_embeddings: 77 } }), [{ theta: 9, width: 6, scaling: { ...read, context: 77 } }]);
  assert.deepEqual(rotaryOf({ rope_parameters: llama3, max_position_embeddings: 99 })[0]!.scaling, { ...read, context: 99 });
});

test('the magnitude of yarn: given, by the factor, or by the ratio of two scales', () => {
  const magnitude = (more: Record<string, unknown>) => {
    const { scaling } = rotaryOf({ rope_scaling: { rope_type: 'yarn', factor: Math.E, ...more } })[0]!;
    return scaling?.type === 'yarn' ? scaling.magnitude : null;
  };
  assert.equal(magnitude({ attention_factor: 3 }), 3);
  assert.equal(magnitude({}), 1.1);
  assert.equal(magnitude({ mscale: 2, mscale_all_dim: 4 }), 1.2 / 1.4);
});

test('windows of the families that have them', () => {
  const windows = (changes: Record<string, unknown>) => decoderConfig({ ...config, num_hidden_layers: 3, ...changes }).windows;
  assert.deepEqual(windows({ model_type: 'mistral' }), [4096, 4096, 4096]);
  assert.deepEqual(windows({ model_type: 'mistral', sliding_window: null }), [null, null, null]);
  // Qwen's published configs carry a window that is switched off.
  assert.deepEqual(windows({ model_type: 'qwen2', sliding_window: 8 }), [null, null, null]);
  assert.deepEqual(windows({ model_type: 'qwen2', sliding_window: 8, use_sliding_window: true, max_window_layers: 1 }), [null, 8, 8]);
  assert.deepEqual(windows({ model_type: 'gemma2' }), [4096, null, 4096]);
  assert.deepEqual(windows({ model_type: 'gemma3_text', sliding_window_pattern: 2, sliding_window: 5 }), [5, null, 5]);
  assert.deepEqual(windows({ model_type: 'gemma3_text', layer_types: ['full_attention', 'sliding_attention', 'full_attention'], sliding_window: 5 }), [null, 5, null]);
  assert.deepEqual(windows({ model_type: 'smollm3', no_rope_layer_interval: 2, use_sliding_window: true, sliding_window: 7 }), [null, 7, null]);
});

test('Gemma 3 as older transformers wrote it: two bases, and the scaling of the full layers beside them', () => {
  const old = { ...config, model_type: 'gemma3_text', num_hidden_layers: 2, sliding_window_pattern: 2, rope_theta: 5e5, rope_local_base_freq: 2e4, rope_scaling: { rope_type: 'linear', factor: 8 } };
  assert.deepEqual(decoderConfig(old).rotary, [
    { theta: 2e4, width: 256, scaling: null },
    { theta: 5e5, width: 256, scaling: { type: 'linear', factor: 8 } },
  ]);
});

test('soft caps: missing is the default of the family, null is none', () => {
  const caps = (changes: Record<string, unknown>) => {
    const { attentionCap, logitCap } = decoderConfig({ ...config, model_type: 'gemma2', ...changes });
    return [attentionCap, logitCap];
  };
  assert.deepEqual(caps({}), [50, 30]);
  assert.deepEqual(caps({ attn_logit_softcapping: null, final_logit_softcapping: null }), [null, null]);
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
  ['an unknown family, with the list of known ones', { model_type: 'mamba' }, /to be one of llama, mistral, qwen2, qwen3, smollm3, gemma, gemma2, gemma3_text, phi3, olmo2, got "mamba"/],
  ['a family named like a method of objects', { model_type: 'constructor' }, /to be one of llama/],
  ['no family', { model_type: undefined }, /to be one of llama/],
  ['another activation', { hidden_act: 'gelu' }, /hidden_act` to be "silu", got "gelu"/],
  ['another rotary scaling', { rope_scaling: { type: 'dynamic', factor: 2 } }, /rope_scaling\.type` to be "default" or "linear" or "llama3" or "yarn", got "dynamic"/],
  ['another rotary scaling as transformers 5 writes it', { rope_parameters: { rope_type: 'longrope', rope_theta: 1 } }, /rope_parameters\.rope_type` to be "default" or "linear".*, got "longrope"/],
  ['another scaling than LongRoPE in Phi-3', { model_type: 'phi3', rope_scaling: { type: 'yarn' } }, /rope_scaling\.type` to be "default" or "longrope" or "su", got "yarn"/],
  ['LongRoPE without a factor for each pair', { model_type: 'phi3', rope_scaling: { type: 'longrope', short_factor: [1] }, original_max_position_embeddings: 16 }, /short_factor` to be a list of \d+ positive numbers/],
  ['a scaling without its factor', { rope_scaling: { type: 'linear' } }, /rope_scaling\.factor` to be a positive number, got nothing/],
  ['rotating a part of each head where the family does not', { partial_rotary_factor: 0.5 }, /partial_rotary_factor` to be 1 in this family, got 0\.5/],
  ['kinds of layers that are unknown', { model_type: 'gemma2', layer_types: ['linear_attention'] }, /layer_types` to be a list of "sliding_attention" or "full_attention", one for each of the 1 layers/],
  ['attention that looks ahead', { model_type: 'gemma3_text', use_bidirectional_attention: true }, /use_bidirectional_attention` to be false, got true/],
  ['a missing size', { hidden_size: undefined }, /hidden_size` to be a positive number, got nothing/],
  ['key heads that do not divide the heads', { num_key_value_heads: 3 }, /to divide the 4 attention heads, got 3/],
  ['a padding token that is no id', { pad_token_id: '2' }, /pad_token_id` to be a token id, got "2"/],
  ['a flag that is none', { mlp_bias: 1 }, /mlp_bias` to be true or false, got 1/],
];

for (const [what, change, message] of refused) {
  test(`refuses ${what}`, () => assert.throws(() => decoderConfig({ ...config, ...change }), { name: 'InputError', message }));
}
