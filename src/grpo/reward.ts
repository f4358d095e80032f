/** Groups → rewards: every completion is scored by every reward function; a failure is an error, never a 0. */
import type { RewardErrorMonitor, RewardFailure } from '../rewards/error-rate.ts';
import type { RewardSpec } from '../rewards/reward.ts';
import { scoreGroup } from '../rewards/score.ts';
import type { ScoredSample } from '../rewards/score.ts';
import type { Slots } from '../rewards/slots.ts';
import type { Group } from './types.ts';

/** What scoring a round needs. */
export interface RewardSettings {
  specs: readonly RewardSpec[];
  timeoutMs: number;
  slots: Slots;
  monitor: RewardErrorMonitor;
  /** The optimizer update that the samples will serve, from 1. */
  step: number;
  /** Share of the run that is done. */
  progress: number;
  signal?: AbortSignal;
}

/** What scoring a round leaves besides the groups' rewards. */
export interface ScoredRound {
  failures: RewardFailure[];
  /** [P][G] names of the rewards that failed. */
  failed: string[][][];
  /** [P][G] what the rewards logged. */
  logged: Record<string, number>[][];
  /** Reward name → seconds. */
  seconds: Record<string, number>;
}

/**
 * Fills `rewards` of every group.
 *
 * @throws RewardError once errors pass `maxRewardErrorRate`
 */
export async function scoreRound(groups: readonly Group[], settings: RewardSettings): Promise<ScoredRound> {
  const round: ScoredRound = { failures: [], failed: [], logged: [], seconds: {} };
  for (const group of groups) {
    const { samples, seconds } = await scoreGroup(settings.specs, group.rollouts.map((_, g) => unscored(group, g, settings)), settings.signal ? { timeoutMs: settings.timeoutMs, concurrency: settings.slots, signal: settings.signal } : { timeoutMs: settings.timeoutMs, concurrency: settings.slots });
    group.rewards = samples.map(rewardValues);
    round.failed.push(samples.map(failedNames));
    round.logged.push(samples.map((sample) => sample.logged));
    for (const [name, value] of Object.entries(seconds)) round.seconds[name] = (round.seconds[name] ?? 0) + value;
    round.failures.push(...settings.monitor.observe(samples, samples.map(() => group.prompt.row)));
  }
  return round;
}

function unscored({ prompt, rollouts }: Group, g: number, { step, progress }: RewardSettings) {
  const { text, ids, finishReason } = rollouts[g]!;
  const messages = typeof prompt.source === 'string' ? {} : { messages: [{ role: 'assistant', content: text }] };
  return { prompt: prompt.source, completion: { text, ids, finishReason, ...messages }, row: prompt.row, step, progress };
}

function rewardValues({ results }: ScoredSample): Record<string, number | null> {
  return Object.fromEntries(Object.entries(results).map(([name, result]) => [name, result.kind === 'score' ? result.value : null]));
}

function failedNames({ results }: ScoredSample): string[] {
  return Object.entries(results).flatMap(([name, { kind }]) => (kind === 'error' ? [name] : []));
}
