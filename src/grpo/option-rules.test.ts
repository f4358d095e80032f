import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { cautions, refusals } from './option-rules.ts';
import type { GrpoOptions } from './option-schema.ts';
import { resolveOptions } from './options.ts';

async function* endless(): AsyncGenerator<{ prompt: string }> {
  for (;;) yield { prompt: 'a' };
}

const base: GrpoOptions = { model: './m', dataset: [{ prompt: 'a' }], rewards: { r: () => 0 } };
const resolve = (more: Record<string, unknown>): ReturnType<typeof resolveOptions> => resolveOptions({ ...base, ...more } as GrpoOptions);

/** Rule → options it refuses, the option it blames, and options near them that it lets pass. */
const refused: Record<keyof typeof refusals, [bad: Record<string, unknown>, blamed: string, good: Record<string, unknown>]> = {
  samplingIsRandom: [{ temperature: 0 }, 'temperature', { temperature: 0.1 }],
  referenceOfAnAdapterStays: [{ lora: {}, syncRefModel: true, beta: 0.1 }, 'syncRefModel', { lora: {}, beta: 0.1 }],
  oneWarmup: [{ warmupSteps: 3, warmupRatio: 0.1 }, 'warmupRatio', { warmupSteps: 3 }],
  klInRewardNeedsBeta: [{ klPlacement: 'reward' }, 'beta', { klPlacement: 'reward', beta: 0.04 }],
  bnpoNeedsItsSplit: [{ lossType: 'bnpo' }, 'microBatch', { lossType: 'bnpo', microBatch: { rows: 4 } }],
  completionLengthsInOrder: [{ minCompletionLength: 9, maxCompletionLength: 8 }, 'minCompletionLength', { minCompletionLength: 8, maxCompletionLength: 8 }],
  runHasAnEnd: [{ numTrainEpochs: null }, 'maxSteps', { numTrainEpochs: null, maxSteps: 5 }],
  endlessNeedsMaxSteps: [{ dataset: { mixture: [{ dataset: endless(), weight: 1 }, { dataset: 'a.jsonl', weight: 1 }] } }, 'maxSteps', { dataset: { path: 'a.jsonl', streaming: true }, maxSteps: 5 }],
  keptCheckpointsAreMade: [{ saveTotalLimit: 2 }, 'saveSteps', { saveTotalLimit: 2, saveSteps: 10 }],
  loadedModelIsPlaced: [{ model: {}, dtype: 'float32' }, 'dtype', { model: {} }],
  iterationsSetTheLength: [{ iterations: 2, numTrainEpochs: 3, beta: 0.1 }, 'numTrainEpochs', { iterations: 2, beta: 0.1 }],
  iterationsNeedAReference: [{ iterations: 2 }, 'beta', { iterations: 2, beta: 0.1 }],
  iterationsRenewTheOptimizer: [{ iterations: 2, beta: 0.1, optim: {} }, 'optim', { optim: {} }],
  stochasticIsForBfloat16: [{ masterRounding: 'stochastic', dtype: 'float16' }, 'masterRounding', { masterRounding: 'stochastic', dtype: 'bfloat16' }],
  minimumIsSaid: [{ lrSchedulerType: 'cosine_with_min_lr' }, 'lrMinRatio', { lrSchedulerType: 'cosine_with_min_lr', lrMinRatio: 0.1 }],
  scheduleSettingsAreRead: [{ lrPower: 2 }, 'lrSchedulerType', { lrPower: 2, lrSchedulerType: 'polynomial' }],
  syncNeedsAReference: [{ syncRefModel: true }, 'beta', { syncRefModel: true, beta: 0.1 }],
  syncSettingsNeedSync: [{ refModelSyncSteps: 10, beta: 0.1 }, 'syncRefModel', { refModelSyncSteps: 10, syncRefModel: true, beta: 0.1 }],
  gdpoHasItsOwnScale: [{ rewardAggregation: 'normalizeThenSum', scaleRewards: 'none' }, 'scaleRewards', { rewardAggregation: 'normalizeThenSum' }],
  gdpoKeepsRewardsApart: [{ rewardAggregation: 'normalizeThenSum', klPlacement: 'reward', beta: 0.1 }, 'klPlacement', { rewardAggregation: 'normalizeThenSum', beta: 0.1 }],
  adaptiveBoundsInOrder: [{ adaptiveEntropy: { min: 2, max: 1 } }, 'adaptiveEntropy.min', { adaptiveEntropy: { min: 0, max: 1 } }],
  correctionBoundsInOrder: [{ samplerCorrection: { min: 4, max: 3 } }, 'samplerCorrection.min', { samplerCorrection: { min: 1, max: 3 } }],
  callbacksAreCallable: [{ callbacks: [{ onStepend: () => {} }] }, 'callbacks.0', { callbacks: [{ onStepEnd: () => {} }] }],
  evaluationHasQuestions: [{ evalSteps: 5 }, 'evalDataset', { evalSteps: 5, evalDataset: './held-out.jsonl' }],
  evaluationHasATime: [{ evalDataset: './held-out.jsonl' }, 'evalSteps', { evalDataset: './held-out.jsonl', evalOnStart: true }],
  evaluationHasAnEnd: [{ evalDataset: endless(), evalSteps: 5 }, 'evalDataset', { evalDataset: [{ prompt: 'a' }], evalSteps: 5 }],
  bestIsLookedFor: [{ evalDataset: './held-out.jsonl', evalOnStart: true, metricForBestModel: 'reward' }, 'evalSteps', { evalDataset: './held-out.jsonl', evalSteps: 5, metricForBestModel: 'eval_reward' }],
  betterOfWhat: [{ greaterIsBetter: false }, 'metricForBestModel', { greaterIsBetter: true }],
};

