/**
 * From rewards to advantages: how much better each completion was than its own group.
 *
 * Axes: P prompts, G completions per prompt (a group), F reward functions.
 *
 * Sources: DeepSeekMath (arXiv 2402.03300, equation 3) for `scaleRewards: 'group'`; Dr. GRPO (arXiv 2503.20783) for
 * `'none'`; RLOO (arXiv 2402.14740) for `advantage: 'leaveOneOut'`; GDPO (arXiv 2601.05242) for
 * `rewardAggregation: 'normalizeThenSum'`.
 */
import { expected } from '../errors.ts';
import { allEqual, mean, standardDeviation } from './statistics.ts';

/** Keeps a tiny spread from becoming a huge advantage; DeepSeekMath's code and TRL use the same value. */
const EPSILON = 1e-4;

/**
 * What is subtracted from each reward of a group. Takes the rewards of the scored rows (two or more), returns one
 * baseline per row.
 */
export const baselines = {
  /** Mean of the whole group, the row itself included. */
  groupMean: (rewards: readonly number[]): number[] => {
    const centre = mean(rewards);
    return rewards.map(() => centre);
  },
  /** Mean of the other rows, so that the baseline does not depend on the row's own sample. */
  leaveOneOut: (rewards: readonly number[]): number[] => {
    const total = rewards.reduce((sum, reward) => sum + reward, 0);
    return rewards.map((reward) => (total - reward) / (rewards.length - 1));
  },
} as const;

/** What the centred rewards of a group are divided by, from the scored rewards of the group and of the whole round. */
export const scales = {
  group: (group: readonly number[], _round: readonly number[]): number => standardDeviation(group) + EPSILON,
  batch: (_group: readonly number[], round: readonly number[]): number => standardDeviation(round) + EPSILON,
  none: (_group: readonly number[], _round: readonly number[]): number => 1,
} as const;

/** Names accepted by `advantage`. */
export type Baseline = keyof typeof baselines;
/** Names accepted by `scaleRewards`. */
export type Scale = keyof typeof scales;
/** Names accepted by `rewardAggregation`. */
export type RewardAggregation = keyof typeof aggregations;

/** Options of `computeAdvantages`; the names and defaults are those of a run. */
export interface AdvantageOptions {
  /** [F]; default all 1. */
  rewardWeights?: readonly number[];
  scaleRewards?: Scale;
  advantage?: Baseline;
  rewardAggregation?: RewardAggregation;
  /** [P][G]; true where a reward function failed: the row is unscored whatever its other rewards say. */
  errored?: readonly (readonly boolean[])[];
  /** [P][G]; subtracted from the weighted reward before the baseline (β·Σₜ k1 when `klPlacement` is `'reward'`). */
  klPenalty?: readonly (readonly number[])[];
}

/** Result of `computeAdvantages`. */
export interface Advantages {
  /** [P][G]; exactly 0 for unscored rows and for groups that teach nothing. */
  advantages: number[][];
  /** [P][G]; weighted sum of the applicable rewards, before any KL penalty; null = unscored. */
  rewards: (number | null)[][];
  /** Indices of the groups without spread: all scored rewards equal, or fewer than two scored rows. */
  zeroStdGroups: number[];
}

/** One row as every aggregation sees it. */
interface ScoredRow {
  /** Position in the group. */
  index: number;
  /** [F]; null = not applicable. */
  scores: readonly (number | null)[];
  /** Σ_f w_f·R_f over the applicable ones. */
  reward: number;
  /** Σ_f |w_f·R_f|: the size of the numbers that were added, which bounds the rounding of `reward`. */
  magnitude: number;
  klPenalty: number;
}

type Resolved = Required<Omit<AdvantageOptions, 'errored' | 'klPenalty'>>;

/** Each fills the advantages of the scored rows and says which groups have no spread. Groups of one row never come. */
const aggregations = { sumThenNormalize, normalizeThenSum } as const;

