/**
 * The loss of GRPO and its relatives over one micro-batch, from log-probabilities to a scalar with its graph.
 *
 * Axes: B rows (completions), T tokens of the longest completion.
 */
import { expected } from '../../errors.ts';
import { scope } from '../../tensor/scope.ts';
import { add, clamp, detach, divScalar, expand, logicalNot, maskedFill, mul, notEqual, sub, sum, sumOver, to, unsqueeze } from '../../tensor/ops.ts';
import type { DType, Tensor } from '../../tensor/tensor.ts';
import { aggregates } from './aggregate.ts';
import type { Normaliser } from './aggregate.ts';
import { checkBatch } from './check-batch.ts';
import type { LossBatch } from './check-batch.ts';
import { klEstimators } from './kl.ts';
import { entropyThresholdOf, offPolicyTokens, uncertainTokens } from './masks.ts';
import { lossSums, metricsOf } from './metrics.ts';
import type { LossSums } from './metrics.ts';
import { resolveLossOptions } from './options.ts';
import type { LossOptions, ResolvedLossOptions } from './options.ts';
import { policyTerms } from './policy-terms.ts';
import { ratios } from './ratio.ts';
import { samplerDifference, samplerRatio } from './sampler-correction.ts';

/** What `grpoLoss` gives. */
export interface LossResult {
  /** Scalar with its graph; float32 for bfloat16 and float16 log-probabilities. The caller's, or the open scope's. */
  loss: Tensor;
  /** Figures of this call under the names of `metrics.jsonl`. */
  metrics: Record<string, number>;
  /** What the metrics were divided from: merge these over an update with `mergeSums`, then `metricsOf`. */
  sums: LossSums;
}

/**
 * The loss of one micro-batch: policy term −s, plus β·KL, minus the entropy bonus, aggregated as `lossType` says.
 *
 * @throws InputError when a shape, a dtype, an option or a missing tensor makes it impossible
 */
export function grpoLoss(batch: LossBatch, options: LossOptions = {}): LossResult {
  const settings = resolveLossOptions(options);
  checkBatch(batch, settings);
  return scope(() => {
    const values = countedValues(batch);
    const { logprobs, oldLogprobs, refLogprobs, advantages, entropy, counted, counts } = values;
    const logRatio = sub(logprobs, oldLogprobs); // [B, T]
    const ratio = ratios[settings.importanceSampling](logRatio, counts); // [B, T] or [B, 1]
    const uncertain = settings.topEntropyQuantile < 1 ? uncertainTokens(entropy!, counted, thresholdOf(batch, values, settings)) : null;
    const sampler = samplerValues(values, settings);

    const policy = policyTerms[settings.lossType]({ logprobs, logRatio, ratio, advantages, counted, counts, uncertain, samplerRatio: sampler?.ratio ?? null }, settings);
    let { term } = policy; // [B, T]
    if (settings.offPolicyMaskThreshold !== null) {
      term = maskedFill(term, offPolicyTokens(detach(logRatio), counts, advantages, settings.offPolicyMaskThreshold), 0);
    }
    if (uncertain && !policy.holdsEntropyMask) term = maskedFill(term, logicalNot(uncertain), 0);
    if (sampler?.ratio && !policy.holdsSamplerRatio) term = mul(term, sampler.ratio);

    const ignored = logicalNot(counted);
    const tokens = sum(values.weights);
    const aggregate = (losses: Tensor): Tensor =>
      aggregates[settings.lossType](maskedFill(losses, ignored, 0), { normaliser: batch.normaliser, counts, tokens, maxCompletionLength: settings.maxCompletionLength });

    const policyLoss = aggregate(term);
    let loss = policyLoss;
    const toReference = refLogprobs ? sub(refLogprobs, logprobs) : null; // [B, T]
    if (toReference && settings.beta !== 0 && settings.klPlacement === 'loss') {
      const kl = klEstimators[settings.klEstimator](toReference);
      loss = add(loss, aggregate(settings.klCorrection && !policy.plainKl ? mul(kl, ratio) : kl), settings.beta);
    }
    if (settings.entropyCoef !== 0) loss = add(loss, meanEntropy(values, uncertain, batch.normaliser), -settings.entropyCoef);

    const sums = lossSums({ loss, policyLoss, counted, policy, toReference, entropy, uncertain, sampler });
    return { loss, metrics: metricsOf(sums), sums };
  });
}