describe('refused combinations', () => {
  for (const [name, [bad, blamed, good]] of Object.entries(refused)) {
    test(name, () => {
      assert.throws(() => resolve(bad), (error: Error & { data: { name: string } }) => error.name === 'InputError' && error.data.name === blamed);
      resolve(good);
    });
  }

  test('the other halves of these rules', () => {
    const blames = (bad: Record<string, unknown>, name: string) => assert.throws(() => resolve(bad), (error: Error & { data: { name: string } }) => error.data.name === name);
    blames({ stepsPerIteration: 5 }, 'iterations');
    blames({ model: {}, quantisation: 'q4_1' }, 'quantisation');
    blames({ evalOnStart: true }, 'evalDataset');
    blames({ numGenerationsEval: 2 }, 'evalDataset');
    blames({ callbacks: [{ onEvaluate: () => {} }] }, 'evalDataset');
    blames({ evalDataset: './held-out.jsonl', evalSteps: 5, metricForBestModel: 'rewards/lenght/mean' }, 'metricForBestModel');
    blames({ evalDataset: './held-out.jsonl', evalSteps: 5, metricForBestModel: 'loss' }, 'metricForBestModel');
    blames({ rewardAggregation: 'normalizeThenSum', advantage: 'leaveOneOut' }, 'advantage');
    blames({ adaptiveEntropy: {}, entropyCoef: 2 }, 'entropyCoef');
    blames({ lrMinRatio: 0.1, lrSchedulerType: 'constant' }, 'lrSchedulerType');
    blames({ lrCycles: 2, lrSchedulerType: () => 1 }, 'lrSchedulerType');
    blames({ samplerCorrection: { min: null, max: null } }, 'samplerCorrection');
  });

  test('a callback that is no function', () => {
    assert.throws(() => resolve({ callbacks: [{ onSave: 1 }] }), { message: /`callbacks\.0\.onSave` to be a function, got 1/ });
  });
});

/** Rule → options it speaks of, and options near them on which it is silent. */
const said: Record<keyof typeof cautions, [spoken: Record<string, unknown>, silent: Record<string, unknown>]> = {
  sequenceRatioWithTokenMean: [{ importanceSampling: 'sequence' }, { importanceSampling: 'sequence', lossType: 'grpo' }],
  drGrpoWithScaledRewards: [{ lossType: 'dr_grpo' }, { lossType: 'dr_grpo', scaleRewards: 'none' }],
  leaveOneOutWithScaledRewards: [{ advantage: 'leaveOneOut' }, { advantage: 'leaveOneOut', scaleRewards: 'none' }],
  deltaInsideTheClip: [{ delta: 1.2 }, { delta: 2 }],
  estimatorWithoutEffect: [{ klEstimator: 'k1' }, { klEstimator: 'k1', beta: 0.04 }],
  truncatedSampling: [{ topP: 0.9 }, { topP: 1 }],
  luspoWithTokenRatio: [{ lossType: 'luspo' }, { lossType: 'luspo', importanceSampling: 'sequence' }],
  termsWithoutClip: [{ epsilon: 0.1, lossType: 'cispo' }, { lossType: 'cispo' }],
  lossScaleWithoutFloat16: [{ lossScale: { growthInterval: 100 }, dtype: 'bfloat16' }, { lossScale: { growthInterval: 100 }, dtype: 'float16' }],
  optimizerSettings: [{ adamBeta2: 0.99, optim: {} }, { optim: {} }],
};

describe('combinations that are only said', () => {
  for (const [name, [spoken, silent]] of Object.entries(said)) {
    test(name, () => {
      const { warnings } = resolve(spoken);
      assert.equal(warnings.length, 1);
      assert.match(warnings[0]!, new RegExp(`\`${Object.keys(spoken)[0]}`));
      assert.deepEqual(resolve(silent).warnings, []);
    });
  }

  test('settings that the named optimizer does not read', () => {
    assert.deepEqual(resolve({ optim: 'lion', adamBeta2: 0.9, adamEpsilon: 1e-6, momentum: 0.5, weightDecay: 0.1 }).warnings, ["`adamEpsilon`, `momentum`: no effect with `optim: 'lion'`."]);
    assert.deepEqual(resolve({ optim: 'muon', adamEpsilon: 1e-6, momentum: 0.5, weightDecay: 0.1 }).warnings, []);
    assert.deepEqual(resolve({ optim: {}, weightDecay: 0.1 }).warnings, ['`weightDecay`: no effect on an optimizer of your own.']);
  });

  test('an estimator in the reward', () => {
    assert.match(resolve({ klEstimator: 'k2', klPlacement: 'reward', beta: 0.1 }).warnings[0]!, /always takes k1/);
  });
});
