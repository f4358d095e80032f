/** Evaluation during a run: the same questions each time, drawn with the same random numbers, and nothing trained by them. */
import { RewardErrorMonitor } from '../rewards/error-rate.ts';
import type { RewardFailure } from '../rewards/error-rate.ts';
import { Slots } from '../rewards/slots.ts';
import { sampleRecords } from './sample-records.ts';
import { evaluationMetric } from './evaluation-rules.ts';
import { fewerSlots, withinMemory } from './memory-limit.ts';
import { roundMetrics } from './metrics.ts';
import type { ResolvedOptions } from './options.ts';
import { RoundScoring } from './reward.ts';
import { rollout } from './rollout.ts';
import type { Run } from './start.ts';
import { assignAdvantages } from './train.ts';
import type { Prompt } from './types.ts';

/** The number of the round in the random key: one that no round of training reaches. */
const evaluationRound = 2 ** 32 - 1;

/** What one evaluation left. */
export interface RunEvaluation {
  /** Under the names of docs/metrics.md. */
  metrics: Record<string, number>;
  samples: ReturnType<typeof sampleRecords>;
  failures: RewardFailure[];
  /** What was done again in smaller parts because memory ended, in sentences. */
  shrunk: string[];
}

/**
 * Evaluates the policy as it is. Sampling is that of the run with G of its own; the run's random numbers, plan, rewards in
 * flight and count of reward errors stay as they are.
 *
 * @param step optimizer updates done
 * @throws RewardError when rewards fail too often; the signal's reason when it aborts
 */
export async function evaluateRun(run: Run, prompts: readonly Prompt[], step: number, signal: AbortSignal): Promise<RunEvaluation> {
  const { options, policy, totalSteps } = run;
  const start = performance.now();
  const numGenerations = options.numGenerationsEval ?? options.numGenerations;
  const shrunk: string[] = [];
  // Its own copy of the plan: what memory does not allow here may well fit the training.
  const { groups, scoring } = await withinMemory({ plan: run.plan }, fewerSlots, async ({ slots }) => {
    const settings = { specs: options.rewards, timeoutMs: options.rewardTimeoutMs, slots: new Slots(options.rewardConcurrency), pools: run.pools, watch: run.watch, monitor: new RewardErrorMonitor(options.maxRewardErrorRate), step, progress: Number.isFinite(totalSteps) ? step / totalSteps : 0, signal };
    const begun = new RoundScoring(settings);
    const made = await rollout(policy, prompts, { ...options, numGenerations, slots }, evaluationRound, { onGroup: (group, number) => begun.add(group, number), signal });
    return { groups: made, scoring: begun };
  }, (message) => shrunk.push(message));
  const { failures, failed, logged } = await scoring.finish(groups);
  const zeroStdGroups = assignAdvantages(groups, failed, { ...options, klPlacement: 'loss' });
  const { frac_reward_zero_std: flat, ...figures } = roundMetrics({ groups, rewardNames: options.rewards.map(({ name }) => name), failed, logged, zeroStdGroups });
  // A single completion has no spread to lack.
  const whole = { ...figures, ...(numGenerations > 1 ? { frac_reward_zero_std: flat! } : {}), runtime: (performance.now() - start) / 1000 };
  return {
    metrics: Object.fromEntries(Object.entries(whole).map(([name, value]) => [`eval/${name}`, value])),
    samples: sampleRecords(step, groups, { logged, failed }),
    failures,
    shrunk,
  };
}

/** The best checkpoint of a run so far. */
export interface BestCheckpoint {
  /** Optimizer updates it has seen. */
  step: number;
  /** Name of the figure. */
  metric: string;
  value: number;
}

/**
 * Whether an evaluation is better than all before it; equal is not.
 *
 * @returns the new best; null when it is not better, `'missing'` when it lacks the figure
 */
export function betterThan(best: BestCheckpoint | null, step: number, metrics: Readonly<Record<string, number>>, { metricForBestModel, greaterIsBetter }: Pick<ResolvedOptions, 'metricForBestModel' | 'greaterIsBetter'>): BestCheckpoint | null | 'missing' {
  if (metricForBestModel === null) return null;
  const metric = evaluationMetric(metricForBestModel);
  const value = metrics[metric];
  if (value === undefined || !Number.isFinite(value)) return 'missing';
  const isBetter = best === null || (greaterIsBetter ? value > best.value : value < best.value);
  return isBetter ? { step, metric, value } : null;
}
