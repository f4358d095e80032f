/**
 * What an update reports about its loss. A micro-batch gives sums, counts and extremes; they are merged over the update
 * and divided once, so that no figure is a mean of means.
 */
import { noGrad } from '../../tensor/autograd.ts';
import { abs, amax, amin, full, logicalNot, maskedFill, squeeze, stack, sumOver, to } from '../../tensor/ops.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import { klEstimators } from './kl.ts';
import type { PolicyTerm } from './policy-terms.ts';

/** Figures of one or more micro-batches, by the names of `metrics.jsonl`, before the division. */
export interface LossSums {
  /** Already divided by the update's normaliser, so that parts add up. */
  totals: Record<string, number>;
  means: Record<string, { sum: number; count: number }>;
  /** ±Infinity where nothing counted. */
  minima: Record<string, number>;
  maxima: Record<string, number>;
}

/** What `grpoLoss` hands over for its figures. Every [B, T] tensor is 0 where a token does not count. */
export interface LossParts {
  /** Scalars. */
  loss: Tensor;
  policyLoss: Tensor;
  /** bool [B, T]. */
  counted: Tensor;
  policy: PolicyTerm;
  /** ℓref − ℓθ: [B, T]. */
  toReference: Tensor | null;
  /** [B, T]. */
  entropy: Tensor | null;
  /** Tokens that the entropy mask keeps: bool [B, T]. */
  uncertain: Tensor | null;
  /** As `samplerDifference` gives them, and c: [B, T], [B, 1] or null when nothing is corrected. */
  sampler: { difference: Tensor; unknown: Tensor; ratio: Tensor | null } | null;
}

/** The figures of one call. Reads from the device once. */
export function lossSums(parts: LossParts): LossSums {
  const rows = noGrad(() => readRows({ ...policyColumns(parts), ...valueColumns(parts), ...samplerColumns(parts) }));
  const tokens = rows['tokens']!;
  const counting = tokens.reduce((sum, count) => sum + (count > 0 ? 1 : 0), 0);
  const sums: LossSums = { totals: { loss: parts.loss.item(), policy_loss: parts.policyLoss.item() }, means: {}, minima: {}, maxima: {} };
  const addMean = (name: string, values: Float64Array, counts: Float64Array): void => {
    sums.means[name] = { sum: total(values), count: total(counts) };
  };
  const { kl, entropy, kept, keptEntropy, low, high, capped, phi, difference, known, ratio } = rows;
  if (kl) addMean('kl', kl, tokens);
  if (entropy) addMean('entropy', entropy, tokens);
  if (keptEntropy) addMean('entropy_kept', keptEntropy, kept!);
  if (low && high) {
    addMean('clip_ratio/low_mean', low, tokens);
    addMean('clip_ratio/high_mean', high, tokens);
    addMean('clip_ratio/region_mean', low.map((count, i) => count + high[i]!), tokens);
    sums.minima['clip_ratio/low_min'] = smallest(perToken(low, tokens));
    sums.maxima['clip_ratio/high_max'] = largest(perToken(high, tokens));
  }
  if (capped) addMean('cispo_clip_ratio', capped, tokens);
  if (phi) sums.means['vespo/phi_seq_mean'] = { sum: total(perToken(phi, tokens)), count: counting };
  if (difference) {
    addMean('sampling/sampling_logp_difference/mean', difference, known!);
    sums.maxima['sampling/sampling_logp_difference/max'] = largest(only(rows['largestDifference']!, known!));
  }
  if (ratio) {
    addMean('sampling/importance_sampling_ratio/mean', only(ratio, tokens), only(rows['ratios']!, tokens));
    sums.minima['sampling/importance_sampling_ratio/min'] = smallest(only(rows['smallestRatio']!, tokens));
    sums.maxima['sampling/importance_sampling_ratio/max'] = largest(only(rows['largestRatio']!, tokens));
  }
  return sums;
}

/** The figures of two parts of one update together. */
export function mergeSums(a: LossSums, b: LossSums): LossSums {
  return {
    totals: join(a.totals, b.totals, (x, y) => x + y),
    means: join(a.means, b.means, (x, y) => ({ sum: x.sum + y.sum, count: x.count + y.count })),
    minima: join(a.minima, b.minima, Math.min),
    maxima: join(a.maxima, b.maxima, Math.max),
  };
}