/** The batch in one dtype, with 0 wherever a token does not count, so that nothing there reaches a number or a gradient. */
interface CountedValues {
  /** [B, T] each. */
  logprobs: Tensor;
  oldLogprobs: Tensor;
  refLogprobs: Tensor | null;
  samplerLogprobs: Tensor | null;
  entropy: Tensor | null;
  advantages: Tensor;
  /** bool, and the same as 0 and 1: [B, T]. */
  counted: Tensor;
  weights: Tensor;
  /** Counted tokens of each row, at least 1: [B, 1]. */
  counts: Tensor;
}

function countedValues(batch: LossBatch): CountedValues {
  const { shape } = batch.logprobs;
  // Half precision has too few digits for exp and for sums.
  const dtype: DType = batch.logprobs.dtype === 'float64' ? 'float64' : 'float32';
  const counted = notEqual(batch.mask, 0);
  const ignored = logicalNot(counted);
  const clean = (x: Tensor): Tensor => maskedFill(to(x, dtype), ignored, 0);
  const constant = (x: Tensor | null | undefined): Tensor | null => (x ? clean(detach(x)) : null);
  const weights = to(counted, dtype);
  const logprobs = clean(batch.logprobs);
  return {
    logprobs,
    oldLogprobs: constant(batch.oldLogprobs) ?? detach(logprobs),
    refLogprobs: constant(batch.refLogprobs),
    samplerLogprobs: constant(batch.samplerLogprobs),
    entropy: batch.entropy ? clean(batch.entropy) : null,
    advantages: clean(expand(batch.advantages.shape.length === 1 ? unsqueeze(detach(batch.advantages), 1) : detach(batch.advantages), shape)),
    counted,
    weights,
    counts: clamp(sumOver(weights, [1], true), 1, null),
  };
}

/** The entropy threshold that was given, or that of this batch. */
function thresholdOf(batch: LossBatch, { entropy, counted }: CountedValues, { topEntropyQuantile }: ResolvedLossOptions): number {
  if (batch.entropyThreshold != null) return batch.entropyThreshold;
  const isCounted = counted.toArray();
  return entropyThresholdOf(Float64Array.from(entropy!.toArray(), Number).filter((_, i) => isCounted[i] === 1), topEntropyQuantile);
}

/** Sampler against trainer: the difference when the sampler's log-probabilities are there, c when they are corrected for. */
function samplerValues(
  { oldLogprobs, samplerLogprobs }: CountedValues,
  { samplerCorrection }: ResolvedLossOptions,
): { difference: Tensor; unknown: Tensor; ratio: Tensor | null } | null {
  if (!samplerLogprobs) return null;
  const { difference, unknown } = samplerDifference(oldLogprobs, samplerLogprobs);
  return { difference, unknown, ratio: samplerCorrection ? samplerRatio(difference, samplerCorrection) : null };
}

/** H̄: this batch's share of the mean entropy over the update's counted tokens, or over those the entropy mask keeps. */
function meanEntropy({ entropy, weights }: CountedValues, uncertain: Tensor | null, normaliser: Normaliser): Tensor {
  if (!uncertain) return divScalar(sum(entropy!), normaliser.tokens || 1);
  const kept = sum(mul(entropy!, to(uncertain, weights.dtype)));
  return divScalar(kept, keptTokens(uncertain, weights, normaliser) || 1);
}

/** Tokens of the update that the entropy mask keeps; only a call that is the whole update can count them itself. */
function keptTokens(uncertain: Tensor, weights: Tensor, { tokens, entropyTokens }: Normaliser): number {
  if (entropyTokens !== undefined) return entropyTokens;
  const here = Number(sum(weights).item());
  if (here !== tokens) {
    throw expected('normaliser.entropyTokens', 'to be a count of the whole update, since this batch is a part of it', entropyTokens, 'count the tokens whose entropy is at or above `entropyThreshold`');
  }
  return sum(to(uncertain, weights.dtype)).item();
}
