/** From what a user gives to options that a run can rely on. Everything here happens before anything heavy starts. */
import { expected } from '../errors.ts';
import { namedRewards } from '../rewards/named-rewards.ts';
import type { RewardSpec } from '../rewards/reward.ts';
import { optimizers } from '../training/optimizers/make-optimizer.ts';
import type { NamedOptimizer } from '../training/optimizers/make-optimizer.ts';
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
  const epsilon = rest.epsilon ?? defaultEpsilon(rest.lossType);
  const named: NamedOptimizer | null = typeof rest.optim === 'string' ? optimizers[rest.optim] : null;
  const adamBeta2 = rest.adamBeta2 ?? named?.defaults?.adamBeta2 ?? 0.999;
  const momentum = rest.momentum ?? named?.defaults?.momentum ?? null;
  return { options: { ...rest, epsilon, adamBeta2, momentum, rewards: namedRewards(rewards, rewardWeights ?? undefined) }, warnings };
}

/** The width of the clip where none is given: that of `gmpo` is on the logarithm of the ratio. */
export function defaultEpsilon(lossType: unknown): number {
  return lossType === 'gmpo' ? 0.4 : 0.2;
}
