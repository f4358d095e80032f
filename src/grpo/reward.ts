/** Groups → rewards: every completion is scored by every reward function; a failure is an error, never a 0. */
import type { RewardErrorMonitor, RewardFailure } from '../rewards/error-rate.ts';
import type { Pools } from '../rewards/process-pool.ts';
import type { CallWatch } from '../rewards/reward-call.ts';
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
  pools: Pools;
  monitor: RewardErrorMonitor;
  /** The optimizer update that the samples will serve, from 1. */
  step: number;
  /** Share of the run that is done. */
  progress: number;
  watch?: CallWatch | undefined;
  signal?: AbortSignal | undefined;
}

/** The rewards that failed on one completion, and how. */
export type Failures = Readonly<Record<string, 'error' | 'timeout'>>;

/** How the calls of one reward went. */
export interface CallFigures {
  /** Seconds in which at least one was running. */
  busy: number;
  /** Tries, and their seconds added up. */
  tries: number;
  spent: number;
  /** Tries that followed a failed one. */
  retries: number;
}

/** What scoring a round leaves besides the groups' rewards. */
export interface ScoredRound {
  failures: RewardFailure[];
  /** [P][G] */
  failed: Failures[][];
  /** [P][G] what the rewards logged. */
  logged: Record<string, number>[][];
  /** Reward name → its calls. */
  calls: Record<string, CallFigures>;
}

/** The scoring of a round. A group is scored from the moment it is complete; what comes out stands in the order of the groups. */
export class RoundScoring {
  readonly #settings: RewardSettings;
  readonly #scored = new Map<Group, Promise<ScoredGroup>>();

  constructor(settings: RewardSettings) {
    this.#settings = settings;
  }

  /** Starts to score a group and returns at once. `number`: its place in the round. */
  add(group: Group, number: number): void {
    const { specs, timeoutMs, slots, pools, watch, signal } = this.#settings;
    const samples = group.rollouts.map((_, g) => unscored(group, g, this.#settings));
    const scored = scoreGroup(specs, samples, { timeoutMs, concurrency: slots, pools, group: number, watch, signal });
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
    const round: ScoredRound = { failures: [], failed: [], logged: [], calls: {} };
    const scored = await Promise.all(groups.map((group) => this.#scored.get(group)!));
    groups.forEach((group, p) => {
      const { samples } = scored[p]!;
      group.rewards = samples.map(rewardValues);
      round.failed.push(samples.map(failuresOf));
      round.logged.push(samples.map((sample) => sample.logged));
      round.failures.push(...this.#settings.monitor.observe(samples, samples.map(() => group.prompt.row)));
    });
    for (const { name } of this.#settings.specs) round.calls[name] = figuresOf(scored, name);
    return round;
  }
}

function figuresOf(scored: readonly ScoredGroup[], name: string): CallFigures {
  const spans = scored.flatMap(({ calls }) => calls[name]!.spans);
  return {
    busy: secondsCovered(spans),
    tries: spans.length,
    spent: spans.reduce((sum, [start, end]) => sum + (end - start) / 1000, 0),
    retries: scored.reduce((sum, { calls }) => sum + calls[name]!.retries, 0),
  };
}

/** The calls of two scorings of the same rewards as one; they ran one after the other. */
export function addCalls(first: Readonly<Record<string, CallFigures>>, second: Readonly<Record<string, CallFigures>>): Record<string, CallFigures> {
  const none: CallFigures = { busy: 0, tries: 0, spent: 0, retries: 0 };
  const sums = Object.entries(second).map(([name, b]): [string, CallFigures] => {
    const a = first[name] ?? none;
    return [name, { busy: a.busy + b.busy, tries: a.tries + b.tries, spent: a.spent + b.spent, retries: a.retries + b.retries }];
  });
  return { ...first, ...Object.fromEntries(sums) };
}

function unscored({ prompt, rollouts }: Group, g: number, { step, progress }: RewardSettings) {
  const { text, ids, finishReason } = rollouts[g]!;
  const messages = typeof prompt.source === 'string' ? {} : { messages: [{ role: 'assistant', content: text }] };
  return { prompt: prompt.source, completion: { text, ids, finishReason, ...messages }, row: prompt.row, step, progress };
}

function rewardValues({ results }: ScoredSample): Record<string, number | null> {
  return Object.fromEntries(Object.entries(results).map(([name, result]) => [name, result.kind === 'score' ? result.value : null]));
}

function failuresOf({ results }: ScoredSample): Failures {
  return Object.fromEntries(Object.entries(results).flatMap(([name, { kind }]) => (kind === 'error' || kind === 'timeout' ? [[name, kind]] : [])));
}
