/** What a decoder network must be told of itself. A family (families/) reads it from a `config.json`; the decoder reads nothing else. */
import type { RotarySettings } from './rope.ts';

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
  /** The head is the embedding. */
  tiedHead: boolean;
  /** Token whose row of the lookup gets no gradient: transformers gives its embedding `padding_idx = pad_token_id`. */
  paddingId: number | null;
  /** Embeddings are multiplied by it. */
  embeddingScale: number;

  normEpsilon: number;
  normStyle: NormStyle;
  /** The norms of a layer: place → its name in the checkpoint. A place that is not named has no norm. */
  norms: Readonly<Partial<Record<NormPlace, string>>>;

  /** Query, key and value projections have biases. */
  queryKeyValueBias: boolean;
  /** The attention's output projection has a bias. */
  outputBias: boolean;
  /** The three projections of the feed-forward part have biases. */
  feedForwardBias: boolean;
  /** Checkpoints hold q-k-v in one matrix and gate-up in another. */
  fusedProjections: boolean;
  activation: Activation;

  /** Norm of queries and keys before they are rotated: of each head alone, of all heads together, or none. */
  queryKeyNorm: 'head' | 'whole' | null;
  /** Factor of query·key. */
  attentionScale: number;
  /** Scores become cap·tanh(score/cap). */
  attentionCap: number | null;
  /** Of each layer: tokens that a token sees, itself included; null sees all before it. */
  windows: readonly (number | null)[];
  /** Of each layer: its rotary embedding, or null where it has none. */
  rotary: readonly (RotarySettings | null)[];

  /** Logits become cap·tanh(logit/cap). */
  logitCap: number | null;
}

/**
 * How a norm applies its weight w to the normed x̂:
 * `plain` w·x̂ in the dtype of x; `wide` the same in float32; `offset` (1 + w)·x̂ in float32.
 */
export type NormStyle = 'plain' | 'wide' | 'offset';

/** Where a layer may have a norm: before and after each of its two parts. */
export type NormPlace = 'inputNorm' | 'attentionOutputNorm' | 'feedForwardNorm' | 'feedForwardOutputNorm';

/** What the gate of the feed-forward part goes through. */
export type Activation = 'silu' | 'geluTanh';
