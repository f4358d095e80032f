/** From token losses to one number. n belongs to the optimizer update, never to the micro-batch. */
import { clamp, div, divScalar, sum, sumOver } from '../../tensor/ops.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import type { LossType } from './options.ts';

/** What the sums of a whole optimizer update are divided by, over all its micro-batches and ranks. */
export interface Normaliser {
  /** Rows of the update; rows dropped by `maskTruncatedCompletions` are not among them. */
  rows: number;
  /** Counted tokens of the update. */
  tokens: number;
  /** Counted tokens that the entropy mask keeps; needed for an entropy bonus under an entropy mask. */
  entropyTokens?: number;
  /** Number of micro-batches, for `bnpo` alone; default 1. */
  microBatches?: number;
  /** Counted tokens of the micro-batch, for `bnpo` alone, when a call holds only some of its rows; default those of the call. */
  microBatchTokens?: number;
}

/** What an aggregation may divide by. */
export interface Divisors {
  normaliser: Normaliser;
  /** Counted tokens of each row of this call, at least 1: [B, 1]. */
  counts: Tensor;
  /** Counted tokens of this call: scalar. */
  tokens: Tensor;
  maxCompletionLength: number | null;
}

/** Takes token losses [B, T] that are 0 where a token does not count; gives a scalar. */
export type Aggregate = (losses: Tensor, divisors: Divisors) => Tensor;

/** An update without any row or token has the loss 0, not 0/0. */
const orOne = (count: number): number => (count === 0 ? 1 : count);

/** (1/rows)·Σᵢ (1/|oᵢ|)·Σₜ */
const meanOfRows: Aggregate = (losses, { counts, normaliser }) =>
  divScalar(sum(div(sumOver(losses, [1], true), counts)), orOne(normaliser.rows));

/** Σ/tokens */
const meanOfTokens: Aggregate = (losses, { normaliser }) => divScalar(sum(losses), orOne(normaliser.tokens));

/** The aggregation by `lossType`. */
export const aggregates: Record<LossType, Aggregate> = {
  grpo: meanOfRows,
  sapo: meanOfRows,
  gmpo: meanOfRows,
  dapo: meanOfTokens,
  cispo: meanOfTokens,
  vespo: meanOfTokens,
  /** Token mean of this micro-batch, averaged over micro-batches: the one that depends on the split. */
  bnpo: (losses, { tokens, normaliser: { microBatchTokens, microBatches = 1 } }) => {
    const mean = microBatchTokens === undefined ? div(sum(losses), clamp(tokens, 1, null)) : divScalar(sum(losses), orOne(microBatchTokens));
    return divScalar(mean, microBatches);
  },
  /** Σ/(rows·L): Dr. GRPO, arXiv 2503.20783, without a bias by length. */
  dr_grpo: (losses, { normaliser, maxCompletionLength }) => divScalar(sum(losses), orOne(normaliser.rows) * maxCompletionLength!),
  /** Σ/rows: longer rows weigh more, as LUSPO's length-unbiased sequences ask for. */
  luspo: (losses, { normaliser }) => divScalar(sum(losses), orOne(normaliser.rows)),
};
