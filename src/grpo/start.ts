/**
 * Everything that happens before the first step, lightest first: options, dataset, model files, tokenizer, prompts, run
 * folder; the weights come last. Whatever is wrong is found before anything heavy starts or is written.
 */
import { availableParallelism } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { createRounds, createStreamRounds } from '../data/stream.ts';
import type { Rounds } from '../data/stream.ts';
import { loadDataset, requireColumn } from '../data/source.ts';
import type { DatasetInput } from '../data/source.ts';
import { expected, InputError } from '../errors.ts';
import { copyDecoder, disposeDecoder, parameterCount } from '../model/decoder.ts';
import type { Decoder } from '../model/decoder.ts';
import { decoderConfig } from '../model/families.ts';
import type { DecoderConfig } from '../model/decoder-config.ts';
import { bytesPerNumber, chooseDevice, chooseDType, disposeModel, openModel, readModel } from '../model/load.ts';
import type { LoadedModel, OpenedModel } from '../model/load.ts';
import { RewardErrorMonitor } from '../rewards/error-rate.ts';
import { Slots } from '../rewards/slots.ts';
import { assertFreeDisk } from '../run/folder.ts';
import { native } from '../tensor/binding.ts';
import type { Tokenizer } from '../text/tokenizer.ts';
import { optimizers } from '../training/optimizers/make-optimizer.ts';
import type { OptimizerName } from '../training/optimizers/make-optimizer.ts';
import type { Optimizer } from '../training/optimizers/optimizer.ts';
import { activationBytesPerToken, automaticTokenBudget } from '../training/pack.ts';
import type { MicroBatchLimit } from '../training/pack.ts';
import { scheduleOf } from '../training/schedule.ts';
import type { Schedule } from '../training/schedule.ts';
import type { ResolvedOptions } from './options.ts';
import { promptLimit, surveyPrompts } from './prompts.ts';
import type { PromptSettings, PromptSurvey } from './prompts.ts';

/** What is known and checked before the weights are read. */
export interface Prepared {
  options: ResolvedOptions;
  /** A model that is still to be read, or one that the caller brought. */
  model: { opened: OpenedModel } | { loaded: LoadedModel };
  tokenizer: Tokenizer;
  rounds: Rounds;
  /** Optimizer updates of the whole run. */
  totalSteps: number;
  /** Prompts in one round. */
  roundSize: number;
  /** Optimizer updates of one outer iteration; Infinity when there is one. */
  iterationSteps: number;
  /** Over one outer iteration. */
  schedule: Schedule;
  prompts: PromptSettings;
  /** null for a dataset whose rows come one by one. */
  survey: PromptSurvey | null;
}

/** What was chosen from the machine; fixed at start and recorded, so that a rerun does the same. */
export interface Plan {
  limit: MicroBatchLimit;
  checkpoint: boolean;
  slots: number;
}

/** All that the loop works with. */
export interface Run extends Prepared {
  policy: LoadedModel;
  /** null at β = 0. */
  reference: Decoder | null;
  optimizer: Optimizer;
  plan: Plan;
  slots: Slots;
  monitor: RewardErrorMonitor;
}

