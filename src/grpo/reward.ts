/** Groups → rewards: every completion is scored by every reward function; a failure is an error, never a 0. */
import type { RewardErrorMonitor, RewardFailure } from '../rewards/error-rate.ts';
import type { RewardSpec } from '../rewards/reward.ts';
import { scoreGroup, secondsCovered } from '../rewards/score.ts';
import type { ScoredGroup, ScoredSample } from '../rewards/score.ts';
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
  /** Reward name → seconds in which at least one of its calls was running. */
  seconds: Record<string, number>;
}

/** The scoring of a round. A group is scored from the moment it is complete; what comes out stands in the order of the groups. */
export class RoundScoring {
  readonly #settings: RewardSettings;
  readonly #scored = new Map<Group, Promise<ScoredGroup>>();

  constructor(settings: RewardSettings) {
    this.#settings = settings;
  }

  /** Starts to score a group and returns at once. */
  add(group: Group): void {
    const { specs, timeoutMs, slots, signal } = this.#settings;
    const samples = group.rollouts.map((_, g) => unscored(group, g, this.#settings));
    const scored = scoreGroup(specs, samples, { timeoutMs, concurrency: slots, ...(signal ? { signal } : {}) });
    // Where the rollout fails nobody waits for it any more.
    scored.catch(() => undefined);
    this.#scored.set(group, scored);
  }

  /**
   * Waits for what is under way and fills `rewards` of every group added.
   *
   * @throws RewardError once errors pass `maxRewardErrorRate`
   */
  async finish(groups: readonly Group[]): Promise<ScoredRound> {
    const round: ScoredRound = { failures: [], failed: [], logged: [], seconds: {} };
    const scored = await Promise.all(groups.map((group) => this.#scored.get(group)!));
    groups.forEach((group, p) => {
      const { samples } = scored[p]!;
      group.rewards = samples.map(rewardValues);
      round.failed.push(samples.map(failedNames));
      round.logged.push(samples.map((sample) => sample.logged));
      round.failures.push(...this.#settings.monitor.observe(samples, samples.map(() => group.prompt.row)));
    });
    for (const { name } of this.#settings.specs) round.seconds[name] = secondsCovered(scored.flatMap(({ spans }) => spans[name]!));
    return round;
  }
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
