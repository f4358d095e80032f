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
import { copyDecoder } from '../model/copies.ts';
import { disposeDecoder, parameterCount, trainedCount } from '../model/decoder.ts';
import type { Decoder } from '../model/decoder.ts';
import { decoderConfig } from '../model/families.ts';
import type { DecoderConfig } from '../model/decoder-config.ts';
import { bytesPerNumber, chooseDevice, chooseDType, disposeModel, openModel, readModel } from '../model/load.ts';
import type { LoadedModel, OpenedModel } from '../model/load.ts';
import { adaptDecoder, adapterShapes, createAdapter } from '../model/lora.ts';
import type { LoraSettings } from '../model/lora.ts';
import { RewardErrorMonitor } from '../rewards/error-rate.ts';
import { Slots } from '../rewards/slots.ts';
import { assertFreeDisk } from '../run/folder.ts';
import { native } from '../tensor/binding.ts';
import type { Tensor } from '../tensor/tensor.ts';
import type { Tokenizer } from '../text/tokenizer.ts';
import { optimizers } from '../training/optimizers/make-optimizer.ts';
import type { OptimizerName } from '../training/optimizers/make-optimizer.ts';
import type { Optimizer } from '../training/optimizers/optimizer.ts';
import { activationBytesPerToken, automaticTokenBudget } from '../training/pack.ts';
import type { MicroBatchLimit } from '../training/pack.ts';
import { scheduleOf } from '../training/schedule.ts';
import type { Schedule } from '../training/schedule.ts';
import { elementCount } from '../weights/dtype.ts';
import { evaluationPrompts } from './evaluation-prompts.ts';
import { planText } from './memory-limit.ts';
import type { ResolvedOptions } from './options.ts';
import { promptLimit, surveyPrompts } from './prompts.ts';
import type { PromptSettings, PromptSurvey } from './prompts.ts';
import type { Prompt } from './types.ts';

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
  /** What the run is evaluated on; null without `evalDataset`. */
  evaluation: Prompt[] | null;
}

/** What was chosen from the machine; recorded at start, so that a rerun does the same, and made smaller only when memory ends. */
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
    checkAdapter(own, config, options);
    const prompts: PromptSettings = { ...options, tokenizer, limit: promptLimit(options, config.contextLength) };
    const survey = dataset.kind === 'rows' ? await surveyPrompts(dataset.rows, prompts) : null;
    const evaluation = await evaluationPrompts(options, prompts, onMessage);
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
    return { options, model, tokenizer, rounds, totalSteps, roundSize, iterationSteps, schedule, prompts, survey, evaluation };
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
  const { lora } = options;
  const decoder = lora ? adaptDecoder(createAdapter(read.decoder, read.reference, lora, options.seed)) : read.decoder;
  const policy: LoadedModel = { ...read, decoder, tokenizer };
  for (const weight of decoder.trained.values()) weight.requiresGrad_();
  const optimizer = makeOptimizer(decoder, options);
  const plan = choosePlan(decoder, options, longestPrompt(prepared));
  const [trained, all] = [trainedCount(decoder), parameterCount(decoder)];
  onMessage(`training ${trained.toLocaleString('en-US')} of ${all.toLocaleString('en-US')} parameters (${((100 * trained) / all).toPrecision(3)}%)`);
  onMessage(`planned: ${planText(plan)}`);
  return {
    ...prepared,
    policy,
    reference: options.beta === 0 ? null : referenceOf(decoder, options),
    optimizer,
    plan,
    slots: new Slots(options.rewardConcurrency),
    monitor: new RewardErrorMonitor(options.maxRewardErrorRate),
  };
}

/** The policy as it begins. A new adapter changes nothing yet, so that the model without it is the reference: no second copy. */
function referenceOf(decoder: Decoder, { lora, iterations }: ResolvedOptions): Decoder {
  // A later iteration has another reference, which needs a place of its own.
  return lora && iterations === 1 ? decoder.adapter!.base : copyDecoder(decoder);
}

