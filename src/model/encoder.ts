/** Encoders that look both ways, with a classifier on their first token: BERT and RoBERTa. Forward only. */
import { expected } from '../errors.ts';
import { noGrad } from '../tensor/autograd.ts';
import { breathe } from '../tensor/breathe.ts';
import * as ops from '../tensor/ops.ts';
import { keep, scope } from '../tensor/scope.ts';
import { tensor } from '../tensor/tensor.ts';
import type { DType, Tensor } from '../tensor/tensor.ts';
import { checkWeights } from './decoder.ts';
import { encoderContext, encoderPositions, encoderShapes } from './encoder-config.ts';
import type { EncoderActivation, EncoderConfig } from './encoder-config.ts';
import { readWeight } from './read-weights.ts';
import type { StoredWeights } from './read-weights.ts';

/** An encoder in memory, with its head. */
export interface Encoder {
  config: EncoderConfig;
  /** By their Hugging Face names. */
  weights: ReadonlyMap<string, Tensor>;
}

/**
 * Reads an encoder and its head. Free it with `disposeEncoder`.
 *
 * @param labels rows of the head
 * @throws FileFormatError when a weight is missing or has another shape than config.json says
 */
export async function readEncoder(config: EncoderConfig, labels: number, stored: StoredWeights, dtype: DType): Promise<Encoder> {
  const shapes = encoderShapes(config, labels);
  checkWeights(stored, shapes);
  const weights = new Map<string, Tensor>();
  try {
    for (const [name, shape] of shapes) weights.set(name, await readWeight(stored, name, shape, dtype));
  } catch (error) {
    disposeEncoder({ config, weights });
    throw error;
  }
  return { config, weights };
}

/** Frees every tensor of an encoder. */
export function disposeEncoder({ weights }: Encoder): void {
  for (const weight of weights.values()) weight.dispose();
}

/** A batch of padded rows, and which of their places count. */
interface PaddedBatch {
  ids: Tensor; // [B·T]
  positions: Tensor; // [B·T]
  /** 0 at tokens, −∞ at padding; null where no row is padded. [B, 1, 1, T] */
  mask: Tensor | null;
  rows: number;
  length: number;
}

/**
 * Scores of whole rows by the head.
 *
 * @param rows token ids; all rows go through the network together, padded to the longest
 * @returns for each row, one score per label
 */
export async function encoderScores(encoder: Encoder, rows: readonly (readonly number[])[]): Promise<number[][]> {
  const { config } = encoder;
  const batch = padded(rows, config);
  let x: Tensor | null = null;
  try {
    x = noGrad(() => keep(scope(() => embedded(encoder, batch))));
    for (let i = 0; i < config.layers; i++) {
      await breathe();
      const next: Tensor = noGrad(() => keep(scope(() => encoderLayer(encoder, i, x!, batch))));
      x.dispose();
      x = next;
    }
    const scores = noGrad(() => scope(() => headScores(encoder, x!, batch).toArray()));
    const labels = scores.length / rows.length;
    return rows.map((_, row) => Array.from(scores.subarray(row * labels, (row + 1) * labels), Number));
  } finally {
    x?.dispose();
    for (const part of [batch.ids, batch.positions, batch.mask]) part?.dispose();
  }
}

function padded(rows: readonly (readonly number[])[], config: EncoderConfig): PaddedBatch {
  const length = Math.max(...rows.map((ids) => ids.length));
  const context = encoderContext(config);
  rows.forEach((ids, row) => {
    if (ids.length === 0) throw expected(`rows[${row}]`, 'to have at least one token', ids, 'give a text that is not empty');
    if (ids.length > context) throw expected(`rows[${row}]`, `to fit the context of ${context} tokens`, `${ids.length} tokens`, 'shorten the text');
  });
  const fill = (values: readonly number[], value: number) => [...values, ...Array<number>(length - values.length).fill(value)];
  const int64 = (values: readonly number[]) => tensor(values, [values.length], 'int64');
  const isPadded = rows.some((ids) => ids.length < length);
  const hidden = rows.flatMap((ids) => fill(ids.map(() => 0), -Infinity));
  return {
    // Which token stands at a masked place, and at which position, changes nothing.
    ids: int64(rows.flatMap((ids) => fill(ids, 0))),
    positions: int64(rows.flatMap((ids) => fill(encoderPositions(ids, config), 0))),
    mask: isPadded ? tensor(hidden, [rows.length, 1, 1, length]) : null,
    rows: rows.length,
    length,
  };
}

const activations: Readonly<Record<EncoderActivation, (x: Tensor) => Tensor>> = { gelu: ops.gelu, geluTanh: ops.geluTanh, relu: ops.relu };

function linear({ weights }: Encoder, name: string, x: Tensor): Tensor {
  return ops.linear(x, weights.get(`${name}.weight`)!, weights.get(`${name}.bias`)!);
}

function norm({ weights, config }: Encoder, name: string, x: Tensor): Tensor {
  return ops.layerNorm(x, weights.get(`${name}.weight`)!, weights.get(`${name}.bias`)!, config.normEpsilon);
}

/** [B·T, H] */
function embedded(encoder: Encoder, { ids, positions }: PaddedBatch): Tensor {
  const { prefix } = encoder.config;
  const table = (name: string) => encoder.weights.get(`${prefix}.embeddings.${name}_embeddings.weight`)!;
  const ofTokens = ops.add(ops.embedding(table('word'), ids), ops.narrow(table('token_type'), 0, 0, 1));
  return norm(encoder, `${prefix}.embeddings.LayerNorm`, ops.add(ofTokens, ops.embedding(table('position'), positions)));
}

/** One layer, norms behind its parts: x [B·T, H] → [B·T, H] */
function encoderLayer(encoder: Encoder, i: number, x: Tensor, batch: PaddedBatch): Tensor {
  const name = `${encoder.config.prefix}.encoder.layer.${i}`;
  const attended = linear(encoder, `${name}.attention.output.dense`, attention(encoder, `${name}.attention.self`, x, batch));
  const middle = norm(encoder, `${name}.attention.output.LayerNorm`, ops.add(attended, x));
  const wide = activations[encoder.config.activation](linear(encoder, `${name}.intermediate.dense`, middle)); // [B·T, F]
  return norm(encoder, `${name}.output.LayerNorm`, ops.add(linear(encoder, `${name}.output.dense`, wide), middle));
}

/** Every token sees every token of its row: x [B·T, H] → [B·T, H] */
function attention(encoder: Encoder, name: string, x: Tensor, { rows, length, mask }: PaddedBatch): Tensor {
  const { hiddenSize, heads } = encoder.config;
  const width = hiddenSize / heads;
  const part = (which: string) => ops.transpose(ops.view(linear(encoder, `${name}.${which}`, x), [rows, length, heads, width]), 1, 2); // [B, heads, T, d]
  const out = ops.scaledDotProductAttention(part('query'), part('key'), part('value'), { mask, scale: width ** -0.5 });
  return ops.reshape(ops.transpose(out, 1, 2), [rows * length, hiddenSize]);
}

/** [B, labels] */
function headScores(encoder: Encoder, x: Tensor, { rows, length }: PaddedBatch): Tensor {
  const { hiddenSize, head } = encoder.config;
  const first = ops.squeeze(ops.narrow(ops.view(x, [rows, length, hiddenSize]), 1, 0, 1), 1); // [B, H]
  return linear(encoder, head.output, ops.tanh(linear(encoder, head.dense, ops.contiguous(first))));
}
