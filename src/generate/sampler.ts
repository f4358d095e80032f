/** From logits to the next token: penalties, truncation, and a draw by inverse CDF with our own uniform numbers. */
import { entropyOf, temperedLogprobs } from '../model/token-logprobs.ts';
import * as ops from '../tensor/ops.ts';
import { tensor } from '../tensor/tensor.ts';
import type { Tensor } from '../tensor/tensor.ts';

/** How the next token is drawn. */
export interface Sampling {
  /** 0 takes the most probable token. */
  temperature: number;
  /** Smallest set of tokens whose probability reaches this; 1 = off. */
  topP: number;
  /** Number of most probable tokens; 0 = off. */
  topK: number;
  /** Share of the top probability below which a token is dropped; null = off. */
  minP: number | null;
  /** Divides positive and multiplies negative logits of tokens already seen (Keskar et al. 2019); 1 = off. */
  repetitionPenalty: number;
}

/** What the sampler must know of one row. */
export interface RowDraw {
  /** Uniform in [0, 1). */
  uniform: number;
  /** Prompt and completion so far, for the repetition penalty. */
  seen: () => readonly number[];
  /** Ids that may not be drawn now (stop ids before `minNewTokens`). */
  suppressed: readonly number[];
}

/** The drawn tokens with their log-probabilities. */
export interface Draws {
  ids: number[];
  /** Under the full distribution at this temperature (at 1 when greedy). */
  logprobs: Float32Array;
  /** Under the distribution that was drawn from; the same array when nothing was cut off. */
  samplerLogprobs: Float32Array;
  /** Entropy of the full distribution, in nats; null when it was not asked for. */
  entropies: Float32Array | null;
}

/** Draws one token per row from logits [n, V]. Runs inside the caller's scope. */
export function draw(logits: Tensor, rows: readonly RowDraw[], sampling: Sampling, wanted: { recordEntropy?: boolean } = {}): Draws {
  // Rows with suppressed ids need two more passes over the vocabulary; the others shall not wait for them.
  const [barred, free] = [true, false].map((suppresses) => rows.flatMap((row, r) => (row.suppressed.length > 0 === suppresses ? [r] : []))) as [number[], number[]];
  if (barred.length === 0 || free.length === 0) return drawAlike(logits, rows, sampling, wanted);
  const places = [...barred, ...free];
  const parts = [barred, free].map((part) => {
    const index = tensor(part, [part.length], 'int64');
    return drawAlike(ops.indexSelect(logits, 0, index), part.map((r) => rows[r]!), sampling, wanted);
  });
  return inPlaces(parts, places);
}

/** Joins draws of some rows and of the others; places[i] is the row of the i-th. */
function inPlaces(parts: readonly Draws[], places: readonly number[]): Draws {
  const joined = (pick: (draws: Draws) => ArrayLike<number>): Float32Array => {
    const values = new Float32Array(places.length);
    parts.flatMap((part) => Array.from(pick(part))).forEach((value, i) => (values[places[i]!] = value));
    return values;
  };
  const ids: number[] = [];
  parts.flatMap((part) => part.ids).forEach((id, i) => (ids[places[i]!] = id));
  return {
    ids,
    logprobs: joined((part) => part.logprobs),
    samplerLogprobs: joined((part) => part.samplerLogprobs),
    entropies: parts[0]!.entropies && joined((part) => part.entropies!),
  };
}

/** Draws for rows that all have suppressed ids, or none of which has. */
function drawAlike(logits: Tensor, rows: readonly RowDraw[], sampling: Sampling, { recordEntropy = false }: { recordEntropy?: boolean }): Draws {
  const greedy = sampling.temperature === 0;
  const full = temperedLogprobs(logits, greedy ? 1 : sampling.temperature); // [n, V]
  const shaped = shape(logits, full, rows, sampling);
  const picked = greedy ? ops.argmax(shaped, -1) : inverseCdf(shaped, rows);
  const column = ops.unsqueeze(picked, 1);
  const logprobs = ops.gather(full, 1, column).toArray() as Float32Array;
  return {
    ids: Array.from(picked.toArray(), Number),
    logprobs,
    samplerLogprobs: shaped === full ? logprobs : (ops.gather(shaped, 1, column).toArray() as Float32Array),
    entropies: recordEntropy ? (entropyOf(full).toArray() as Float32Array) : null,
  };
}

