/** Rules between options. Each is one small function, in one of two lists: what is refused, and what is only said. */
import { expected } from '../errors.ts';
import type { InputError } from '../errors.ts';
import { nearestName } from './nearest-name.ts';
import type { ValidOptions } from './option-schema.ts';
import { callbackNames, isAsyncIterable } from './option-types.ts';

/** A combination that cannot run: the error, or null. */
export type Refusal = (options: ValidOptions) => InputError | null;
/** A combination that runs but that its paper would not choose, or of which a part has no effect: a sentence, or null. */
export type Caution = (options: ValidOptions) => string | null;

/** The combinations that are refused. */
export const refusals = {
  samplingIsRandom: ({ temperature }) =>
    temperature === 0
      ? expected('temperature', 'to be above 0 in training', 0, 'greedy completions of one prompt are all alike; the default is 1')
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
    maxSteps === null && typeof dataset === 'object' && isAsyncIterable(dataset)
      ? expected('maxSteps', 'to be set when `dataset` is an async iterable', null, 'its end is not known; say how many updates to make')
      : null,

  keptCheckpointsAreMade: ({ saveTotalLimit, saveSteps }) =>
    saveTotalLimit !== null && saveSteps === null
      ? expected('saveSteps', 'to be set when `saveTotalLimit` is', null, 'set it, or remove `saveTotalLimit`')
      : null,

  loadedModelIsPlaced: ({ model, device, dtype }) =>
    typeof model === 'object' && (device !== 'auto' || dtype !== 'auto')
      ? expected(device === 'auto' ? 'dtype' : 'device', 'to be left out when `model` is a loaded model', device === 'auto' ? dtype : device, 'the model has its own; set it in `loadModel`')
      : null,

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

  evaluationIsNotYet: ({ callbacks }) =>
    callbacks.some(({ onEvaluate }) => onEvaluate)
      ? expected('callbacks', 'to leave out `onEvaluate`', 'onEvaluate', 'evaluation is not part of this version yet, so it would never be called; remove it')
      : null,
} satisfies Record<string, Refusal>;

/** The combinations that are only said. */
export const cautions = {
  sequenceRatioWithTokenMean: ({ importanceSampling, lossType }) =>
    importanceSampling === 'sequence' && lossType !== 'grpo'
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
    const high = epsilonHigh ?? epsilon;
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
      ? 'Sampling is not from the whole distribution (`topP`, `topK`, `minP` or `repetitionPenalty`), while the ratio is: watch `sampling/sampling_logp_difference`.'
      : null;
  },

  ownOptimizer: ({ optim, adamBeta1, adamBeta2, adamEpsilon }) =>
    typeof optim === 'object' && (adamBeta1 !== 0.9 || adamBeta2 !== 0.999 || adamEpsilon !== 1e-8)
      ? '`adamBeta1`, `adamBeta2` and `adamEpsilon` have no effect on an optimizer of your own.'
      : null,
} satisfies Record<string, Caution>;
