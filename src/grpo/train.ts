/**
 * GRPO (DeepSeekMath, arXiv 2402.03300, algorithm 1), from top to bottom:
 * dataset rows → prompts → groups of completions → rewards → advantages → micro-batches → loss → gradient → step → record.
 */
import type { RewardFailure } from '../rewards/error-rate.ts';
import { expected } from '../errors.ts';
import type { InputError } from '../errors.ts';
import { RowQueue } from '../data/row-queue.ts';
import { mixDecoder } from '../model/copies.ts';
import type { Decoder } from '../model/decoder.ts';
import { firstBonus, nextBonus } from './adaptive-entropy.ts';
import { computeAdvantages } from './advantage.ts';
import { fillRound } from './dynamic-sampling.ts';
import type { LossOptions } from './loss/index.ts';
import { RunMemory } from './memory-limit.ts';
import { countTokens, roundMetrics } from './metrics.ts';
import type { ResolvedOptions } from './options.ts';
import { updatePolicy } from './policy-update.ts';
import type { UpdateResult, UpdateSettings } from './policy-update.ts';
import { readPrompt } from './prompts.ts';
import { addCalls, RoundScoring } from './reward.ts';
import type { CallFigures, Failures } from './reward.ts';
import { rollout } from './rollout.ts';
import { makeOptimizer } from './run-optimizer.ts';
import type { Plan } from './plan.ts';
import type { Run } from './start.ts';
import { Stopwatch } from './stopwatch.ts';
import type { PhaseListener } from './stopwatch.ts';
import { recordLogprobs } from './token-scores.ts';
import type { Group, StepRecord } from './types.ts';

/** One update as the loop reports it. */
export interface LoopStep extends StepRecord {
  /** Rewards that failed while the round was scored; only with the first update of a round. */
  failures: RewardFailure[];
  /** [P][G] what the rewards logged. */
  logged: Record<string, number>[][];
  /** [P][G] the rewards that failed. */
  failed: Failures[][];
  /** False when loss or gradient were not finite: the update was dropped. */
  finite: boolean;
  /** What was done again in smaller parts because memory ended, in sentences. */
  shrunk: string[];
}

/** One group with what scoring left beside its rewards. */
interface ScoredGroup {
  group: Group;
  /** [G] the rewards that failed. */
  failed: Failures[];
  /** [G] what the rewards logged. */
  logged: Record<string, number>[];
}