/** Log-probabilities after penalty, suppression and truncation, in the order of Hugging Face's processors; renormalised. */
function shape(logits: Tensor, full: Tensor, rows: readonly RowDraw[], sampling: Sampling): Tensor {
  const { temperature, topK, topP, minP, repetitionPenalty } = sampling;
  let scores: Tensor | null = null;
  if (repetitionPenalty !== 1) {
    scores = penalise(ops.to(logits, 'float32'), rows, repetitionPenalty);
    if (temperature > 0) scores = ops.divScalar(scores, temperature);
  }
  if (rows.some((row) => row.suppressed.length > 0)) scores = suppress(scores ?? full, rows);
  if (temperature > 0) {
    if (topK > 0 && topK < full.size(1)) scores = keepTopK(scores ?? full, topK);
    if (topP < 1) scores = keepTopP(scores ?? full, topP);
    if (minP !== null && minP > 0) scores = keepMinP(scores ?? full, minP);
  }
  return scores ? ops.logSoftmax(scores, -1) : full;
}

function penalise(logits: Tensor, rows: readonly RowDraw[], penalty: number): Tensor {
  const vocabulary = logits.size(1);
  const marks = new Uint8Array(rows.length * vocabulary);
  rows.forEach((row, r) => {
    for (const id of row.seen()) marks[r * vocabulary + id] = 1;
  });
  const seen = tensor(marks, [rows.length, vocabulary], 'bool');
  const penalised = ops.where(ops.greater(logits, 0), ops.divScalar(logits, penalty), ops.mulScalar(logits, penalty));
  return ops.where(seen, penalised, logits);
}

/** −∞ at the suppressed ids of each row. Only those few columns are touched: a mask over [n, V] costs as much as sampling. */
function suppress(scores: Tensor, rows: readonly RowDraw[]): Tensor {
  const vocabulary = scores.size(1);
  const ids = [...new Set(rows.flatMap((row) => row.suppressed))].filter((id) => id < vocabulary);
  if (ids.length === 0) return scores;
  const size = [rows.length, ids.length];
  const columns = ops.expand(tensor(ids, [1, ids.length], 'int64'), size); // [n, k]
  const place = new Map(ids.map((id, i) => [id, i]));
  const marks = new Uint8Array(rows.length * ids.length);
  rows.forEach((row, r) => {
    for (const id of row.suppressed) if (place.has(id)) marks[r * ids.length + place.get(id)!] = 1;
  });
  return ops.scatter(scores, 1, columns, ops.maskedFill(ops.gather(scores, 1, columns), tensor(marks, size, 'bool'), -Infinity));
}

function keepTopK(scores: Tensor, k: number): Tensor {
  const [sorted] = ops.sort(scores, -1, true);
  const threshold = ops.narrow(sorted, 1, k - 1, 1);
  return ops.maskedFill(scores, ops.lessTensor(scores, threshold), -Infinity);
}

/** Drops every token before which, going down by probability, the sum has already reached p. */
function keepTopP(scores: Tensor, p: number): Tensor {
  const [sorted, order] = ops.sort(scores, -1, true);
  const probabilities = ops.softmax(sorted, -1);
  const before = ops.sub(ops.cumsum(probabilities, -1), probabilities);
  const dropped = ops.logicalNot(ops.less(before, p));
  const marks = ops.zeros(scores.shape, 'bool');
  return ops.maskedFill(scores, ops.scatter(marks, 1, order, dropped), -Infinity);
}

function keepMinP(scores: Tensor, share: number): Tensor {
  const threshold = ops.addScalar(ops.amax(scores, [-1], true), Math.log(share));
  return ops.maskedFill(scores, ops.lessTensor(scores, threshold), -Infinity);
}

/** First token at which the cumulated probability exceeds u·total: never one of probability 0. [n, V] → int64 [n] */
function inverseCdf(logprobs: Tensor, rows: readonly RowDraw[]): Tensor {
  const cumulated = ops.cumsum(ops.exp(logprobs), -1);
  const total = ops.narrow(cumulated, 1, cumulated.size(1) - 1, 1); // [n, 1]
  const uniforms = tensor(Float32Array.from(rows, (row) => row.uniform), [rows.length, 1]);
  // u is at most 1 − 2⁻²⁴, and that times total rounds to the float below total: never behind the last token.
  return ops.squeeze(ops.searchsorted(cumulated, ops.mul(uniforms, total)), 1);
}
