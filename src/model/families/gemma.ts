/**
 * Gemma 1 to 3 (Gemma Team 2024, 2024, 2025): scaled embeddings, norms that store w − 1, GELU. Gemma 2 adds norms behind
 * both parts of a layer, soft caps and a sliding window in every other layer; Gemma 3 has norms of query and key heads
 * instead of the cap on scores, and another rotary base where the window slides.
 */
import type { DecoderConfig } from '../decoder-config.ts';
import { ConfigFields } from './config-fields.ts';
import { attentionBias, layerTypes, plainDecoder, windowsOf } from './plain-decoder.ts';
import type { Family, FamilyDefaults } from './plain-decoder.ts';
import { rotarySettings } from './rotary-fields.ts';

/** `model_type` gemma. */
export const gemma: Family = (fields) => {
  // The first release says `gelu` and means the approximation.
  fields.only('hidden_act', ['gelu', 'gelu_pytorch_tanh'], 'this family gates with GELU');
  return scaled(fields, { contextLength: 8192, keyValueHeads: 16 });
};

/** `model_type` gemma2. */
export const gemma2: Family = (fields) => {
  const shared = sandwiched(fields, { contextLength: 8192 });
  return {
    ...shared,
    attentionCap: fields.maybeNumber('attn_logit_softcapping', 50),
    logitCap: fields.maybeNumber('final_logit_softcapping', 30),
    windows: windowsOf(layerTypes(fields, shared.layers, (layer) => layer % 2 === 0), fields.maybeNumber('sliding_window', 4096)),
  };
};

/** `model_type` gemma3_text. */
export const gemma3Text: Family = (fields) => {
  // Sliding and full layers have rotary parameters of their own, which the shared reading does not know.
  const shared = sandwiched(fields.without(['rope_scaling', 'rope_parameters']), { contextLength: 131_072 });
  const { layers, headDim, contextLength } = shared;
  const period = fields.number('sliding_window_pattern', 6);
  const types = layerTypes(fields, layers, (layer) => (layer + 1) % period !== 0);
  const both = fields.object('rope_parameters');
  const full = fields.object('rope_scaling') ?? both?.object('full_attention') ?? none;
  const sliding = both?.object('sliding_attention') ?? none;
  const rotary = {
    full_attention: rotarySettings(full, fields, { theta: 1_000_000, headDim, contextLength }),
    sliding_attention: rotarySettings(sliding, fields.without(['rope_theta']), { theta: fields.number('rope_local_base_freq', 10_000), headDim, contextLength }),
  };
  return {
    ...shared,
    queryKeyNorm: 'head',
    logitCap: fields.maybeNumber('final_logit_softcapping'),
    windows: windowsOf(types, fields.maybeNumber('sliding_window', 4096)),
    rotary: types.map((type) => rotary[type]),
  };
};

const none = new ConfigFields({});

/** What all Gemmas share. */
function scaled(fields: ConfigFields, defaults: FamilyDefaults): DecoderConfig {
  fields.only('use_bidirectional_attention', [false], 'this decoder looks back only');
  const plain = plainDecoder(fields, { headDim: 256, tiedHead: true, paddingId: 0, ...defaults });
  return { ...plain, ...attentionBias(fields), embeddingScale: Math.sqrt(plain.hiddenSize), normStyle: 'offset', activation: 'geluTanh' };
}

/** What Gemma 2 and 3 share. */
function sandwiched(fields: ConfigFields, defaults: FamilyDefaults): DecoderConfig {
  fields.only('hidden_activation', ['gelu_pytorch_tanh'], 'this family gates with GELU');
  return {
    ...scaled(fields, { keyValueHeads: 4, ...defaults }),
    norms: {
      inputNorm: 'input_layernorm',
      attentionOutputNorm: 'post_attention_layernorm',
      feedForwardNorm: 'pre_feedforward_layernorm',
      feedForwardOutputNorm: 'post_feedforward_layernorm',
    },
    attentionScale: fields.number('query_pre_attn_scalar', 256) ** -0.5,
  };
}
