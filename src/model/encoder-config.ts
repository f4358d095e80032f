/**
 * Encoder families: what the `config.json` of a classifier such as BERT says becomes one `EncoderConfig`, and the encoder
 * (encoder.ts) reads nothing else. A new family is a row here and a fixture in its test.
 */
import { expected } from '../errors.ts';
import { ConfigFields } from './families/config-fields.ts';

/** The unit of the feed-forward. */
export type EncoderActivation = 'gelu' | 'geluTanh' | 'relu';

/** Sizes and switches of an encoder with a classifier on its first token. */
export interface EncoderConfig {
  vocabSize: number;
  hiddenSize: number;
  intermediateSize: number;
  layers: number;
  heads: number;
  /** Rows of the table of positions. */
  positions: number;
  /** Rows of the table of token types; every token is of the first. */
  tokenTypes: number;
  normEpsilon: number;
  activation: EncoderActivation;
  /**
   * A token id that takes no position, as RoBERTa has it: other tokens count from the place behind it, and it stands at
   * its own. Null: positions count from 0 whatever the tokens are.
   */
  positionPadding: number | null;
  /** What the names of the trunk's weights begin with. */
  prefix: string;
  /** Names of the two maps of the head: output(tanh(dense(first token))). */
  head: { dense: string; output: string };
}

/** What differs from family to family. */
type EncoderFamily = (fields: ConfigFields) => EncoderConfig;

/** BERT (Devlin et al. 2018): a pooler over [CLS], which is part of the trunk, and one map. */
const bert: EncoderFamily = (fields) => ({
  ...shared(fields, 'bert'),
  positionPadding: null,
  head: { dense: 'bert.pooler.dense', output: 'classifier' },
});

/** RoBERTa (Liu et al. 2019): positions begin behind the padding id, and the head has a map of its own for the first token. */
const roberta: EncoderFamily = (fields) => ({
  ...shared(fields, 'roberta'),
  positionPadding: fields.id('pad_token_id', 1),
  head: { dense: 'classifier.dense', output: 'classifier.out_proj' },
});

/** `model_type` of config.json → how to read it. */
export const encoderFamilies: Readonly<Record<string, EncoderFamily>> = { bert, roberta };

const activations: Readonly<Record<string, EncoderActivation>> = { gelu: 'gelu', gelu_new: 'geluTanh', gelu_pytorch_tanh: 'geluTanh', relu: 'relu' };

function shared(fields: ConfigFields, prefix: string): Omit<EncoderConfig, 'positionPadding' | 'head'> {
  fields.only('position_embedding_type', ['absolute'], 'this encoder has a table of positions');
  fields.only('is_decoder', [false], 'this encoder looks both ways');
  fields.only('hidden_act', Object.keys(activations), 'take a model with one of these');
  const hiddenSize = fields.count('hidden_size', 1 << 20);
  const heads = fields.count('num_attention_heads', hiddenSize);
  if (hiddenSize % heads !== 0) throw expected('config.json: num_attention_heads', `to divide hidden_size ${hiddenSize}`, heads, 'the config is damaged');
  return {
    vocabSize: fields.count('vocab_size', 1 << 30),
    hiddenSize,
    intermediateSize: fields.count('intermediate_size', 1 << 24),
    layers: fields.count('num_hidden_layers', 1 << 16),
    heads,
    positions: fields.count('max_position_embeddings', 1 << 24),
    tokenTypes: fields.count('type_vocab_size', 1 << 16),
    normEpsilon: fields.number('layer_norm_eps', 1e-12),
    activation: activations[fields.text('hidden_act') ?? 'gelu']!,
    prefix,
  };
}

/** Tokens that fit: positions that a token can take. */
export function encoderContext({ positions, positionPadding }: EncoderConfig): number {
  return positionPadding === null ? positions : positions - positionPadding - 1;
}

/** The position of each token of a row. */
export function encoderPositions(ids: readonly number[], { positionPadding }: Pick<EncoderConfig, 'positionPadding'>): number[] {
  if (positionPadding === null) return ids.map((_, i) => i);
  let last = positionPadding;
  return ids.map((id) => (id === positionPadding ? positionPadding : ++last));
}

/** Names and shapes of the weights of trunk and head, as Hugging Face checkpoints have them. */
export function encoderShapes(config: EncoderConfig, labels: number): Map<string, number[]> {
  const { prefix, hiddenSize: h, intermediateSize: f, head } = config;
  const shapes = new Map<string, number[]>([
    [`${prefix}.embeddings.word_embeddings.weight`, [config.vocabSize, h]],
    [`${prefix}.embeddings.position_embeddings.weight`, [config.positions, h]],
    [`${prefix}.embeddings.token_type_embeddings.weight`, [config.tokenTypes, h]],
  ]);
  const map = (name: string, rows: number, columns: number) => shapes.set(`${name}.weight`, [rows, columns]).set(`${name}.bias`, [rows]);
  const norm = (name: string) => shapes.set(`${name}.weight`, [h]).set(`${name}.bias`, [h]);
  norm(`${prefix}.embeddings.LayerNorm`);
  for (let i = 0; i < config.layers; i++) {
    const layer = `${prefix}.encoder.layer.${i}`;
    for (const part of ['query', 'key', 'value']) map(`${layer}.attention.self.${part}`, h, h);
    map(`${layer}.attention.output.dense`, h, h);
    norm(`${layer}.attention.output.LayerNorm`);
    map(`${layer}.intermediate.dense`, f, h);
    map(`${layer}.output.dense`, h, f);
    norm(`${layer}.output.LayerNorm`);
  }
  map(head.dense, h, h);
  map(head.output, labels, h);
  return shapes;
}
