/** From logits to the next token: penalties, truncation, and a draw by inverse CDF with our own uniform numbers. */
import { NonFiniteError } from '../errors.ts';
import { entropyOf, temperedLogprobs, temperedLogprobs_ } from '../model/token-logprobs.ts';
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

/**
 * Draws one token per row from logits [n, V], whose memory it may write over. Runs inside the caller's scope.
 *
 * @throws NonFiniteError where logits are not numbers
 */
export function draw(logits: Tensor, rows: readonly RowDraw[], sampling: Sampling, { recordEntropy = false }: { recordEntropy?: boolean } = {}): Draws {
  const greedy = sampling.temperature === 0;
  const temperature = greedy ? 1 : sampling.temperature;
  // A penalty goes back to the logits.
  const full = (sampling.repetitionPenalty === 1 ? temperedLogprobs_ : temperedLogprobs)(logits, temperature); // [n, V]
  const drawn = (greedy || isShaped(sampling) ? null : drawUnshaped(full, rows)) ?? drawShaped(logits, full, rows, sampling);
  // One such logit makes the whole row so.
  if (drawn.logprobs.some(Number.isNaN)) {
    throw new NonFiniteError(
      'Expected the network to give finite logits for the next token, got NaN; its weights or what it computes from them is no longer finite: ' +
        'go back to a checkpoint from before that with a lower learning rate, or compute in another `dtype`.',
    );
  }
  return { ...drawn, entropies: recordEntropy ? (entropyOf(full).toArray() as Float32Array) : null };
}

/** Whether anything but suppressed ids stands between the full distribution and the one that is drawn from. */
function isShaped({ topK, topP, minP, repetitionPenalty }: Sampling): boolean {
  return topK > 0 || topP < 1 || (minP !== null && minP > 0) || repetitionPenalty !== 1;
}

type Drawn = Omit<Draws, 'entropies'>;

/** Share of the probability that must be left beside suppressed ids, for it to be known to six digits. */
const leastShare = 1e-20;

/**
 * Draws from the full distribution without the suppressed ids, whose probabilities are 0 meanwhile: a pass over the
 * vocabulary less than by renormalised log-probabilities. Null when a row has next to nothing left.
 */
function drawUnshaped(full: Tensor, rows: readonly RowDraw[]): Drawn | null {
  const barred = suppressedColumns(rows, full.size(1));
  const kept = barred && ops.gather(full, 1, barred.columns);
  if (barred) ops.scatter_(full, 1, barred.columns, ops.maskedFill(kept!, barred.marks, -Infinity));
  const { picked, totals } = inverseCdf(full, uniformsOf(rows));
  if (barred) ops.scatter_(full, 1, barred.columns, kept!);
  const left = barred ? totals.toArray() : [];
  if (left.some((total: number | bigint) => Number(total) < leastShare)) return null;
  const logprobs = ops.gather(full, 1, ops.unsqueeze(picked, 1)).toArray() as Float32Array;
  const ids = Array.from(picked.toArray(), Number);
  if (!barred) return { ids, logprobs, samplerLogprobs: logprobs };
  return { ids, logprobs, samplerLogprobs: logprobs.map((logprob, r) => (rows[r]!.suppressed.length > 0 ? logprob - Math.log(Number(left[r])) : logprob)) };
}

function drawShaped(logits: Tensor, full: Tensor, rows: readonly RowDraw[], sampling: Sampling): Drawn {
  const shaped = shape(logits, full, rows, sampling);
  const picked = sampling.temperature === 0 ? ops.argmax(shaped, -1) : inverseCdf(shaped, uniformsOf(rows)).picked;
  const column = ops.unsqueeze(picked, 1);
  const logprobs = ops.gather(full, 1, column).toArray() as Float32Array;
  return {
    ids: Array.from(picked.toArray(), Number),
    logprobs,
    samplerLogprobs: shaped === full ? logprobs : (ops.gather(shaped, 1, column).toArray() as Float32Array),
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

/** −∞ at the suppressed ids of each row. */
function suppress(scores: Tensor, rows: readonly RowDraw[]): Tensor {
  const barred = suppressedColumns(rows, scores.size(1));
  if (!barred) return scores;
  return ops.scatter(scores, 1, barred.columns, ops.maskedFill(ops.gather(scores, 1, barred.columns), barred.marks, -Infinity));
}

/**
 * The k ids that any row suppresses, as columns [n, k], and marks [n, k] of the rows that do; null without any. Only those
 * few columns are touched: a mask over [n, V] costs as much as sampling.
 */
function suppressedColumns(rows: readonly RowDraw[], vocabulary: number): { columns: Tensor; marks: Tensor } | null {
  const ids = [...new Set(rows.flatMap((row) => row.suppressed))].filter((id) => id < vocabulary);
  if (ids.length === 0) return null;
  const size = [rows.length, ids.length];
  const place = new Map(ids.map((id, i) => [id, i]));
  const marks = new Uint8Array(rows.length * ids.length);
  rows.forEach((row, r) => {
    for (const id of row.suppressed) if (place.has(id)) marks[r * ids.length + place.get(id)!] = 1;
  });
  return { columns: ops.expand(tensor(ids, [1, ids.length], 'int64'), size), marks: tensor(marks, size, 'bool') };
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

function uniformsOf(rows: readonly RowDraw[]): Tensor {
  return tensor(Float32Array.from(rows, (row) => row.uniform), [rows.length]);
}

/**
 * First token at which the cumulated probability exceeds u·total: never one of probability 0.
 *
 * @param logprobs [n, V]
 * @param uniforms in [0, 1), float32 [n]
 * @returns int64 [n], and the totals [n]
 */
export function inverseCdf(logprobs: Tensor, uniforms: Tensor): { picked: Tensor; totals: Tensor } {
  if (ops.isFused(logprobs)) {
    const [picked, totals] = ops.rowDraw(logprobs, uniforms);
    return { picked, totals };
  }
  const cumulated = ops.cumsum(ops.exp(logprobs), -1);
  const totals = ops.narrow(cumulated, 1, cumulated.size(1) - 1, 1); // [n, 1]
  // u is at most 1 − 2⁻²⁴, and that times total rounds to the float below total: never behind the last token.
  return { picked: ops.squeeze(ops.searchsorted(cumulated, ops.mul(ops.unsqueeze(ops.to(uniforms, logprobs.dtype), 1), totals)), 1), totals: ops.squeeze(totals, 1) };
}
