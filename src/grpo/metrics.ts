/**
 * The part of a step's record that comes from its rollouts: rewards and completions. Every figure is a sum over rows
 * divided by a count of rows; docs/metrics.md has the formulas. What comes from the loss is named in `loss/`.
 */
import { mean, standardDeviation } from './statistics.ts';
import type { CallFigures, Failures } from './reward.ts';
import type { Group, Rollout } from './types.ts';

/** What one generation round left behind. */
export interface RoundRecord {
  groups: readonly Group[];
  /** In the order of the option `rewards`. */
  rewardNames: readonly string[];
  /** [P][G] the rewards that failed on each completion; left out when none did. */
  failed?: readonly (readonly Failures[])[];
  /** Reward name → its calls; left out when nothing was called. */
  calls?: Readonly<Record<string, CallFigures>>;
  /** [P][G] what the rewards logged about each completion; left out when nothing. */
  logged?: readonly (readonly Readonly<Record<string, number>>[])[];
  /** Indices of the groups without spread, from `computeAdvantages`. */
  zeroStdGroups: readonly number[];
}

/** The metrics of one generation round. A figure with no rows behind it is left out. */
export function roundMetrics(round: RoundRecord): Record<string, number> {
  const rollouts = round.groups.flatMap((group) => group.rollouts);
  return { ...rewardMetrics(round), ...callMetrics(round.calls ?? {}), ...completionMetrics(rollouts), ...truncationMetrics(rollouts) };
}

/** Tokens of a round: prompt tokens counted once per completion, as TRL does, and completion tokens. */
export function countTokens(groups: readonly Group[]): number {
  return groups.reduce(
    (total, { prompt, rollouts }) => total + rollouts.reduce((sum, { ids }) => sum + prompt.ids.length + ids.length, 0),
    0,
  );
}

function rewardMetrics({ groups, rewardNames, failed = [], logged = [], zeroStdGroups }: RoundRecord): Record<string, number> {
  const scored = groups.flatMap(({ reward }) => reward.filter((value) => value !== null));
  const failures = failed.flat();
  const byName = rewardNames.map((name): Record<string, number | undefined> => {
    const values = groups.flatMap(({ rewards }) => rewards.flatMap((row) => row[name] ?? []));
    return {
      [`rewards/${name}/mean`]: meanOf(values),
      [`rewards/${name}/std`]: deviationOf(values),
      [`rewards/${name}/errors`]: failures.filter((row) => row[name] === 'error').length,
      [`rewards/${name}/timeouts`]: failures.filter((row) => row[name] === 'timeout').length,
    };
  });
  const logs = logged.flat();
  const logNames = [...new Set(logs.flatMap((row) => Object.keys(row)))];
  return present({
    reward: meanOf(scored),
    reward_std: deviationOf(scored),
    ...Object.assign({}, ...byName),
    reward_errors: failures.filter((row) => Object.keys(row).length > 0).length,
    frac_reward_zero_std: groups.length > 0 ? zeroStdGroups.length / groups.length : undefined,
    ...Object.fromEntries(logNames.map((name) => [`logged/${name}`, meanOf(logs.flatMap((row) => row[name] ?? []))])),
  });
}

/** Time and tries of the rewards. */
function callMetrics(calls: Readonly<Record<string, CallFigures>>): Record<string, number> {
  const byName = Object.entries(calls).map(([name, { busy, tries, spent, retries }]) => ({
    [`rewards/${name}/retries`]: retries,
    [`time/reward/${name}`]: busy,
    [`time/reward/${name}/latency`]: tries > 0 ? spent / tries : undefined,
  }));
  return present(Object.assign({}, ...byName));
}

function completionMetrics(rollouts: readonly Rollout[]): Record<string, number> {
  const lengths = rollouts.map(({ ids }) => ids.length);
  const terminated = rollouts.filter(({ finishReason }) => finishReason !== 'length').map(({ ids }) => ids.length);
  return present({
    'completions/mean_length': meanOf(lengths),
    'completions/min_length': least(lengths),
    'completions/max_length': most(lengths),
    'completions/mean_terminated_length': meanOf(terminated),
    'completions/min_terminated_length': least(terminated),
    'completions/max_terminated_length': most(terminated),
    'completions/clipped_ratio': rollouts.length > 0 ? (rollouts.length - terminated.length) / rollouts.length : undefined,
  });
}

/** How far the truncated distribution, which completions were drawn from, is from the full one, which is trained on. */
function truncationMetrics(rollouts: readonly Rollout[]): Record<string, number> {
  const differences = rollouts.flatMap(({ logprobs, truncatedLogprobs }) => Array.from(truncatedLogprobs ?? [], (value, t) => value - logprobs[t]!));
  return present({ 'sampling/truncation_logp_difference/mean': meanOf(differences), 'sampling/truncation_logp_difference/max': most(differences) });
}

function meanOf(values: readonly number[]): number | undefined {
  return values.length > 0 ? mean(values) : undefined;
}

/** A deviation needs two values. */
function deviationOf(values: readonly number[]): number | undefined {
  return values.length > 1 ? standardDeviation(values) : undefined;
}

function least(values: readonly number[]): number | undefined {
  return values.length > 0 ? values.reduce((a, b) => Math.min(a, b)) : undefined;
}

function most(values: readonly number[]): number | undefined {
  return values.length > 0 ? values.reduce((a, b) => Math.max(a, b)) : undefined;
}

function present(metrics: Record<string, number | undefined>): Record<string, number> {
  return Object.fromEntries(Object.entries(metrics).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])));
}