/** Plain numbers under the names of `metrics.jsonl`. A figure over nothing that counts is 0. */
export function metricsOf({ totals, means, minima, maxima }: LossSums): Record<string, number> {
  const metrics: Record<string, number> = { ...totals };
  for (const [name, { sum, count }] of Object.entries(means)) metrics[name] = count === 0 ? 0 : sum / count;
  for (const [name, value] of Object.entries(minima)) metrics[name] = value === Infinity ? 0 : value;
  for (const [name, value] of Object.entries(maxima)) metrics[name] = value === -Infinity ? 0 : value;
  return metrics;
}

/** Per row [B]: counted tokens, and how many of them the policy term treats in a special way. */
function policyColumns({ counted, policy, loss }: LossParts): Record<string, Tensor> {
  const rowSum = rowSums(counted, loss);
  const { clipped, capped, phi } = policy;
  return {
    tokens: rowSum(counted),
    ...(clipped && { low: rowSum(clipped.low), high: rowSum(clipped.high) }),
    ...(capped && { capped: rowSum(capped) }),
    ...(phi && { phi: rowSum(phi) }),
  };
}

/** Per row [B]: sums of the uncorrected k3 and of entropies. */
function valueColumns({ counted, toReference, entropy, uncertain, loss }: LossParts): Record<string, Tensor> {
  const rowSum = rowSums(counted, loss);
  return {
    ...(toReference && { kl: rowSum(klEstimators.k3(toReference)) }),
    ...(entropy && { entropy: rowSum(entropy) }),
    ...(entropy && uncertain && { kept: rowSum(uncertain), keptEntropy: rowSum(maskedFill(entropy, logicalNot(uncertain), 0)) }),
  };
}

/** Per row [B]: sampler against trainer. A sequence ratio is one value of its row, a token ratio as many as tokens. */
function samplerColumns({ counted, sampler, loss }: LossParts): Record<string, Tensor> {
  if (!sampler) return {};
  const rowSum = rowSums(counted, loss);
  const size = abs(sampler.difference);
  const columns = { difference: rowSum(size), largestDifference: amax(size, [1]), known: rowSum(logicalNot(sampler.unknown)) };
  const { ratio } = sampler;
  if (!ratio) return columns;
  if (ratio.size(1) === 1) {
    const ofRow = squeeze(ratio, 1); // [B]
    return { ...columns, ratio: ofRow, smallestRatio: ofRow, largestRatio: ofRow, ratios: full(ofRow.shape, 1, ofRow.dtype, ofRow.device) };
  }
  const ignored = logicalNot(counted);
  return {
    ...columns,
    ratio: rowSum(ratio),
    smallestRatio: amin(maskedFill(ratio, ignored, Infinity), [1]),
    largestRatio: amax(maskedFill(ratio, ignored, -Infinity), [1]),
    ratios: rowSum(counted),
  };
}

/** Sums over the counted tokens of each row, in the dtype of the loss: [B, T] → [B]. */
function rowSums(counted: Tensor, { dtype }: Tensor): (x: Tensor) => Tensor {
  const ignored = logicalNot(counted);
  return (x) => sumOver(to(maskedFill(x, ignored, 0), dtype), [1]);
}

/** Reads columns of [B] in one transfer. */
function readRows(columns: Record<string, Tensor>): Partial<Record<string, Float64Array>> {
  const names = Object.keys(columns);
  const flat = Float64Array.from(stack(Object.values(columns), 0).toArray(), Number);
  const size = flat.length / names.length;
  return Object.fromEntries(names.map((name, i) => [name, flat.subarray(i * size, (i + 1) * size)]));
}

/** Values of the rows where something counts. */
function only(values: Float64Array, counts: Float64Array): Float64Array {
  return values.filter((_, row) => counts[row]! > 0);
}

/** value/count of the rows where something counts. */
function perToken(values: Float64Array, counts: Float64Array): Float64Array {
  return only(values.map((value, row) => value / counts[row]!), counts);
}

function total(values: Float64Array): number {
  return values.reduce((sum, value) => sum + value, 0);
}

function smallest(values: Float64Array): number {
  return values.reduce((least, value) => Math.min(least, value), Infinity);
}

function largest(values: Float64Array): number {
  return values.reduce((most, value) => Math.max(most, value), -Infinity);
}

function join<T>(a: Record<string, T>, b: Record<string, T>, both: (x: T, y: T) => T): Record<string, T> {
  const joined = { ...a };
  for (const [name, value] of Object.entries(b)) joined[name] = name in a ? both(a[name]!, value) : value;
  return joined;
}
