/** The policy term of each `lossType`: what a token adds to the loss before masks, KL and aggregation. */
import { add, addScalar, clamp, detach, div, exp, full, greater, less, log, logicalAnd, logicalNot, maximum, minimum, mul, mulScalar, neg, sigmoid, sub, sumOver, to, where } from '../../tensor/ops.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import type { LossType, ResolvedLossOptions } from './options.ts';

/** What a policy term is made of. Every [B, T] tensor is 0 where a token does not count. */
export interface PolicyInputs {
  /** ℓθ: [B, T]. */
  logprobs: Tensor;
  /** ℓθ − ℓold: [B, T]. */
  logRatio: Tensor;
  /** ρ: [B, T], or [B, 1] for sequence ratios. */
  ratio: Tensor;
  /** Â: [B, T]. */
  advantages: Tensor;
  /** bool [B, T]. */
  counted: Tensor;
  /** Counted tokens of each row, at least 1: [B, 1]. */
  counts: Tensor;
  /** Tokens that the entropy mask keeps: bool [B, T]; null = all that count. */
  uncertain: Tensor | null;
  /** c of the sampler correction: [B, T] or [B, 1]; null = none. */
  samplerRatio: Tensor | null;
}

/** What a policy term gives. */
export interface PolicyTerm {
  /** −s: [B, T]. */
  term: Tensor;
  /** True where the term already holds the entropy mask, the sampler correction, or asks for the KL without the ratio. */
  holdsEntropyMask?: boolean;
  holdsSamplerRatio?: boolean;
  plainKl?: boolean;
  /** Where the clip binds, bool [B, T]: below with Â < 0, above with Â > 0. */
  clipped?: { low: Tensor; high: Tensor };
  /** Where CISPO's cap binds with Â > 0: bool [B, T]. */
  capped?: Tensor;
  /** VESPO's weight φ: [B, T]. */
  phi?: Tensor;
}

type Policy = (inputs: PolicyInputs, options: ResolvedLossOptions) => PolicyTerm;

/** −min( min(ρ, δ)·Â, clip(ρ, 1−ε_low, 1+ε_high)·Â ): PPO's clip with DAPO's upper range and a second bound δ. */
const clippedTerm: Policy = ({ ratio, advantages }, { epsilon, epsilonHigh, delta }) => {
  const bounded = delta === null ? ratio : clamp(ratio, null, delta);
  const clip = clamp(ratio, 1 - epsilon, 1 + epsilonHigh);
  return {
    term: neg(minimum(mul(bounded, advantages), mul(clip, advantages))),
    clipped: {
      low: logicalAnd(less(ratio, 1 - epsilon), less(advantages, 0)),
      high: logicalAnd(greater(ratio, 1 + epsilonHigh), greater(advantages, 0)),
    },
  };
};

/** −sg[min(ρ, cap)]·Â·ℓθ: every token keeps a gradient, only its weight is capped (MiniMax-M1, arXiv 2506.13585). */
const cispo: Policy = ({ ratio, advantages, logprobs }, { cispoCap }) => ({
  term: neg(mul(mul(detach(clamp(ratio, null, cispoCap)), advantages), logprobs)),
  capped: logicalAnd(greater(ratio, cispoCap), greater(advantages, 0)),
});

/** −Â·(4/τ)·sigmoid(τ(ρ−1)): a soft gate in place of the clip (arXiv 2511.20347). */
const sapo: Policy = ({ ratio, advantages }, { sapoTemperaturePos, sapoTemperatureNeg }) => {
  const temperature = choose(greater(advantages, 0), sapoTemperaturePos, sapoTemperatureNeg, advantages); // [B, T]
  const gate = div(mulScalar(sigmoid(mul(temperature, addScalar(ratio, -1))), 4), temperature);
  return { term: neg(mul(gate, advantages)) };
};

/** Bounds of VESPO's log-weights. */
const LOG_WEIGHT_MIN = Math.log(1e-8);
const LOG_WEIGHT_MAX = 20;