/** The run, one optimizer update at a time, until the data, the epochs or `maxSteps` end. */
export async function* train(run: Run, signal: AbortSignal, onPhase: PhaseListener | null = null): AsyncGenerator<LoopStep> {
  const { options, policy, reference } = run;
  const { decoder } = policy;
  const { temperature } = options;
  const rows = new RowQueue(run.rounds);
  const names = options.rewards.map(({ name }) => name);
  const memory = new RunMemory(run, options.lossType !== 'bnpo');
  let bonus = firstBonus(options.entropyCoef, options.adaptiveEntropy);
  let [step, iterationStart, tokens, samplings] = [0, 0, 0, 0];
  while (step < run.totalSteps) {
    if (step - iterationStart >= run.iterationSteps) {
      await beginIteration(run, step);
      iterationStart = step;
    }
    const clock = new Stopwatch(onPhase);
    const failures: RewardFailure[] = [];
    let calls: Record<string, CallFigures> = {};
    memory.beginStep();
    const sample = async (count: number): Promise<ScoredGroup[]> => {
      const drawn = await rows.draw(count);
      const prompts = drawn.map(({ row, index }) => readPrompt(row, run.survey?.positions[index] ?? index, run.prompts)).filter((prompt) => prompt !== null);
      const sampling = samplings++;
      const sampleOnce = async ({ slots, decodingCopies }: Plan) => {
        const scoring = scoringOf(run, step, signal);
        const groups = await rollout(policy, prompts, { ...options, slots, decodingCopies }, sampling, { onGroup: (group, p) => scoring.add(group, p), signal });
        return { groups, scoring };
      };
      const { groups, scoring } = await clock.time('rollout', () => memory.rollout(sampleOnce));
      const scored = await clock.time('reward', () => scoring.finish(groups));
      failures.push(...scored.failures);
      calls = addCalls(calls, scored.calls);
      return groups.map((group, p) => ({ group, failed: scored.failed[p]!, logged: scored.logged[p]! }));
    };

    const isFlat = ({ group, failed }: ScoredGroup) => assignAdvantages([group], [failed], { ...options, klPlacement: 'loss' }).length > 0;
    const round = await fillRound(run.roundSize, options.dynamicSampling ? options.maxResampleRounds : 0, sample, isFlat);
    if (round.groups.length === 0) {
      if (step === 0) throw nothingDrawn(options);
      return;
    }
    const groups = round.groups.map(({ group }) => group);
    const failed = round.groups.map((scored) => scored.failed);
    const logged = round.groups.map((scored) => scored.logged);
    const score = (model: Decoder, field: 'refLogprobs' | 'oldLogprobs') => memory.pass(groups, ({ limit }) => recordLogprobs(model, groups, field, { temperature, limit }));
    if (reference) await clock.time('reference', () => score(reference, 'refLogprobs'));
    // The first and only update of a round is on-policy: its ℓold is ℓθ itself, without gradient.
    const offPolicy = options.numIterations * options.stepsPerGeneration > 1;
    if (offPolicy || options.klPlacement === 'reward') await score(decoder, 'oldLogprobs');
    const zeroStdGroups = assignAdvantages(groups, failed, options);
    if (!offPolicy) for (const { rollouts } of groups) for (const completion of rollouts) delete completion.oldLogprobs;
    tokens += countTokens(groups);

    let figures: Record<string, number> = { ...roundMetrics({ groups, rewardNames: names, failed, calls, logged, zeroStdGroups }), ...(options.dynamicSampling ? { groups_replaced: round.replaced } : {}) };
    for (let pass = 0; pass < options.numIterations; pass++) {
      for (const part of slices(groups, options.stepsPerGeneration)) {
        const learningRate = options.learningRate * run.schedule(step - iterationStart);
        const updateOnce = (plan: Plan) => updatePolicy(decoder, run.optimizer, part.groups, updateSettings(run, plan, { learningRate, entropyCoef: bonus.applied, step }));
        const update = await clock.time('update', () => memory.pass(groups, updateOnce));
        step += 1;
        const shrunk = memory.take();
        if (shrunk.length > 0) figures = { ...figures, memory_retries: shrunk.length };
        if (options.adaptiveEntropy) figures = { ...figures, entropy_coef: bonus.applied };
        bonus = nextBonus(bonus, update.metrics.entropy_kept ?? update.metrics.entropy ?? 0, options.adaptiveEntropy);
        if (reference && options.syncRefModel && step % options.refModelSyncSteps === 0) await mixDecoder(reference, decoder, options.refModelMixupAlpha);
        const metrics = record(step, rows.epoch, update, learningRate, tokens, figures, clock.lap(), countTokens(part.groups));
        yield { step, metrics, groups: part.groups, failures: failures.splice(0), logged: logged.slice(part.start, part.end), failed: failed.slice(part.start, part.end), finite: update.finite, shrunk };
        // What the run did with the step, as evaluating and saving, is no time of the next one.
        clock.lap();
        figures = {};
        if (step >= run.totalSteps || signal.aborted) return;
      }
    }
  }
}

/** A new outer iteration: the reference becomes the policy, and the optimizer forgets. */
async function beginIteration(run: Run, step: number): Promise<void> {
  if (run.reference) await mixDecoder(run.reference, run.policy.decoder, 1);
  run.optimizer.dispose();
  run.optimizer = makeOptimizer(run.policy.decoder, run.options, step);
}

/** The error of a stream that ends before its first round; lists are measured before the run. */
export function nothingDrawn({ promptsPerStep, stepsPerGeneration }: ResolvedOptions): InputError {
  const needed = promptsPerStep * stepsPerGeneration;
  return expected('dataset', `to hold at least one round of ${needed} rows whose prompts fit`, 'an iterable that ended before', 'give more rows, or lower `promptsPerStep`');
}

