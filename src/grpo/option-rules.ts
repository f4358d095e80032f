/** Rules between options. Each is one small function, in one of two lists: what is refused, and what is only said. */
import { expected } from '../errors.ts';
import type { InputError } from '../errors.ts';
import { optimizers } from '../training/optimizers/make-optimizer.ts';
import type { OptimizerSettings } from '../training/optimizers/make-optimizer.ts';
import { schedules } from '../training/schedule.ts';
import type { ScheduleSettings } from '../training/schedule.ts';
import { nearestName } from '../text/nearest-name.ts';
import { evaluationRefusals } from './evaluation-rules.ts';
import { schemaDefault } from './option-schema.ts';
import type { ValidOptions } from './option-schema.ts';
import { callbackNames, isStreamed } from './option-types.ts';

/** A combination that cannot run: the error, or null. */
export type Refusal = (options: ValidOptions) => InputError | null;
/** A combination that runs but that its paper would not choose, or of which a part has no effect: a sentence, or null. */
export type Caution = (options: ValidOptions) => string | null;

/** Options that only some optimizers read. */
const optimizerSettings = ['adamBeta1', 'adamBeta2', 'adamEpsilon', 'momentum', 'weightDecay'] as const satisfies (keyof OptimizerSettings)[];

/** Options that only some schedules read. */
const scheduleSettings = ['lrMinRatio', 'lrCycles', 'lrPower', 'lrDecayRatio'] as const satisfies (keyof ScheduleSettings)[];

