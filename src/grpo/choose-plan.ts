/** The plan of a run: how many completions decode at once, how updates are cut, whether layers are computed again, so that the estimated peak stays within memory. */
import { ResourceError } from '../errors.ts';
import type { MemoryLimit } from '../run/machine-memory.ts';
import { wantedTokens } from '../training/pack.ts';
import { gigabytes } from './memory-size.ts';
import { largestMicroBatch, memoryParts, peakBytes } from './memory-estimate.ts';
import type { RunSizes } from './memory-estimate.ts';
import { blockBytes } from './run-sizes.ts';
import type { ResolvedOptions } from './options.ts';
import type { Plan } from './plan.ts';
import { plainDecodingCost } from './time-estimate.ts';

/** What the options say of a plan. */
export type PlanOptions = Pick<ResolvedOptions, 'microBatch' | 'maxConcurrentRollouts' | 'gradientCheckpointing'>;

/** A plan with the peak that is estimated for it, in bytes. */
export interface EstimatedPlan {
  plan: Plan;
  peak: number;
}

/** Completions that decode at once where memory allows it: more gain nothing. */
const mostSlots = 32;
/** Share of the limit that a plan may take where there is a choice: estimates are not exact. */
const comfortable = 0.95;
/** Time of an update whose layers are computed again, relative to one that keeps them (docs/experiments.md). */
const recomputeCost = 1.3;
/** Rows whose arithmetic takes as long as reading the weights: 20 ms beside 0.9 ms a row with SmolLM2. */
const rowsOfReading = 22;

/**
 * The fastest plan whose estimated peak stays within the limit. What the options fix stays fixed.
 *
 * @throws ResourceError when no plan does, with what would save how much
 */
export function choosePlan(run: RunSizes, options: PlanOptions, limit: MemoryLimit): EstimatedPlan {
  const smallest = smallestPlan(run, options);
  if (smallest.peak > limit.bytes) throw refusal(run, options, smallest, limit);
  const target = Math.max(smallest.peak, comfortable * limit.bytes);
  const fits = (plan: Plan) => peakOf(run, plan) <= target;
  // Sampling and updating are not there at the same time: each is chosen beside the smallest of the other.
  const sampling = samplingChoices(run, options).find((choice) => fits({ ...smallest.plan, ...choice })) ?? smallest.plan;
  const update = updateChoices(run, options).find((cut) => fits({ ...smallest.plan, ...cut })) ?? smallest.plan;
  const plan = { limit: update.limit, checkpoint: update.checkpoint, slots: sampling.slots, decodingCopies: sampling.decodingCopies };
  return { plan, peak: peakOf(run, plan) };
}

/** Bytes at the peak of a run under a plan. */
function peakOf(run: RunSizes, plan: Plan): number {
  return peakBytes(memoryParts(run, plan));
}

/** The plan that takes least. */
function smallestPlan(run: RunSizes, options: PlanOptions): EstimatedPlan {
  const slots = Math.min(...samplingChoices(run, options).map((choice) => choice.slots));
  const plans = updateChoices(run, options).map((cut) => ({ ...cut, slots, decodingCopies: false }));
  return plans.map((plan) => ({ plan, peak: peakOf(run, plan) })).reduce((least, one) => (one.peak < least.peak ? one : least));
}

/** Fastest first: a step of decoding reads all weights, whatever the number of rows. */
function samplingChoices({ completions }: RunSizes, { maxConcurrentRollouts }: PlanOptions): Pick<Plan, 'slots' | 'decodingCopies'>[] {
  const most = Math.min(mostSlots, completions);
  const counts = maxConcurrentRollouts === 'auto' ? Array.from({ length: most }, (_, i) => most - i) : [maxConcurrentRollouts];
  const cost = ({ slots, decodingCopies }: Pick<Plan, 'slots' | 'decodingCopies'>) => ((rowsOfReading + slots) / slots) * (decodingCopies ? 1 : plainDecodingCost);
  return [true, false].flatMap((decodingCopies) => counts.map((slots) => ({ slots, decodingCopies }))).sort((a, b) => cost(a) - cost(b));
}

/** Fastest first; of equally fast ones the larger micro-batch. */
function updateChoices(run: RunSizes, { microBatch, gradientCheckpointing }: PlanOptions): Pick<Plan, 'limit' | 'checkpoint'>[] {
  const limits = microBatch === 'auto' ? tokenChoices(run) : [microBatch];
  const again = gradientCheckpointing === 'auto' ? [false, true] : [gradientCheckpointing];
  const choices = again.flatMap((checkpoint) => limits.map((limit) => ({ limit, checkpoint })));
  return choices.map((cut, order) => ({ cut, order, cost: costOf(run, cut) })).sort((a, b) => a.cost - b.cost || a.order - b.order).map(({ cut }) => cut);
}

