/**
 * Model families as data: what a `config.json` says becomes one `DecoderConfig`, and the decoder reads nothing else.
 * A new family is a row here and a fixture in its test.
 */
import { InputError, expected } from '../errors.ts';

/** Everything the decoder needs to know of a network. Sizes are counts of elements. */
export interface DecoderConfig {
  hiddenSize: number;
  intermediateSize: number;
  layers: number;
  heads: number;
  keyValueHeads: number;
  headDim: number;
  vocabSize: number;
  /** Longest sequence the model was made for, in tokens. */
  contextLength: number;
  normEpsilon: number;
  ropeTheta: number;
  /** The head is the embedding. */
  tiedHead: boolean;
  /** Query, key and value projections have biases. */
  queryKeyValueBias: boolean;
  /** The attention's output projection has a bias. */
  outputBias: boolean;
  /** The three projections of the feed-forward part have biases. */
  feedForwardBias: boolean;
  /** Token whose row of the lookup gets no gradient: transformers gives its embedding `padding_idx = pad_token_id`. */
  paddingId: number | null;
}

/** The fields of a Hugging Face `config.json`, read with a check each. */
export class ConfigFields {
  readonly #fields: Readonly<Record<string, unknown>>;

  constructor(fields: Readonly<Record<string, unknown>>) {
    this.#fields = fields;
  }

  /** A positive number; without a fallback it must be there. */
  number(name: string, fallback?: number): number {
    const value = this.#fields[name] ?? fallback;
    if (typeof value === 'number' && value > 0 && Number.isFinite(value)) return value;
    throw expected(`config.json: ${name}`, 'to be a positive number', value, "take the config.json of the model's own folder");
  }

  flag(name: string, fallback: boolean): boolean {
    const value = this.#fields[name] ?? fallback;
    if (typeof value === 'boolean') return value;
    throw expected(`config.json: ${name}`, 'to be true or false', value, "take the config.json of the model's own folder");
  }

  /** A token id, or null where there is none. */
  id(name: string): number | null {
    const value = this.#fields[name] ?? null;
    if (value === null || (typeof value === 'number' && Number.isInteger(value))) return value;
    throw expected(`config.json: ${name}`, 'to be a token id', value, "take the config.json of the model's own folder");
  }

  /** Refuses a field whose value would need code that the decoder does not have. */
  only(name: string, known: readonly unknown[], why: string): void {
    const value = this.#fields[name];
    if (value === undefined || value === null || known.includes(value)) return;
    throw expected(`config.json: ${name}`, `to be ${known.map((item) => JSON.stringify(item)).join(' or ')}`, value, why);
  }
}

type Family = (fields: ConfigFields) => DecoderConfig;

function llama(fields: ConfigFields): DecoderConfig {
  fields.only('hidden_act', ['silu'], 'this decoder gates with SiLU');
  fields.only('rope_scaling', [null], 'scaled rotary embeddings are not part of this version');
  const hiddenSize = fields.number('hidden_size');
  const heads = fields.number('num_attention_heads');
  const attentionBias = fields.flag('attention_bias', false);
  return {
    hiddenSize,
    intermediateSize: fields.number('intermediate_size'),
    layers: fields.number('num_hidden_layers'),
    heads,
    keyValueHeads: fields.number('num_key_value_heads', heads),
    headDim: fields.number('head_dim', hiddenSize / heads),
    vocabSize: fields.number('vocab_size'),
    contextLength: fields.number('max_position_embeddings', 2048),
    normEpsilon: fields.number('rms_norm_eps', 1e-6),
    ropeTheta: fields.number('rope_theta', 10_000),
    tiedHead: fields.flag('tie_word_embeddings', false),
    queryKeyValueBias: attentionBias,
    outputBias: attentionBias,
    feedForwardBias: fields.flag('mlp_bias', false),
    paddingId: fields.id('pad_token_id'),
  };
}

/** `model_type` of config.json → how to read it. */
export const families: Readonly<Record<string, Family>> = { llama };

/**
 * The decoder's view of a `config.json`.
 *
 * @throws InputError for an unknown `model_type`, with the list of known ones, and for fields that are missing or unsupported
 */
export function decoderConfig(config: Readonly<Record<string, unknown>>): DecoderConfig {
  const type = String(config.model_type);
  const family = Object.hasOwn(families, type) ? families[type] : undefined;
  if (!family) {
    throw new InputError(
      `Expected config.json: \`model_type\` to be one of ${Object.keys(families).join(', ')}, got ${JSON.stringify(config.model_type)}; ` +
        'use a model of a known family.',
      { modelType: config.model_type, known: Object.keys(families) },
    );
  }
  // transformers 5 writes rotary settings into `rope_parameters`.
  const rope = (config.rope_parameters ?? {}) as Record<string, unknown>;
  const scaled = rope.rope_type !== undefined && rope.rope_type !== 'default' ? rope : config.rope_scaling;
  const read = family(new ConfigFields({ ...config, rope_theta: rope.rope_theta ?? config.rope_theta, rope_scaling: scaled }));
  if (read.heads % read.keyValueHeads !== 0) {
    throw expected('config.json: num_key_value_heads', `to divide the ${read.heads} attention heads`, read.keyValueHeads, 'the config is damaged');
  }
  return read;
}

/** Names and shapes of the weights of one network, as Hugging Face checkpoints have them. */
export function weightShapes(config: DecoderConfig): Map<string, number[]> {
  const { hiddenSize: h, intermediateSize: f, headDim } = config;
  const q = config.heads * headDim;
  const kv = config.keyValueHeads * headDim;
  const shapes = new Map<string, number[]>([['model.embed_tokens.weight', [config.vocabSize, h]]]);
  const projection = (name: string, rows: number, columns: number, bias: boolean) => {
    shapes.set(`${name}.weight`, [rows, columns]);
    if (bias) shapes.set(`${name}.bias`, [rows]);
  };
  for (let i = 0; i < config.layers; i++) {
    const layer = `model.layers.${i}`;
    shapes.set(`${layer}.input_layernorm.weight`, [h]);
    projection(`${layer}.self_attn.q_proj`, q, h, config.queryKeyValueBias);
    projection(`${layer}.self_attn.k_proj`, kv, h, config.queryKeyValueBias);
    projection(`${layer}.self_attn.v_proj`, kv, h, config.queryKeyValueBias);
    projection(`${layer}.self_attn.o_proj`, h, q, config.outputBias);
    shapes.set(`${layer}.post_attention_layernorm.weight`, [h]);
    projection(`${layer}.mlp.gate_proj`, f, h, config.feedForwardBias);
    projection(`${layer}.mlp.up_proj`, f, h, config.feedForwardBias);
    projection(`${layer}.mlp.down_proj`, h, f, config.feedForwardBias);
  }
  shapes.set('model.norm.weight', [h]);
  if (!config.tiedHead) shapes.set('lm_head.weight', [config.vocabSize, h]);
  return shapes;
}