/** The combinations that are refused. */
export const refusals = {
  samplingIsRandom: ({ temperature }) =>
    temperature === 0
      ? expected('temperature', 'to be above 0 in training', 0, 'greedy completions of one prompt are all alike; the default is 1')
      : null,

  referenceOfAnAdapterStays: ({ lora, syncRefModel }) =>
    lora && syncRefModel
      ? expected('syncRefModel', 'to be false with `lora`', true, 'a mixture of the factors of two adapters is no mixture of the adapters; leave it out')
      : null,

  oneWarmup: ({ warmupSteps, warmupRatio }) =>
    warmupSteps > 0 && warmupRatio > 0
      ? expected('warmupRatio', 'to be left out when `warmupSteps` is set', warmupRatio, 'keep one of the two')
      : null,

  klInRewardNeedsBeta: ({ klPlacement, beta }) =>
    klPlacement === 'reward' && beta === 0
      ? expected('beta', "to be above 0 with `klPlacement: 'reward'`", 0, 'set `beta`, or remove `klPlacement`')
      : null,

  bnpoNeedsItsSplit: ({ lossType, microBatch }) =>
    lossType === 'bnpo' && microBatch === 'auto'
      ? expected('microBatch', "to be { rows: n } or { tokens: n } with `lossType: 'bnpo'`", microBatch, 'its loss depends on the split, so name it')
      : null,

  completionLengthsInOrder: ({ minCompletionLength, maxCompletionLength }) =>
    minCompletionLength > maxCompletionLength
      ? expected('minCompletionLength', `to be at most \`maxCompletionLength\` (${maxCompletionLength})`, minCompletionLength, 'lower it')
      : null,

  runHasAnEnd: ({ maxSteps, numTrainEpochs }) =>
    maxSteps === null && numTrainEpochs === null
      ? expected('maxSteps', 'to be set when `numTrainEpochs` is null', null, 'set one of the two')
      : null,

  endlessNeedsMaxSteps: ({ dataset, maxSteps }) =>
    maxSteps === null && isStreamed(dataset)
      ? expected('maxSteps', 'to be set when `dataset` is an async iterable or streamed', null, 'its end is not known; say how many updates to make')
      : null,

  keptCheckpointsAreMade: ({ saveTotalLimit, saveSteps, metricForBestModel }) =>
    saveTotalLimit !== null && saveSteps === null && metricForBestModel === null
      ? expected('saveSteps', 'to be set when `saveTotalLimit` is', null, 'set it, or remove `saveTotalLimit`')
      : null,

  loadedModelIsPlaced: ({ model, device, dtype, quantisation }) => {
    if (typeof model !== 'object') return null;
    const given = Object.entries({ device, dtype, quantisation }).find(([name, value]) => value !== schemaDefault(name as 'device'));
    return given ? expected(given[0], 'to be left out when `model` is a loaded model', given[1], 'the model has its own; set it in `loadModel`') : null;
  },

  iterationsSetTheLength: ({ iterations, stepsPerIteration, numTrainEpochs }) => {
    if (stepsPerIteration !== null && iterations === 1) return expected('iterations', 'to be 2 or more when `stepsPerIteration` is set', iterations, 'set it, or use `maxSteps`');
    return iterations > 1 && stepsPerIteration === null && numTrainEpochs !== 1
      ? expected('numTrainEpochs', 'to be left out with `iterations`, each of which is one epoch', numTrainEpochs, 'set `stepsPerIteration` for another length')
      : null;
  },

  iterationsNeedAReference: ({ iterations, beta }) =>
    iterations > 1 && beta === 0 ? expected('beta', 'to be above 0 with `iterations`, which renew the reference', 0, 'set `beta`, or train longer with `numTrainEpochs`') : null,

  iterationsRenewTheOptimizer: ({ iterations, optim }) =>
    iterations > 1 && typeof optim === 'object'
      ? expected('optim', "to be a name with `iterations`, each of which makes a new optimizer", optim, 'run the iterations one by one with an optimizer of your own')
      : null,

  stochasticIsForBfloat16: ({ masterRounding, dtype }) =>
    masterRounding === 'stochastic' && dtype === 'float16'
      ? expected('masterRounding', "to be 'nearest' with `dtype: 'float16'`", masterRounding, "leave it out, or use `dtype: 'bfloat16'`")
      : null,

  minimumIsSaid: ({ lrSchedulerType, lrMinRatio }) =>
    lrSchedulerType === 'cosine_with_min_lr' && lrMinRatio === 0
      ? expected('lrMinRatio', "to be above 0 with `lrSchedulerType: 'cosine_with_min_lr'`", 0, "set it, or use 'cosine'")
      : null,

  scheduleSettingsAreRead: ({ lrSchedulerType, ...options }) => {
    const reads: readonly string[] = typeof lrSchedulerType === 'string' ? schedules[lrSchedulerType].reads : [];
    const unread = scheduleSettings.find((name) => !reads.includes(name) && options[name] !== schemaDefault(name));
    if (!unread) return null;
    const readers = Object.entries(schedules).flatMap(([name, schedule]) => ((schedule.reads as readonly string[]).includes(unread) ? [`'${name}'`] : []));
    return expected('lrSchedulerType', `to be ${readers.join(' or ')} when \`${unread}\` is set`, lrSchedulerType, `set it, or remove \`${unread}\``);
  },

  syncNeedsAReference: ({ syncRefModel, beta }) =>
    syncRefModel && beta === 0 ? expected('beta', 'to be above 0 with `syncRefModel`', 0, 'there is no reference to mix at 0: set `beta`, or remove `syncRefModel`') : null,

  syncSettingsNeedSync: ({ syncRefModel, refModelMixupAlpha, refModelSyncSteps }) =>
    !syncRefModel && (refModelMixupAlpha !== 0.6 || refModelSyncSteps !== 512)
      ? expected('syncRefModel', 'to be true when `refModelMixupAlpha` or `refModelSyncSteps` is set', false, 'set it, or remove the two')
      : null,

  gdpoHasItsOwnScale: ({ rewardAggregation, advantage, scaleRewards }) => {
    if (rewardAggregation !== 'normalizeThenSum') return null;
    if (advantage === 'leaveOneOut') return expected('advantage', "to be 'groupMean' with `rewardAggregation: 'normalizeThenSum'`", advantage, 'it compares each reward with its group mean; change one of the two');
    return scaleRewards === 'none' ? expected('scaleRewards', "to be left out with `rewardAggregation: 'normalizeThenSum'`", scaleRewards, 'it always divides by standard deviations') : null;
  },

  gdpoKeepsRewardsApart: ({ rewardAggregation, klPlacement }) =>
    rewardAggregation === 'normalizeThenSum' && klPlacement === 'reward'
      ? expected('klPlacement', "to be 'loss' with `rewardAggregation: 'normalizeThenSum'`", klPlacement, 'a KL cannot be taken from rewards that are compared one by one')
      : null,

  adaptiveBoundsInOrder: ({ adaptiveEntropy, entropyCoef }) => {
    if (!adaptiveEntropy) return null;
    const { min, max } = adaptiveEntropy;
    if (min > max) return expected('adaptiveEntropy.min', `to be at most \`max\` (${max})`, min, 'swap the two');
    return entropyCoef < min || entropyCoef > max ? expected('entropyCoef', `to start between \`adaptiveEntropy.min\` and \`max\` (${min} to ${max})`, entropyCoef, 'change one of them') : null;
  },

  correctionBoundsInOrder: ({ samplerCorrection }) => {
    if (!samplerCorrection) return null;
    const { min, max } = samplerCorrection;
    if (min === null && max === null) return expected('samplerCorrection', 'to have `min` or `max`', samplerCorrection, 'without a bound it corrects nothing safely; give one');
    return min !== null && max !== null && min > max ? expected('samplerCorrection.min', `to be at most \`max\` (${max})`, min, 'swap the two') : null;
  },

  callbacksAreCallable: ({ callbacks }) => {
    const entries = callbacks.flatMap((callback, i) => Object.entries(callback).map(([name, fn]) => ({ i, name, fn })));
    const unknown = entries.find(({ name }) => !(callbackNames as readonly string[]).includes(name));
    if (unknown) {
      const near = nearestName(unknown.name, callbackNames);
      return expected(`callbacks.${unknown.i}`, `to have the keys ${callbackNames.join(', ')}`, unknown.name, near ? `did you mean \`${near}\`` : 'remove it');
    }
    const plain = entries.find(({ fn }) => typeof fn !== 'function');
    return plain ? expected(`callbacks.${plain.i}.${plain.name}`, 'to be a function', plain.fn, 'pass a function') : null;
  },

  ...evaluationRefusals,
} satisfies Record<string, Refusal>;