/**
 * Advantages of one generation round.
 *
 * A row with no applicable reward, or with an errored one, is unscored: its reward is null, its advantage 0, and it
 * stays out of every mean and standard deviation (n−1 in the denominator, ε = 1e-4).
 *
 * @param rewards [P][G][F]; null = not applicable
 * @throws InputError when the shape is ragged, a reward or weight is not finite, or two options contradict
 */
export function computeAdvantages(
  rewards: readonly (readonly (readonly (number | null)[])[])[],
  options: AdvantageOptions = {},
): Advantages {
  const resolved = resolveOptions(rewards, options);
  const rows = rewards.map((group, p) => scoredRows(group, resolved.rewardWeights, options, p));
  const advantages = rewards.map((group) => group.map(() => 0));
  const flat = aggregations[resolved.rewardAggregation](rows, resolved, advantages);
  return {
    advantages,
    rewards: rewards.map((group, p) => {
      const totals: (number | null)[] = group.map(() => null);
      for (const row of rows[p]!) totals[row.index] = row.reward;
      return totals;
    }),
    zeroStdGroups: rows.flatMap((group, p) => (group.length < 2 || flat[p] ? [p] : [])),
  };
}

/** (rᵢ − baseline) / scale, on the weighted sums. */
function sumThenNormalize(rows: ScoredRow[][], options: Resolved, advantages: number[][]): boolean[] {
  const penalised = rows.map((group) => group.map((row) => row.reward - row.klPenalty));
  const round = penalised.flat();
  return rows.map((group, p) => {
    const values = penalised[p]!;
    const bounds = group.map((row) => row.magnitude);
    // With a KL penalty equal rewards may still carry a signal: the penalty's own.
    const silent = group.length < 2 || allEqual(values, group.map((row) => row.magnitude + Math.abs(row.klPenalty)));
    if (!silent) {
      const baseline = baselines[options.advantage](values);
      const scale = scales[options.scaleRewards](values, round);
      group.forEach((row, i) => {
        advantages[p]![row.index] = (values[i]! - baseline[i]!) / scale;
      });
    }
    return allEqual(group.map((row) => row.reward), bounds);
  });
}

/**
 * GDPO: z-scores each reward function inside its group, adds them with the weights, z-scores the sums over the round.
 * A function that is constant in a group, or applies to one row only, contributes nothing there.
 */
function normalizeThenSum(rows: ScoredRow[][], options: Resolved, advantages: number[][]): boolean[] {
  const sums = rows.map((group) => {
    const combined = group.map(() => 0);
    const bounds = group.map(() => 0);
    options.rewardWeights.forEach((weight, f) => {
      const applicable = group.flatMap((row, i) => (row.scores[f] === null ? [] : [{ i, value: row.scores[f]! }]));
      const values = applicable.map(({ value }) => value);
      if (values.length < 2 || allEqual(values)) return;
      const centre = mean(values);
      const scale = standardDeviation(values) + EPSILON;
      for (const { i, value } of applicable) {
        const term = (weight * (value - centre)) / scale;
        combined[i]! += term;
        bounds[i]! += Math.abs(weight) * ((Math.abs(value) + Math.abs(centre)) / scale);
      }
    });
    return { combined, flat: allEqual(combined, bounds) };
  });
  const round = sums.flatMap(({ combined }) => combined);
  const centre = mean(round);
  const scale = round.length < 2 ? 1 : standardDeviation(round) + EPSILON;
  rows.forEach((group, p) => {
    const { combined, flat } = sums[p]!;
    if (group.length < 2 || flat) return;
    group.forEach((row, i) => {
      advantages[p]![row.index] = (combined[i]! - centre) / scale;
    });
  });
  return sums.map(({ flat }) => flat);
}

/** The scored rows of one group, with their weighted sums. */
function scoredRows(
  group: readonly (readonly (number | null)[])[],
  weights: readonly number[],
  options: AdvantageOptions,
  p: number,
): ScoredRow[] {
  return group.flatMap((scores, index) => {
    if (options.errored?.[p]?.[index] || scores.every((score) => score === null)) return [];
    let reward = 0;
    let magnitude = 0;
    scores.forEach((score, f) => {
      if (score === null) return;
      reward += weights[f]! * score;
      magnitude += Math.abs(weights[f]! * score);
    });
    return [{ index, scores, reward, magnitude, klPenalty: options.klPenalty?.[p]?.[index] ?? 0 }];
  });
}