/** The budget that makes nothing faster when it grows, then fewer whole groups, then fewer rows of a group. */
function tokenChoices({ step: { prompts, generations, promptTokens, newTokens } }: RunSizes): Plan['limit'][] {
  const group = promptTokens + generations * newTokens;
  const wanted = wantedTokens(group);
  const groups = Array.from({ length: prompts }, (_, i) => (prompts - i) * group);
  const rows = Array.from({ length: generations }, (_, i) => promptTokens + (generations - i) * newTokens);
  const smaller = [...groups, ...rows].filter((tokens) => tokens < wanted);
  return [...new Set([wanted, ...smaller])].map((tokens) => ({ tokens }));
}

/** Tokens that an update computes: a torn group's prompt once for each part, all of them again where layers are. */
function costOf({ step }: RunSizes, { limit, checkpoint }: Pick<Plan, 'limit' | 'checkpoint'>): number {
  const { batch } = largestMicroBatch(limit, step);
  const parts = Math.ceil(step.generations / batch.generations);
  return step.prompts * (parts * step.promptTokens + step.generations * step.newTokens) * (checkpoint ? recomputeCost : 1);
}

/** A change that a user could make. */
interface Change {
  /** As it is written in a recipe. */
  text: string;
  run?: Partial<RunSizes>;
  options?: Partial<PlanOptions>;
}

function refusal(run: RunSizes, options: PlanOptions, { plan, peak }: EstimatedPlan, limit: MemoryLimit): ResourceError {
  const changes = changesOf(run, options)
    .map((change) => ({ text: change.text, saves: peak - smallestPlan({ ...run, ...change.run }, { ...options, ...change.options }).peak }))
    .filter(({ saves }) => saves >= 0.005 * peak)
    .sort((a, b) => b.saves - a.saves);
  const savings = changes.map(({ text, saves }) => `${text} saves ${gigabytes(saves)}`);
  const mend = [...savings, `${changes.length > 0 ? 'or ' : ''}give it a limit of ${gigabytes(peak)} or a smaller model`].join(', ');
  return new ResourceError(`Expected ${limit.source} to hold the run, got ${gigabytes(limit.bytes)} for an estimated ${gigabytes(peak)} in its smallest parts; ${mend}.`, {
    limit: limit.bytes,
    needed: peak,
    plan,
    changes,
  });
}

/** What could be changed, one thing at a time. */
function changesOf({ lora, storage, reference, optim, step }: RunSizes, { microBatch, gradientCheckpointing, maxConcurrentRollouts }: PlanOptions): Change[] {
  const adapter = { r: 8, alpha: 8, dropout: 0, targetModules: 'all-linear', modulesToSave: [], useRslora: false, useDora: false, initLoraWeights: 'kaiming' as const };
  const shorter = Math.ceil(step.newTokens / 2);
  return [
    ...(reference === 'copy' ? [{ text: '`beta: 0`, which needs no second model,', run: { reference: 'none' as const } }] : []),
    ...(lora ? [] : [{ text: "`lora: { targetModules: 'all-linear' }`", run: { lora: adapter, reference: reference === 'copy' ? ('shared' as const) : reference } }]),
    ...(lora && storage.block === null && storage.number === 4 ? [{ text: "`quantisation: 'q4_1'`", run: { storage: { ...storage, block: blockBytes.q4_1 } } }] : []),
    ...(optim === 'adamw' ? [{ text: "`optim: 'adamw_8bit'`", run: { optim: 'adamw_8bit' as const } }] : []),
    ...(gradientCheckpointing === false ? [{ text: "`gradientCheckpointing: 'auto'`", options: { gradientCheckpointing: 'auto' as const } }] : []),
    ...(microBatch === 'auto' ? [] : [{ text: "`microBatch: 'auto'`", options: { microBatch: 'auto' as const } }]),
    ...(maxConcurrentRollouts === 'auto' ? [] : [{ text: "`maxConcurrentRollouts: 'auto'`", options: { maxConcurrentRollouts: 'auto' as const } }]),
    ...(step.newTokens > 1 ? [{ text: `\`maxCompletionLength: ${shorter}\``, run: { step: { ...step, newTokens: shorter } } }] : []),
  ];
}