/** Checks everything that can be checked without weights. */
export async function prepare(options: ResolvedOptions, onMessage: (line: string) => void): Promise<Prepared> {
  chooseDevice(options.device);
  assertParts(options);
  if (chooseDType(options.dtype).dtype !== 'float32') {
    throw expected('dtype', "to be 'auto' or 'float32' for training", options.dtype, 'other types are not part of this version yet');
  }
  const dataset = await loadDataset(options.dataset as DatasetInput);
  if (dataset.kind === 'rows' && typeof options.prompt === 'string') requireColumn(dataset.rows, options.prompt);
  const model: Prepared['model'] = isLoaded(options.model)
    ? { loaded: options.model }
    : { opened: await openModel(options.model as string, { cacheDir: options.cacheDir, onMessage }) };
  try {
    const own = 'loaded' in model ? model.loaded : model.opened;
    const tokenizer = (options.tokenizer as Tokenizer | null) ?? own.tokenizer;
    const config = 'loaded' in model ? model.loaded.decoder.config : decoderConfig(model.opened.checkpoint.config);
    const prompts: PromptSettings = { ...options, tokenizer, limit: promptLimit(options, config.contextLength) };
    const survey = dataset.kind === 'rows' ? await surveyPrompts(dataset.rows, prompts) : null;
    const roundSize = options.promptsPerStep * options.stepsPerGeneration;
    const rounds =
      dataset.kind === 'rows'
        ? createRounds(survey!.rows, { roundSize, seed: options.seed, shuffle: options.shuffleDataset, epochs: epochsOf(options) })
        : createStreamRounds(dataset.rows, { roundSize });
    const { iterations, stepsPerIteration } = options;
    const fromData = rounds.totalRounds * options.stepsPerGeneration * options.numIterations;
    const planned = stepsPerIteration === null ? fromData : iterations * stepsPerIteration;
    const totalSteps = Math.min(options.maxSteps ?? Infinity, planned);
    const iterationSteps = iterations === 1 ? Infinity : (stepsPerIteration ?? Math.floor(planned / iterations));
    const scheduled = Math.min(totalSteps, iterationSteps);
    const schedule = scheduleOf(options.lrSchedulerType, { ...options, warmupSteps: warmupSteps(options, scheduled), totalSteps: scheduled });
    return { options, model, tokenizer, rounds, totalSteps, roundSize, iterationSteps, schedule, prompts, survey };
  } catch (error) {
    if ('opened' in model) model.opened.checkpoint.close();
    throw error;
  }
}

/** Reads the weights and makes what the loop needs beside them. */
export async function start(prepared: Prepared, onMessage: (line: string) => void): Promise<Run> {
  const { options, model, tokenizer } = prepared;
  native().setThreads(options.threads ?? availableParallelism());
  const read = 'loaded' in model ? model.loaded : await readModel(model.opened, { dtype: options.dtype, attention: options.attention, onMessage });
  const policy: LoadedModel = { ...read, tokenizer };
  const { decoder } = policy;
  for (const weight of decoder.weights.values()) weight.requiresGrad_();
  const optimizer = makeOptimizer(decoder, options);
  const plan = choosePlan(decoder.config, options, parameterCount(decoder), longestPrompt(prepared));
  onMessage(`updates are cut into micro-batches of at most ${limitText(plan.limit)}; ${plan.slots} completions decode at once`);
  return {
    ...prepared,
    policy,
    reference: options.beta === 0 ? null : copyDecoder(decoder),
    optimizer,
    plan,
    slots: new Slots(options.rewardConcurrency),
    monitor: new RewardErrorMonitor(options.maxRewardErrorRate),
  };
}

/** Frees what `start` made. A caller's own model goes on as it came: without gradients. */
export function freeRun({ optimizer, reference, model, policy }: Run): void {
  optimizer.dispose();
  if (reference) disposeDecoder(reference);
  if ('opened' in model) return disposeModel(policy);
  for (const weight of policy.decoder.weights.values()) {
    weight.grad = null;
    weight.requiresGrad_(false);
  }
}

/** Bytes that one save of a model needs on disk. */
export function saveBytes({ model, options }: Prepared): number {
  const bytes = bytesPerNumber(options.saveDtype ?? 'float32');
  if ('loaded' in model) return parameterCount(model.loaded.decoder) * bytes;
  const { checkpoint } = model.opened;
  return checkpoint.names().reduce((total, name) => total + checkpoint.info(name).shape.reduce((product, size) => product * size, 1) * bytes, 0);
}

/** Checks that the disk holds what the run will write: the final model, one more while it is replaced, and checkpoints. */
export async function assertRoom(prepared: Prepared, folder: string): Promise<void> {
  const { options, totalSteps } = prepared;
  const saves = options.saveSteps === null ? 0 : Math.min(Math.floor(totalSteps / options.saveSteps), (options.saveTotalLimit ?? Infinity) + 1);
  await assertFreeDisk(folder, saveBytes(prepared) * (1 + Math.min(saves, 1_000)), `the final model and ${saves} checkpoints`);
}

/** `runs/<recipe name>-<date>`; a file called recipe.ts is named after its folder. */
export function defaultFolder(recipePath: string | undefined, now: Date): string {
  const file = recipePath ? basename(recipePath).replace(/\.[^.]+$/, '') : 'grpo';
  const name = recipePath && file === 'recipe' ? basename(dirname(recipePath)) : file;
  const stamp = now.toISOString().slice(0, 19).replaceAll(':', '').replace('T', '-');
  return join('runs', `${name}-${stamp}`);
}