/**
 * −sg[φ]·Â·ℓθ with φ = exp(λ + k·log w − λ·w), w the ratio of the whole row, sampler correction included. φ(1) = 1.
 */
const vespo: Policy = (inputs, { vespoKPos, vespoKNeg, vespoLambdaPos, vespoLambdaNeg }) => {
  const { advantages, logprobs } = inputs;
  const logWeight = vespoLogWeight(inputs); // [B, 1]
  const positive = logicalNot(less(advantages, 0)); // [B, T]
  const k = choose(positive, vespoKPos, vespoKNeg, advantages);
  const lambda = choose(positive, Math.max(vespoLambdaPos, 1e-4), Math.max(vespoLambdaNeg, 1e-4), advantages);
  const logPhi = sub(add(lambda, mul(k, logWeight)), mul(lambda, exp(logWeight)));
  const raw = exp(logPhi);
  const phi = where(less(raw, Infinity), raw, full([], 0, raw.dtype, raw.device)); // NaN is not below ∞ either
  return { term: neg(mul(mul(phi, advantages), logprobs)), phi, holdsSamplerRatio: true };
};

/** log w of each row, without gradient: [B, 1]. */
function vespoLogWeight({ logRatio, counted, samplerRatio }: PolicyInputs): Tensor {
  const ofPolicy = sumOver(clamp(detach(logRatio), -20, 20), [1], true);
  if (!samplerRatio) return clamp(ofPolicy, LOG_WEIGHT_MIN, LOG_WEIGHT_MAX);
  const logCorrection = clamp(log(samplerRatio), LOG_WEIGHT_MIN, LOG_WEIGHT_MAX);
  const perRow = samplerRatio.size(1) === 1 && counted.size(1) !== 1;
  const ofSampler = perRow ? logCorrection : sumOver(mul(logCorrection, to(counted, logCorrection.dtype)), [1], true);
  return clamp(add(ofPolicy, ofSampler), LOG_WEIGHT_MIN, LOG_WEIGHT_MAX);
}

/**
 * −exp(mean of d)·Â with d = ℓθ − ℓold clipped on the side that Â's sign makes harmful: the geometric mean of the
 * row's ratios (arXiv 2507.20673). The mean is over the tokens that the entropy mask keeps.
 */
const gmpo: Policy = ({ logRatio, advantages, counted, counts, uncertain }, { epsilon, epsilonHigh }) => {
  const clip = clamp(logRatio, -epsilon, epsilonHigh);
  const oneSided = where(greater(advantages, 0), minimum(logRatio, clip), maximum(logRatio, clip)); // [B, T]
  const kept = to(uncertain ?? counted, logRatio.dtype);
  const keptCounts = uncertain ? clamp(sumOver(kept, [1], true), 1, null) : counts;
  const ratio = exp(div(sumOver(mul(oneSided, kept), [1], true), keptCounts)); // [B, 1]
  return {
    term: neg(mul(ratio, advantages)),
    holdsEntropyMask: true,
    plainKl: true,
    clipped: {
      low: logicalAnd(less(logRatio, -epsilon), less(advantages, 0)),
      high: logicalAnd(greater(logRatio, epsilonHigh), greater(advantages, 0)),
    },
  };
};

/** The policy term by `lossType`; GSPO is `grpo` with sequence ratios. */
export const policyTerms: Record<LossType, Policy> = {
  grpo: clippedTerm,
  dapo: clippedTerm,
  bnpo: clippedTerm,
  dr_grpo: clippedTerm,
  luspo: clippedTerm,
  cispo,
  sapo,
  vespo,
  gmpo,
};

/** `a` where the condition holds, else `b`; dtype and device of `like`. */
function choose(condition: Tensor, a: number, b: number, like: Tensor): Tensor {
  return where(condition, full([], a, like.dtype, like.device), full([], b, like.dtype, like.device));
}