function scoringOf(run: Run, step: number, signal: AbortSignal): RoundScoring {
  const { options, slots, pools, monitor, watch, totalSteps } = run;
  const progress = Number.isFinite(totalSteps) ? step / totalSteps : 0;
  return new RoundScoring({ specs: options.rewards, timeoutMs: options.rewardTimeoutMs, slots, pools, monitor, step: step + 1, progress, watch, signal });
}

/** Fills `reward` and `advantages` of every group; returns the indices of the groups without spread. */
export function assignAdvantages(groups: readonly Group[], failed: readonly (readonly Failures[])[], options: ResolvedOptions): number[] {
  const names = options.rewards.map(({ name }) => name);
  const result = computeAdvantages(
    groups.map(({ rewards }) => rewards.map((row) => names.map((name) => row[name] ?? null))),
    {
      rewardWeights: options.rewards.map(({ weight }) => weight),
      scaleRewards: options.scaleRewards,
      advantage: options.advantage,
      rewardAggregation: options.rewardAggregation,
      errored: failed.map((group) => group.map((failures) => Object.keys(failures).length > 0)),
      ...(options.klPlacement === 'reward' ? { klPenalty: groups.map((group) => group.rollouts.map((_, g) => klPenalty(group, g, options.beta))) } : {}),
    },
  );
  groups.forEach((group, p) => {
    group.reward = result.rewards[p]!;
    group.advantages = result.advantages[p]!;
  });
  return result.zeroStdGroups;
}

/** β·Σₜ k1 = β·Σₜ (ℓold − ℓref) of one completion. */
function klPenalty({ rollouts }: Group, g: number, beta: number): number {
  const { oldLogprobs, refLogprobs } = rollouts[g]!;
  return beta * oldLogprobs!.reduce((sum, logprob, t) => sum + logprob - refLogprobs![t]!, 0);
}

/** The groups of each update of a round, in order. */
function slices(groups: readonly Group[], updates: number): { groups: Group[]; start: number; end: number }[] {
  const size = groups.length / updates;
  return Array.from({ length: updates }, (_, i) => {
    const [start, end] = [Math.round(i * size), Math.round((i + 1) * size)];
    return { groups: groups.slice(start, end), start, end };
  });
}

/** The options of a run that the loss takes; the entropy bonus has its own course. */
const lossOptionNames = [
  'lossType', 'importanceSampling', 'epsilon', 'epsilonHigh', 'delta', 'cispoCap', 'sapoTemperaturePos', 'sapoTemperatureNeg', 'vespoKPos', 'vespoLambdaPos',
  'vespoKNeg', 'vespoLambdaNeg', 'beta', 'klEstimator', 'klPlacement', 'klCorrection', 'maxCompletionLength', 'topEntropyQuantile', 'offPolicyMaskThreshold',
  'samplerCorrection',
] as const satisfies (keyof ResolvedOptions & keyof LossOptions)[];

function updateSettings({ options, lossScale }: Run, plan: Plan, { learningRate, entropyCoef, step }: { learningRate: number; entropyCoef: number; step: number }): UpdateSettings {
  return {
    loss: { ...Object.fromEntries(lossOptionNames.map((name) => [name, options[name]])), entropyCoef },
    temperature: options.temperature,
    maskTruncatedCompletions: options.maskTruncatedCompletions,
    limit: plan.limit,
    checkpoint: plan.checkpoint,
    maxGradNorm: options.maxGradNorm,
    learningRate,
    lossScale,
    dropout: { seed: options.seed, step },
  };
}

/** Everything that one update reports, under the names of docs/metrics.md. */
function record(
  step: number,
  epoch: number,
  update: UpdateResult,
  learningRate: number,
  tokens: number,
  round: Record<string, number>,
  times: Record<string, number>,
  updateTokens: number,
): Record<string, number> {
  const { total = 0, ...parts } = times;
  return {
    step,
    epoch,
    ...update.metrics,
    learning_rate: learningRate,
    num_tokens: tokens,
    ...round,
    ...(update.finite ? {} : { update_skipped: 1 }),
    step_time: total,
    ...Object.fromEntries(Object.entries(parts).map(([name, seconds]) => [`time/${name}`, seconds])),
    tokens_per_second: updateTokens / total,
    memory_peak_gb: (process.resourceUsage().maxRSS * 1024) / 1e9,
  };
}
