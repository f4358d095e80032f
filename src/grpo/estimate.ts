/** What a run will take in memory and time, from its options, its dataset and the small files of its model. */
import { availableParallelism } from 'node:os';
import { describeModel } from '../model/load.ts';
import { rewardModelBytes } from '../rewards/reward-models.ts';
import { machineMemory } from '../run/machine-memory.ts';
import type { MemoryLimit } from '../run/machine-memory.ts';
import { adapterWeights } from '../training/flops.ts';
import type { Roof } from '../training/flops.ts';
import { elementCount } from '../weights/dtype.ts';
import { choosePlan } from './choose-plan.ts';
import { memoryParts, trainedShapes } from './memory-estimate.ts';
import type { MemoryParts, RunSizes } from './memory-estimate.ts';
import { bytesOf } from './memory-size.ts';
import { resolveOptions } from './options.ts';
import type { ResolvedOptions } from './options.ts';
import type { GrpoOptions } from './option-schema.ts';
import { kernelOf } from './run-sizes.ts';
import { isLoaded, modelInMemory, openDataset, outlineRun } from './start.ts';
import type { Plan } from './plan.ts';
import { stepSeconds } from './time-estimate.ts';
import type { StepSeconds, TimedStep } from './time-estimate.ts';

/** What a run is estimated to take. Bytes and seconds. */
export interface RunEstimate {
  /** How the run would be cut. */
  plan: Plan;
  memory: { peak: number; limit: MemoryLimit; parts: MemoryParts };
  time: {
    /** Of a step. */
    parts: StepSeconds;
    step: number;
    /** Prompt and completion tokens of a step, per second, as `tokens_per_second` of a run counts them. */
    tokensPerSecond: number;
    /** Null for a run whose end is not known. */
    steps: number | null;
    run: number | null;
    /** What the machine reached in the probe. */
    roof: Roof;
  };
  /** What was assumed of lengths, in tokens: the longest prompt and completion for memory, their means for time. */
  lengths: { longestPrompt: number; meanPrompt: number; longestCompletion: number; meanCompletion: number };
}

/** How an estimate is made. */
export interface EstimateSettings {
  /** Mean length of a completion; by default all are as long as they may be. */
  completionTokens?: number | null;
  /** Told what is being fetched. */
  onMessage?: (line: string) => void;
  /** Measures the machine with this many threads; by default with a probe of half a second. */
  measure?: (threads: number) => Promise<Roof>;
}

/**
 * Estimates a run. Weights are not read.
 *
 * @throws ResourceError when it cannot stay below `maxMemory`, or below what this machine can give where that is not set
 */
export async function estimateRun(input: GrpoOptions, { completionTokens = null, onMessage = () => {}, measure = probe }: EstimateSettings = {}): Promise<RunEstimate> {
  const { options } = resolveOptions(input);
  const dataset = await openDataset(options, onMessage);
  const { model, attention, cacheDir } = options;
  const described = isLoaded(model) ? modelInMemory(model) : { ...(await describeModel(model as string, { cacheDir, onMessage })), attention: kernelOf(attention), storage: null };
  const { sizes: policy, survey, totalSteps } = await outlineRun(options, dataset, described);
  const sizes = { ...policy, rewardModels: await rewardModelBytes(options.rewards, { cacheDir, onMessage }) };
  // Another machine may be meant: only its limit counts then.
  const limit = options.maxMemory === null ? machineMemory() : { bytes: bytesOf(options.maxMemory), source: '`maxMemory`' };
  const { plan, peak } = choosePlan(sizes, options, limit);
  const longest = sizes.step.promptTokens;
  const meanPrompt = survey ? survey.lengths.reduce((sum, length) => sum + length, 0) / survey.lengths.length : longest;
  const meanCompletion = Math.min(completionTokens ?? options.maxCompletionLength, options.maxCompletionLength);
  const roof = await measure(options.threads ?? availableParallelism());
  const timed = timedStep(options, sizes, { promptTokens: meanPrompt, newTokens: meanCompletion });
  const parts = stepSeconds(timed, plan, roof);
  const step = parts.rollout + parts.scoring + parts.update;
  const tokens = timed.step.prompts * timed.step.generations * (meanPrompt + meanCompletion);
  const steps = Number.isFinite(totalSteps) ? totalSteps : null;
  return {
    plan,
    memory: { peak, limit, parts: memoryParts(sizes, plan) },
    time: { parts, step, tokensPerSecond: tokens / step, steps, run: steps === null ? null : steps * step, roof },
    lengths: { longestPrompt: longest, meanPrompt, longestCompletion: options.maxCompletionLength, meanCompletion },
  };
}

async function probe(threads: number): Promise<Roof> {
  const { measureRoof, shortProbe } = await import('../training/roof.ts');
  return measureRoof(threads, shortProbe);
}

/** What the time of a step depends on. */
export function timedStep({ stepsPerGeneration, numIterations, klPlacement }: ResolvedOptions, { config, lora, reference, step, completions }: RunSizes, lengths: { promptTokens: number; newTokens: number }): TimedStep {
  const trained = trainedShapes(config, lora);
  const elements = [...trained.vocabulary, ...trained.hidden].reduce((sum, shape) => sum + elementCount(shape), 0);
  const updates = stepsPerGeneration * numIterations;
  // As the loop does: ℓold where a round serves several updates, or where the KL is taken from the reward.
  const scorings = (reference === 'none' ? 0 : 1) + (updates > 1 || klPlacement === 'reward' ? 1 : 0);
  return { config, step: { ...step, ...lengths }, completions, updates, rank: lora ? elements / (config.layers * adapterWeights(config, 1)) : 0, trained: elements, scorings };
}
