/**
 * Heads on a decoder's trunk other than the language model's: scores of whole sequences (classifiers, reward models) and a
 * value of each token (critics). Each is one linear map of the last hidden states.
 */
import { FileFormatError } from '../errors.ts';
import { noGrad } from '../tensor/autograd.ts';
import * as ops from '../tensor/ops.ts';
import { keep, scope } from '../tensor/scope.ts';
import { tensor } from '../tensor/tensor.ts';
import type { DType, Tensor } from '../tensor/tensor.ts';
import { checkWeights, disposeDecoder, readTrunk } from './decoder.ts';
import type { Decoder } from './decoder.ts';
import { multiply } from './linear.ts';
import type { LinearWeights } from './linear.ts';
import { disposeBatch, packTrees } from './packed-batch.ts';
import { hiddenStates } from './packed-pass.ts';
import { readWeight } from './read-weights.ts';
import type { StoredWeights } from './read-weights.ts';

/** What a head is for. */
export type HeadKind = 'score' | 'value';

/** Names under which checkpoints hold a head, likeliest first, and its rows where they are fixed. */
const heads: Readonly<Record<HeadKind, { names: readonly string[]; rows: number | null }>> = {
  // AutoModelForSequenceClassification
  score: { names: ['score'], rows: null },
  // AutoModelForCausalLMWithValueHead of TRL; or a classifier with one label.
  value: { names: ['v_head.summary', 'score'], rows: 1 },
};

/**
 * Reads a head. The caller disposes its tensors.
 *
 * @throws FileFormatError when the checkpoint has none, or one of another shape
 */
export async function readHead(kind: HeadKind, stored: StoredWeights, hiddenSize: number, dtype: DType): Promise<LinearWeights> {
  const { names, rows } = heads[kind];
  const present = new Set(stored.names());
  const name = names.find((candidate) => present.has(`${candidate}.weight`));
  if (name === undefined) {
    const wanted = names.map((candidate) => `\`${candidate}.weight\``).join(' or ');
    throw new FileFormatError(`Expected the checkpoint to hold ${wanted}, got none; take a model with a ${kind} head.`, { names });
  }
  const labels = rows ?? stored.info(`${name}.weight`).shape[0] ?? 1;
  const shapes = new Map<string, number[]>([[`${name}.weight`, [labels, hiddenSize]]]);
  if (present.has(`${name}.bias`)) shapes.set(`${name}.bias`, [labels]);
  checkWeights(stored, shapes);
  const read = (part: string) => readWeight(stored, `${name}.${part}`, shapes.get(`${name}.${part}`)!, dtype);
  return { weight: await read('weight'), bias: shapes.has(`${name}.bias`) ? await read('bias') : null, adapter: null };
}

/** A new value head that says 0 of every token until it is trained. The caller disposes its tensors. */
export function newValueHead(hiddenSize: number, dtype: DType): LinearWeights {
  return keep({ weight: ops.zeros([1, hiddenSize], dtype), bias: ops.zeros([1], dtype), adapter: null });
}

/** A trunk with a head. */
export interface HeadedDecoder {
  trunk: Decoder;
  head: LinearWeights;
}

/** Reads a checkpoint of a classifier, a reward model or a critic: the trunk and its head. Free it with `disposeHeaded`. */
export async function readHeaded(kind: HeadKind, configJson: Readonly<Record<string, unknown>>, stored: StoredWeights, dtype: DType): Promise<HeadedDecoder> {
  const trunk = await readTrunk(configJson, stored, dtype);
  try {
    return { trunk, head: await readHead(kind, stored, trunk.config.hiddenSize, dtype) };
  } catch (error) {
    disposeDecoder(trunk);
    throw error;
  }
}

/** Frees a trunk and its head. */
export function disposeHeaded({ trunk, head }: HeadedDecoder): void {
  disposeDecoder(trunk);
  head.weight.dispose();
  head.bias?.dispose();
}

/**
 * Scores of whole sequences: the head on the last token that is no padding, as transformers pools.
 *
 * @param rows token ids; all rows go through the network together
 * @returns for each row, one score per label
 */
export async function scoreSequences({ trunk, head }: HeadedDecoder, rows: readonly (readonly number[])[]): Promise<number[][]> {
  const batch = packTrees(rows.map((prompt) => ({ prompt, completions: [] })), trunk.config.contextLength);
  const pooled = batch.trees.map(({ start }, row) => BigInt(start + lastToken(rows[row]!, trunk.config.paddingId)));
  const places = tensor(BigInt64Array.from(pooled), [rows.length]);
  try {
    const hidden = await hiddenStates(trunk, { ...batch, predictors: places }); // [rows, H]
    const scores = scope(() => noGrad(() => multiply(hidden, head).toArray()));
    hidden.dispose();
    const labels = scores.length / rows.length;
    return rows.map((_, row) => Array.from(scores.subarray(row * labels, (row + 1) * labels), Number));
  } finally {
    places.dispose();
    disposeBatch(batch);
  }
}

/** Place of the last token that is no padding; the first where all are. */
function lastToken(ids: readonly number[], paddingId: number | null): number {
  return Math.max(0, ids.findLastIndex((id) => id !== paddingId));
}

/** Value of each token, differentiable: hidden states [M, H] → [M]. Call it inside a scope. */
export function tokenValues(head: LinearWeights, hidden: Tensor): Tensor {
  return ops.squeeze(multiply(hidden, head), -1);
}
