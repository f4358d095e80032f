/** What the families share: a pre-norm decoder without windows, caps or head norms. A family spreads it and changes what differs. */
import type { DecoderConfig } from '../decoder-config.ts';
import type { ConfigFields } from './config-fields.ts';
import { rotaryParameters, rotarySettings } from './rotary-fields.ts';

/** No model comes near; a damaged config that claims more would fill the memory with lists. */
const mostLayers = 1_000;

/** How a family's `config.json` is read. */
export type Family = (fields: ConfigFields) => DecoderConfig;

/** What transformers takes for fields that a `config.json` leaves out. */
export interface FamilyDefaults {
  contextLength?: number;
  normEpsilon?: number;
  ropeTheta?: number;
  tiedHead?: boolean;
  /** Left out: as many as heads. */
  keyValueHeads?: number;
  /** Left out: hidden size by heads. */
  headDim?: number;
  paddingId?: number;
  /** The family may rotate a part of each head. */
  partialRotary?: boolean;
  /** The family knows LongRoPE. */
  longRope?: boolean;
}

/** Reads the fields that all families have under the same names. */
export function plainDecoder(fields: ConfigFields, defaults: FamilyDefaults = {}): DecoderConfig {
  const hiddenSize = fields.number('hidden_size');
  const layers = fields.count('num_hidden_layers', mostLayers);
  const heads = fields.number('num_attention_heads');
  const headDim = fields.number('head_dim', defaults.headDim ?? hiddenSize / heads);
  const contextLength = fields.number('max_position_embeddings', defaults.contextLength ?? 2048);
  const theta = defaults.ropeTheta ?? 10_000;
  const rotary = rotarySettings(rotaryParameters(fields), fields, { theta, headDim, contextLength, partial: defaults.partialRotary ?? false, longRope: defaults.longRope ?? false });
  return {
    hiddenSize,
    intermediateSize: fields.number('intermediate_size'),
    layers,
    heads,
    keyValueHeads: fields.maybeNumber('num_key_value_heads', defaults.keyValueHeads ?? null) ?? heads,
    headDim,
    vocabSize: fields.number('vocab_size'),
    contextLength: rotary.scaling?.type === 'longrope' ? Math.min(contextLength, rotary.scaling.context) : contextLength,
    tiedHead: fields.flag('tie_word_embeddings', defaults.tiedHead ?? false),
    paddingId: fields.id('pad_token_id', defaults.paddingId ?? null),
    embeddingScale: 1,
    normEpsilon: fields.number('rms_norm_eps', defaults.normEpsilon ?? 1e-6),
    normStyle: 'plain',
    norms: { inputNorm: 'input_layernorm', feedForwardNorm: 'post_attention_layernorm' },
    queryKeyValueBias: false,
    outputBias: false,
    feedForwardBias: false,
    fusedProjections: false,
    activation: 'silu',
    queryKeyNorm: null,
    attentionScale: headDim ** -0.5,
    attentionCap: null,
    windows: everyLayer(layers, null),
    rotary: everyLayer(layers, rotary),
    logitCap: null,
  };
}

/** The same for every layer. */
export function everyLayer<T>(layers: number, value: T): T[] {
  return Array.from({ length: layers }, () => value);
}

/** Refuses gates other than SiLU. */
export function requireSilu(fields: ConfigFields): void {
  fields.only('hidden_act', ['silu'], 'this family gates with SiLU');
}

/** The switch `attention_bias`: one for all four projections of the attention. */
export function attentionBias(fields: ConfigFields): Pick<DecoderConfig, 'queryKeyValueBias' | 'outputBias'> {
  const bias = fields.flag('attention_bias', false);
  return { queryKeyValueBias: bias, outputBias: bias };
}

/** What a layer's attention sees. */
export type LayerType = 'sliding_attention' | 'full_attention';

/** The field `layer_types`, or the family's own pattern where it is missing. */
export function layerTypes(fields: ConfigFields, layers: number, isSliding: (layer: number) => boolean): LayerType[] {
  const listed = fields.perLayer('layer_types', layers, ['sliding_attention', 'full_attention'] as const);
  return listed ?? Array.from({ length: layers }, (_, i) => (isSliding(i) ? 'sliding_attention' : 'full_attention'));
}

/** A window for the sliding layers, none for the others. */
export function windowsOf(types: readonly LayerType[], window: number | null): (number | null)[] {
  return types.map((type) => (type === 'sliding_attention' ? window : null));
}