/** The combinations that are only said. */
export const cautions = {
  sequenceRatioWithTokenMean: ({ importanceSampling, lossType }) =>
    importanceSampling === 'sequence' && lossType !== 'grpo' && lossType !== 'luspo'
      ? `\`importanceSampling: 'sequence'\` is GSPO's ratio, which its paper uses with \`lossType: 'grpo'\`, not '${lossType}'.`
      : null,

  drGrpoWithScaledRewards: ({ lossType, scaleRewards }) =>
    lossType === 'dr_grpo' && scaleRewards !== 'none'
      ? `The paper of \`lossType: 'dr_grpo'\` uses \`scaleRewards: 'none'\`, not '${scaleRewards}'.`
      : null,

  leaveOneOutWithScaledRewards: ({ advantage, scaleRewards }) =>
    advantage === 'leaveOneOut' && scaleRewards !== 'none'
      ? `\`advantage: 'leaveOneOut'\` is RLOO only with \`scaleRewards: 'none'\`, not '${scaleRewards}'.`
      : null,

  deltaInsideTheClip: ({ delta, epsilon, epsilonHigh }) => {
    const high = epsilonHigh ?? epsilon ?? 0.2;
    return delta !== null && delta <= 1 + high ? `\`delta\` (${delta}) is meant to be above 1 + \`epsilonHigh\` (${1 + high}), so that it only bounds what the clip leaves free.` : null;
  },

  estimatorWithoutEffect: ({ klEstimator, klPlacement, beta }) => {
    if (klEstimator === 'k3') return null;
    if (beta === 0) return '`klEstimator` has no effect while `beta` is 0.';
    return klPlacement === 'reward' && klEstimator !== 'k1' ? "`klEstimator` has no effect with `klPlacement: 'reward'`, which always takes k1." : null;
  },

  truncatedSampling: ({ topP, topK, minP, repetitionPenalty }) => {
    const truncates = topP < 1 || topK > 0 || (minP ?? 0) > 0 || repetitionPenalty !== 1;
    return truncates
      ? 'Sampling is not from the whole distribution (`topP`, `topK`, `minP` or `repetitionPenalty`), while the ratio is: watch `sampling/truncation_logp_difference/mean`.'
      : null;
  },

  luspoWithTokenRatio: ({ lossType, importanceSampling }) =>
    lossType === 'luspo' && importanceSampling === 'token' ? "The paper of `lossType: 'luspo'` uses `importanceSampling: 'sequence'`, not 'token'." : null,

  termsWithoutClip: ({ lossType, epsilon, epsilonHigh, delta }) => {
    const clips = lossType !== 'cispo' && lossType !== 'sapo' && lossType !== 'vespo';
    return !clips && (epsilon !== null || epsilonHigh !== null || delta !== null) ? `\`epsilon\`, \`epsilonHigh\` and \`delta\` have no effect with \`lossType: '${lossType}'\`, which does not clip the ratio.` : null;
  },

  lossScaleWithoutFloat16: ({ lossScale, dtype, model }) =>
    typeof model === 'string' && dtype !== 'float16' && JSON.stringify(lossScale) !== JSON.stringify(schemaDefault('lossScale'))
      ? `\`lossScale\` has no effect with \`dtype: '${dtype}'\`: it is for float16.`
      : null,

  optimizerSettings: ({ optim, ...options }) => {
    const reads: readonly string[] = typeof optim === 'string' ? optimizers[optim].reads : [];
    const unread = optimizerSettings.filter((name) => !reads.includes(name) && options[name] !== schemaDefault(name));
    if (unread.length === 0) return null;
    const names = unread.map((name) => `\`${name}\``).join(', ');
    return `${names}: no effect ${typeof optim === 'string' ? `with \`optim: '${optim}'\`` : 'on an optimizer of your own'}.`;
  },
} satisfies Record<string, Caution>;
