/** From what a user gives to options that a run can rely on. Everything here happens before anything heavy starts. */
import { expected } from '../errors.ts';
import { namedRewards } from '../rewards/named-rewards.ts';
import type { RewardSpec } from '../rewards/reward.ts';
import { optimizers } from '../training/optimizers/make-optimizer.ts';
import type { NamedOptimizer, OptimizerName } from '../training/optimizers/make-optimizer.ts';
import { assertBestMetric } from './evaluation-rules.ts';
import { optionError } from './option-errors.ts';
import { cautions, refusals } from './option-rules.ts';
import type { Caution, Refusal } from './option-rules.ts';
import { notYetNames, optionSchema } from './option-schema.ts';
import type { GrpoOptions, ValidOptions } from './option-schema.ts';

/** Every option of a run with its value; rewards as a list with names and weights. */
export type ResolvedOptions = Omit<ValidOptions, 'rewards' | 'rewardWeights' | 'epsilon' | 'adamBeta2'> & { rewards: RewardSpec[]; epsilon: number; adamBeta2: number };

/**
 * Validates options and writes every default out.
 *
 * @param input what the user gave
 * @returns the options, and warnings about combinations that run but that a paper would not choose
 * @throws InputError for an unknown key, a value that cannot be used, or options that exclude one another
 */
export function resolveOptions(input: GrpoOptions): { options: ResolvedOptions; warnings: string[] } {
  if (typeof input !== 'object' || input === null || Array.isArray(input)) {
    throw expected('options', 'to be an object', input, 'pass at least { model, dataset, rewards }');
  }
  const parsed = optionSchema.safeParse(input);
  if (!parsed.success) throw optionError(parsed.error.issues, input);
  const off = new Set(notYetNames);
  const valid = Object.fromEntries(Object.entries(parsed.data).filter(([name]) => !off.has(name))) as ValidOptions;
  for (const refuse of Object.values<Refusal>(refusals)) {
    const error = refuse(valid);
    if (error) throw error;
  }
  const warnings = Object.values<Caution>(cautions).flatMap((caution) => caution(valid) ?? []);
  const { rewards, rewardWeights, ...rest } = valid;
  const byOthers = dependentDefaults(rest);
  const epsilon = rest.epsilon ?? byOthers.epsilon;
  const adamBeta2 = rest.adamBeta2 ?? byOthers.adamBeta2;
  const momentum = rest.momentum ?? byOthers.momentum;
  const named = namedRewards(rewards, rewardWeights ?? undefined, rest.isolate);
  if (rest.metricForBestModel !== null) assertBestMetric(rest.metricForBestModel, named.map(({ name }) => name));
  return { options: { ...rest, epsilon, adamBeta2, momentum, rewards: named }, warnings };
}

/** Defaults that depend on other options: the clip of `gmpo` is on the logarithm of the ratio, and optimizers have their own. */
export function dependentDefaults({ lossType, optim }: { lossType?: unknown; optim?: unknown }): { epsilon: number; adamBeta2: number; momentum: number | null } {
  const named: NamedOptimizer | null = typeof optim === 'string' && Object.hasOwn(optimizers, optim) ? optimizers[optim as OptimizerName] : null;
  return { epsilon: lossType === 'gmpo' ? 0.4 : 0.2, adamBeta2: named?.defaults?.adamBeta2 ?? 0.999, momentum: named?.defaults?.momentum ?? null };
}