function resolveOptions(rewards: readonly (readonly (readonly (number | null)[])[])[], options: AdvantageOptions): Resolved {
  const functions = rewards[0]?.[0]?.length ?? 0;
  const resolved: Resolved = {
    rewardWeights: options.rewardWeights ?? Array.from({ length: functions }, () => 1),
    scaleRewards: options.scaleRewards ?? 'group',
    advantage: options.advantage ?? 'groupMean',
    rewardAggregation: options.rewardAggregation ?? 'sumThenNormalize',
  };
  assertOneOf('scaleRewards', resolved.scaleRewards, scales);
  assertOneOf('advantage', resolved.advantage, baselines);
  assertOneOf('rewardAggregation', resolved.rewardAggregation, aggregations);
  assertShapes(rewards, resolved.rewardWeights, functions, options);
  if (resolved.rewardAggregation === 'normalizeThenSum') assertFitsNormalizeThenSum(resolved, options);
  return resolved;
}

function assertOneOf(name: string, value: string, variants: object): void {
  if (!Object.hasOwn(variants, value)) {
    throw expected(name, `to be one of ${Object.keys(variants).join(', ')}`, value, 'use one of these names');
  }
}

function assertFitsNormalizeThenSum(resolved: Resolved, options: AdvantageOptions): void {
  const why = "`rewardAggregation: 'normalizeThenSum'` has its own mean and scale";
  if (resolved.scaleRewards === 'none') {
    throw expected('scaleRewards', "to be 'group' or 'batch'", resolved.scaleRewards, `${why}, so leave it out`);
  }
  if (resolved.advantage !== 'groupMean') {
    throw expected('advantage', "to be 'groupMean'", resolved.advantage, `${why}, so leave it out`);
  }
  if (options.klPenalty) {
    throw expected('klPlacement', "to be 'loss'", 'reward', 'z-scored sums are no longer in units of reward');
  }
}

function assertShapes(
  rewards: readonly (readonly (readonly (number | null)[])[])[],
  weights: readonly number[],
  functions: number,
  { errored, klPenalty }: AdvantageOptions,
): void {
  if (weights.length !== functions && rewards.length > 0) {
    throw expected('rewardWeights', `to have one weight per reward function (${functions})`, weights.length, 'give as many');
  }
  const badWeight = weights.find((weight) => !Number.isFinite(weight));
  if (badWeight !== undefined) throw expected('rewardWeights', 'to hold finite numbers', badWeight, 'correct the weight');
  for (const [name, extra] of Object.entries({ errored, klPenalty })) {
    if (extra && (extra.length !== rewards.length || extra.some((group, p) => group.length !== rewards[p]!.length))) {
      throw expected(name, 'to have the shape [P][G] of `rewards`', extra, 'give one value per completion');
    }
  }
  if (klPenalty?.flat().some((value) => !Number.isFinite(value))) {
    throw expected('klPenalty', 'to hold finite numbers', klPenalty.flat(), 'look for log-probabilities that are not finite');
  }
  rewards.forEach((group, p) =>
    group.forEach((scores, g) => {
      const place = `rewards[${p}][${g}]`;
      if (scores.length !== functions) {
        throw expected(place, `to have one entry per reward function (${functions})`, scores.length, 'use null where one does not apply');
      }
      const bad = scores.find((score) => score !== null && !Number.isFinite(score));
      if (bad !== undefined) {
        throw expected(place, 'to hold finite numbers or null', bad, 'pass null and mark the row in `errored`');
      }
      if (scores.includes(undefined as unknown as null)) {
        throw expected(place, 'to hold finite numbers or null', undefined, 'pass null where a reward does not apply');
      }
    }),
  );
}
