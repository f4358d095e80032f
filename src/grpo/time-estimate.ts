/**
 * The time of a step by part: arithmetic at a share of the machine's peak, what decoding reads, and what calls cost however
 * small the network is. The shares are fitted to measured steps by `node --import tsx bench/fit-estimate.ts`, which prints them.
 */
import type { DecoderConfig } from '../model/decoder-config.ts';
import { adapterFlops, adapterWeights, layerWeights, referenceFlops, rolloutFlops, updateFlops } from '../training/flops.ts';
import type { Roof, StepShape } from '../training/flops.ts';
import { largestMicroBatch } from './memory-estimate.ts';
import type { Plan } from './plan.ts';

/** What the time of a step depends on besides the plan and the machine. */
export interface TimedStep {
  config: DecoderConfig;
  /** Of one update, with completions as long as they are taken to be. */
  step: StepShape;
  /** Completions of a round of generation, which serves `updates` updates. */
  completions: number;
  updates: number;
  /** Rank of an adapter on all linear maps that weighs as much as the one that is trained; 0 without one. */
  rank: number;
  /** Elements that are trained. */
  trained: number;
  /** Passes of a frozen network over a round: for β, and for log-probabilities before the first of several updates. */
  scorings: number;
}

/** Seconds of a step by part; the round's parts are shared out among its updates. */
export interface StepSeconds {
  rollout: number;
  /** Log-probabilities of whole rounds: the reference's, and ℓold where an update is not the only one of its round. */
  scoring: number;
  update: number;
}

/** What is fitted. */
export interface TimeShares {
  /** Of the peak of a matrix product, for forward passes over many tokens. */
  forward: number;
  /** The same for the whole way of training, forwards and back. */
  training: number;
  /** The same for the thin products of an adapter. */
  thin: number;
  /** The same while decoding, beside reading the weights. */
  decoding: number;
  /** Of the rate of memory, for weights and cache while decoding. */
  reading: number;
  /** Hidden size at which products over many tokens reach half of their share. */
  halfWidth: number;
  /** Seconds of a layer in a decode step. */
  decodeCall: number;
}

/** Fitted to the records of bench/results and the tables of bench/scaling.md. */
export const fitted: TimeShares = { forward: 0.952, training: 0.833, thin: 0.055, decoding: 0.999, reading: 1, halfWidth: 0, decodeCall: 1.62e-4 };

/** Seconds that drawing a token takes for each entry of the vocabulary: 45 ms for 32 × 64 tokens over 49,152 (docs/experiments.md). */
const DRAWING = 4.5e-10;
/** Times that AdamW reads or writes a trained number of 4 bytes in a step, and that packing for decoding does a weight. */
const [OPTIMIZER_PASSES, PACKING_PASSES] = [7, 4];

/** Time of decoding with the weights as they are, relative to copies in its own order: 1.3 ms beside 0.8 for 16 rows (docs/experiments.md). */
export const plainDecodingCost = 1.6;

/** Seconds of one step. */
export function stepSeconds(run: TimedStep, plan: Plan, roof: Roof, shares: TimeShares = fitted): StepSeconds {
  return {
    rollout: rolloutSeconds(run, plan, roof, shares) / run.updates,
    scoring: (run.scorings * scoringSeconds(run, plan, roof, shares)) / run.updates,
    update: updateSeconds(run, plan, roof, shares),
  };
}

function rolloutSeconds({ config, step, completions, rank }: TimedStep, { slots, decodingCopies }: Plan, { gemmGflops, memoryGbs }: Roof, shares: TimeShares): number {
  const { layers, keyValueHeads, headDim, hiddenSize, vocabSize } = config;
  const { generations, promptTokens, newTokens } = step;
  const shape = { ...step, prompts: completions / generations };
  const method = { rank, reference: false };
  const prefill = rolloutFlops(config, { ...shape, newTokens: 1 }, method);
  const decoded = rolloutFlops(config, shape, method) - prefill;
  const live = Math.min(slots, completions);
  const steps = Math.ceil(completions / live) * (newTokens - 1);
  const weights = layers * (layerWeights(config) + adapterWeights(config, rank)) + hiddenSize * vocabSize;
  const cached = 2 * layers * keyValueHeads * headDim * live * (promptTokens / generations + newTokens / 2);
  const read = (4 * steps * (weights + cached)) / (memoryGbs * 1e9 * shares.reading);
  const decoding = (decoded / (gemmGflops * 1e9 * shares.decoding) + read) * (decodingCopies ? 1 : plainDecodingCost);
  const packing = decodingCopies ? (4 * PACKING_PASSES * weights) / (memoryGbs * 1e9 * shares.reading) : 0;
  const drawn = completions * newTokens * vocabSize * DRAWING;
  return prefill / rateOf(config, gemmGflops, shares.forward, shares) + decoding + packing + steps * layers * shares.decodeCall + drawn;
}

/** A forward pass over the completions of a round. */
function scoringSeconds({ config, step, completions }: TimedStep, { limit }: Plan, { gemmGflops }: Roof, shares: TimeShares): number {
  const round = { ...step, prompts: completions / step.generations };
  return referenceFlops(config, torn(limit, round)) / rateOf(config, gemmGflops, shares.forward, shares);
}

function updateSeconds({ config, step, rank, trained }: TimedStep, { limit, checkpoint }: Plan, { gemmGflops, memoryGbs }: Roof, shares: TimeShares): number {
  const shape = torn(limit, step);
  const thin = adapterFlops(config, shape, rank);
  const wide = updateFlops(config, shape, { rank, reference: false }) - thin;
  // Layers that are computed again: a forward pass without the head.
  const again = checkpoint ? referenceFlops({ ...config, vocabSize: 0 }, shape) : 0;
  const moved = 4 * OPTIMIZER_PASSES * trained;
  return (wide + again) / rateOf(config, gemmGflops, shares.training, shares) + thin / (gemmGflops * 1e9 * shares.thin) + moved / (memoryGbs * 1e9);
}

/** Operations per second in products over many tokens: narrow ones reach less of the peak. */
function rateOf({ hiddenSize }: DecoderConfig, gemmGflops: number, share: number, { halfWidth }: TimeShares): number {
  return (gemmGflops * 1e9 * share * hiddenSize) / (hiddenSize + halfWidth);
}

/** The same work with each prompt as often as its group is torn. */
function torn(limit: Plan['limit'], step: StepShape): StepShape {
  const parts = Math.ceil(step.generations / largestMicroBatch(limit, step).batch.generations);
  return { ...step, prompts: step.prompts * parts, generations: step.generations / parts };
}