function isLoaded(model: unknown): model is LoadedModel {
  if (typeof model !== 'object' || model === null) return false;
  if ('decoder' in model && 'tokenizer' in model) return true;
  throw new InputError('Expected `model` to be a model reference or what loadModel() returned, got another object; pass one of the two.', { name: 'model' });
}

/** What the caller brought in place of ours must have its methods; their absence would show only after the first rollout. */
function assertParts({ optim, tokenizer }: ResolvedOptions): void {
  const parts = { optim: [optim, ['step', 'zeroGrad', 'dispose']], tokenizer: [tokenizer, ['encode', 'decode', 'decoder']] } as const;
  for (const [name, [part, methods]] of Object.entries(parts)) {
    if (typeof part !== 'object' || part === null) continue;
    const missing = methods.filter((method) => typeof (part as Record<string, unknown>)[method] !== 'function');
    if (missing.length > 0) throw expected(name, `to have the methods ${methods.join(', ')}`, `an object without ${missing.join(', ')}`, 'add them');
  }
}

/** How often the dataset is gone through; null = until the updates are done. */
function epochsOf({ iterations, stepsPerIteration, numTrainEpochs }: ResolvedOptions): number | null {
  if (iterations === 1) return numTrainEpochs;
  return stepsPerIteration === null ? iterations : null;
}

function warmupSteps({ warmupSteps: steps, warmupRatio }: ResolvedOptions, totalSteps: number): number {
  if (warmupRatio === 0) return steps;
  if (!Number.isFinite(totalSteps)) throw expected('warmupRatio', 'to be used with a run of known length', warmupRatio, 'give `maxSteps`, or `warmupSteps` instead');
  return Math.ceil(warmupRatio * totalSteps);
}

/** Tokens of the longest prompt, or what it may have at most where they are not known before. */
function longestPrompt({ survey, prompts }: Prepared): number {
  return survey ? survey.lengths.reduce((most, length) => Math.max(most, length), 0) : prompts.limit;
}

function choosePlan(config: DecoderConfig, options: ResolvedOptions, parameters: number, promptTokens: number): Plan {
  const bytes = bytesPerNumber('float32');
  const checkpoint = options.gradientCheckpointing === true;
  // Gradients, the packed weights of decoding, and a frozen reference. The memory of a named optimizer is taken by now; the
  // caller's own may take as much as AdamW's at its first step.
  const copies = 2 + (options.beta === 0 ? 0 : 1) + (typeof options.optim === 'string' ? 0 : 2);
  const available = process.availableMemory() - parameters * bytes * copies;
  const rowBytes = config.layers * 2 * config.keyValueHeads * config.headDim * options.maxCompletionLength * bytes;
  const wanted = options.numGenerations * options.promptsPerStep * options.stepsPerGeneration;
  const automatic = Math.max(1, Math.min(32, wanted, Math.floor((0.25 * available) / rowBytes)));
  const budget = () => automaticTokenBudget(config, bytes, available, checkpoint, promptTokens + options.numGenerations * options.maxCompletionLength);
  // A row that exceeds the budget alone is where recomputing pays.
  const needsCheckpoint = options.gradientCheckpointing === 'auto' && options.maxCompletionLength * activationBytesPerToken(config, bytes, false) > 0.4 * available;
  return {
    limit: options.microBatch === 'auto' ? { tokens: budget() } : options.microBatch,
    checkpoint: checkpoint || needsCheckpoint,
    slots: options.maxConcurrentRollouts === 'auto' ? automatic : options.maxConcurrentRollouts,
  };
}

/** The optimizer of a run, or the caller's own. */
export function makeOptimizer(decoder: Decoder, options: ResolvedOptions): Optimizer {
  if (typeof options.optim !== 'string') return options.optim as Optimizer;
  const vocabulary = new Set([decoder.embedding, decoder.head]);
  const hidden = [...decoder.weights.values()].filter((weight) => !vocabulary.has(weight));
  return optimizers[options.optim as OptimizerName].make({ vocabulary: [...vocabulary], hidden }, options);
}

function limitText(limit: MicroBatchLimit): string {
  return 'rows' in limit ? `${limit.rows} rows` : `${limit.tokens} tokens`;
}