/** Frees what `start` made. A caller's own model goes on as it came: without gradients, and without this run's adapter. */
export function freeRun({ optimizer, reference, model, policy, options }: Run): void {
  const { decoder } = policy;
  optimizer.dispose();
  if (reference && reference !== decoder.adapter?.base) disposeDecoder(reference);
  if ('opened' in model) return disposeModel(policy);
  if (options.lora) return disposeDecoder(decoder);
  for (const weight of decoder.trained.values()) {
    weight.grad = null;
    weight.requiresGrad_(false);
  }
}

/** Bytes that one save of a model needs on disk. */
export function saveBytes({ model, options }: Prepared): number {
  return savedShapes(model, options.lora).reduce((total, shape) => total + elementCount(shape), 0) * bytesPerNumber(options.saveDtype ?? 'float32');
}

/** Shapes of the tensors that training changes. */
function savedShapes(model: Prepared['model'], lora: LoraSettings | null): (readonly number[])[] {
  if ('loaded' in model) return lora ? [...adapterShapes(model.loaded.decoder.config, lora).values()] : [...model.loaded.decoder.trained.values()].map(({ shape }) => shape);
  const { checkpoint, adapter } = model.opened;
  const settings = lora ?? adapter?.settings;
  return settings ? [...adapterShapes(decoderConfig(checkpoint.config), settings).values()] : checkpoint.names().map((name) => checkpoint.info(name).shape);
}

/** Checks that the disk holds what the run will write: the final model, one more while it is replaced, and checkpoints. */
export async function assertRoom(prepared: Prepared, folder: string): Promise<void> {
  const { options, totalSteps } = prepared;
  const every = (steps: number | null) => (steps === null ? 0 : Math.floor(totalSteps / steps));
  const best = options.metricForBestModel === null ? 0 : every(options.evalSteps);
  const saves = Math.min(every(options.saveSteps) + best, (options.saveTotalLimit ?? Infinity) + 1 + Math.min(best, 1));
  await assertFreeDisk(folder, saveBytes(prepared) * (1 + Math.min(saves, 1_000)), `the final model and ${saves} checkpoints`);
}

/** `runs/<recipe name>-<date>`; a file called recipe.ts is named after its folder. */
export function defaultFolder(recipePath: string | undefined, now: Date): string {
  const file = recipePath ? basename(recipePath).replace(/\.[^.]+$/, '') : 'grpo';
  const name = recipePath && file === 'recipe' ? basename(dirname(recipePath)) : file;
  const stamp = now.toISOString().slice(0, 19).replaceAll(':', '').replace('T', '-');
  return join('runs', `${name}-${stamp}`);
}

/** Whether `model` is a loaded model; else it is a reference. */
export function isLoaded(model: unknown): model is LoadedModel {
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

function choosePlan(decoder: Decoder, options: ResolvedOptions, promptTokens: number): Plan {
  const { config } = decoder;
  const bytes = bytesPerNumber('float32');
  const checkpoint = options.gradientCheckpointing === true;
  // Of what is trained: gradients and a frozen reference; of all weights: the packed ones of decoding. The memory of a named
  // optimizer is taken by now; the caller's own may take as much as AdamW's at its first step.
  const copies = 1 + (options.beta === 0 ? 0 : 1) + (typeof options.optim === 'string' ? 0 : 2);
  const available = process.availableMemory() - (trainedCount(decoder) * copies + parameterCount(decoder)) * bytes;
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
  const trained = [...decoder.trained.values()];
  const isVocabulary = (weight: Tensor) => weight === decoder.embedding || weight === decoder.head;
  const parameters = { vocabulary: trained.filter(isVocabulary), hidden: trained.filter((weight) => !isVocabulary(weight)) };
  return optimizers[options.optim as OptimizerName].make(parameters, options);
}

/** An adapter that cannot be made, or not be trained so, is refused before the weights are read. */
function checkAdapter(model: LoadedModel | OpenedModel, config: DecoderConfig, { lora, syncRefModel }: ResolvedOptions): void {
  const adapter = 'decoder' in model ? model.decoder.adapter : model.adapter;
  if (adapter && lora) throw expected('lora', 'to be left out for a model that has an adapter, which is trained on', lora, 'remove it, or merge the adapter first');
  if (adapter && syncRefModel) throw expected('syncRefModel', 'to be false for a model with an adapter', true, 'a mixture of the factors of two adapters is no mixture of the adapters; leave it out');
  if (lora) adapterShapes(config, lora);
}
