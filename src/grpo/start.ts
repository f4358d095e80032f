/**
 * Everything that happens before the first step, lightest first: options, dataset, model files, tokenizer, prompts, run
 * folder; the weights come last. Whatever is wrong is found before anything heavy starts or is written.
 */
import { availableParallelism } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { createRounds, createStreamRounds } from '../data/stream.ts';
import type { Rounds } from '../data/stream.ts';
import { requireColumn } from '../data/shape.ts';
import { loadDataset } from '../data/source.ts';
import type { DatasetInput } from '../data/source.ts';
import { expected, InputError } from '../errors.ts';
import { copyDecoder } from '../model/copies.ts';
import { blockCount, disposeDecoder, parameterCount, trainedCount } from '../model/decoder.ts';
import type { Decoder } from '../model/decoder.ts';
import { decoderConfig } from '../model/families.ts';
import type { AttentionKernel } from '../model/attention.ts';
import { fastDType, timeDTypes } from '../model/fast-dtype.ts';
import { bytesPerNumber, chooseDevice, disposeModel, openModel, readModel } from '../model/load.ts';
import type { DescribedModel, DTypeChoice, LoadedModel, OpenedModel } from '../model/load.ts';
import { adaptDecoder, adapterShapes, createAdapter } from '../model/lora.ts';
import type { LoraSettings } from '../model/lora.ts';
import { formatsOf } from '../model/read-weights.ts';
import { BlockMatrix } from '../model/weight.ts';
import { weightShapes } from '../model/weight-names.ts';
import { RewardErrorMonitor } from '../rewards/error-rate.ts';
import { closePools, openPools } from '../rewards/process-pool.ts';
import type { Pools } from '../rewards/process-pool.ts';
import type { CallWatch } from '../rewards/reward-call.ts';
import { openRewardModels } from '../rewards/reward-models.ts';
import type { RewardModels } from '../rewards/reward-models.ts';
import { Slots } from '../rewards/slots.ts';
import { assertFreeDisk } from '../run/folder.ts';
import { native } from '../tensor/binding.ts';
import type { Tokenizer } from '../text/tokenizer.ts';
import { LossScale } from '../training/loss-scale.ts';
import type { Optimizer } from '../training/optimizers/optimizer.ts';
import { scheduleOf } from '../training/schedule.ts';
import type { Schedule } from '../training/schedule.ts';
import { elementCount } from '../weights/dtype.ts';
import { choosePlan } from './choose-plan.ts';
import type { EstimatedPlan } from './choose-plan.ts';
import { evaluationPrompts } from './evaluation-prompts.ts';
import type { PolicySizes, Storage } from './memory-estimate.ts';
import { planText } from './plan.ts';
import type { Plan } from './plan.ts';
import { gigabytes } from './memory-size.ts';
import type { ResolvedOptions } from './options.ts';
import { promptLimit, surveyPrompts } from './prompts.ts';
import type { PromptSettings, PromptSurvey } from './prompts.ts';
import { checkOwnOptimizer, makeOptimizer, optimizerNotes } from './run-optimizer.ts';
import { kernelOf, memoryLimit, runSizes } from './run-sizes.ts';
import type { Prompt } from './types.ts';

/** What dataset, tokenizer and options make of a run. */
export interface Outline {
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
  /** What its memory depends on. */
  sizes: PolicySizes;
}

/** What is known and checked before the weights are read. */
export interface Prepared extends Outline {
  options: ResolvedOptions;
  /** A model that is still to be read, or one that the caller brought. */
  model: { opened: OpenedModel } | { loaded: LoadedModel };
  /** The processes of the isolated rewards, started before the weights are read. */
  pools: Pools;
  /** Models among the rewards, their weights still to be read. */
  rewardModels: RewardModels;
  /** The plan that the run begins with, and the peak that is estimated for it. */
  planned: EstimatedPlan;
  /** What the run is evaluated on; null without `evalDataset`. */
  evaluation: Prompt[] | null;
}

/** All that the loop works with. */
export interface Run extends Prepared {
  policy: LoadedModel;
  precision: DTypeChoice;
  /** Of a network in float16; null for the others. */
  lossScale: LossScale | null;
  /** null at β = 0. */
  reference: Decoder | null;
  optimizer: Optimizer;
  plan: Plan;
  slots: Slots;
  monitor: RewardErrorMonitor;
  /** Looks after rewards in this thread; left out where nobody does. */
  watch?: CallWatch;
}

/** What a run must know of its model before the weights are there. */
export type ModelOfRun = DescribedModel & { attention: AttentionKernel; storage: Storage | null };

/** Checks everything that can be checked without weights, and plans for the memory there is. */
export async function prepare(options: ResolvedOptions, onMessage: (line: string) => void): Promise<Prepared> {
  const dataset = await openDataset(options, onMessage);
  const model: Prepared['model'] = isLoaded(options.model)
    ? { loaded: options.model }
    : { opened: await openModel(options.model as string, { cacheDir: options.cacheDir, onMessage }) };
  try {
    checkOwnOptimizer('loaded' in model ? model.loaded : model.opened, options);
    checkBase(model, options);
    const outline = await outlineRun(options, dataset, described(model, options));
    const evaluation = await evaluationPrompts(options, outline.prompts, onMessage);
    const conversational = isConversational(outline, evaluation);
    const rewardModels = await openRewardModels(options.rewards, { ...options, conversational, onMessage });
    try {
      const planned = choosePlan({ ...outline.sizes, rewardModels: rewardModels.bytes }, options, memoryLimit(options));
      return { options, model, ...outline, evaluation, planned, rewardModels, pools: await openPools(options.rewards) };
    } catch (error) {
      rewardModels.dispose();
      throw error;
    }
  } catch (error) {
    if ('opened' in model) model.opened.checkpoint.close();
    throw error;
  }
}

/** The dataset, after what options alone can have wrong. */
export async function openDataset(options: ResolvedOptions, onMessage: (line: string) => void): Promise<Awaited<ReturnType<typeof loadDataset>>> {
  chooseDevice(options.device);
  assertParts(options);
  const dataset = await loadDataset(options.dataset as DatasetInput, { cacheDir: options.cacheDir, onMessage });
  if (dataset.kind === 'rows' && typeof options.prompt === 'string') requireColumn(dataset.rows, options.prompt);
  return dataset;
}

function described(model: Prepared['model'], { attention }: ResolvedOptions): ModelOfRun {
  if ('opened' in model) {
    const { checkpoint, adapter, tokenizer } = model.opened;
    return { config: decoderConfig(checkpoint.config), tokenizer, adapter: adapter?.settings ?? null, attention: kernelOf(attention), storage: null };
  }
  return modelInMemory(model.loaded);
}

/** What a run must know of a model that the caller brought. */
export function modelInMemory({ decoder, tokenizer }: LoadedModel): ModelOfRun {
  const blocks = [...decoder.weights.values()].filter((weight) => weight instanceof BlockMatrix);
  const bytes = blocks.reduce((sum, { blocks: held }) => sum + held.length, 0);
  const storage = { number: bytesPerNumber(decoder.dtype), block: blocks.length === 0 ? null : bytes / blocks.reduce((sum, { length }) => sum + length, 0) };
  return { config: decoder.config, tokenizer, adapter: decoder.adapter?.settings ?? null, attention: decoder.attention, storage };
}

/** Reads the prompts, and says how long a run is and what its memory depends on. */
export async function outlineRun(options: ResolvedOptions, dataset: Awaited<ReturnType<typeof loadDataset>>, model: ModelOfRun): Promise<Outline> {
  const tokenizer = (options.tokenizer as Tokenizer | null) ?? model.tokenizer;
  checkAdapter(model, options);
  const prompts: PromptSettings = { ...options, tokenizer, limit: promptLimit(options, model.config.contextLength) };
  const survey = dataset.kind === 'rows' ? await surveyPrompts(dataset.rows, prompts) : null;
  const roundSize = options.promptsPerStep * options.stepsPerGeneration;
  const rounds =
    dataset.kind === 'rows'
      ? createRounds(survey!.rows, { roundSize, seed: options.seed, shuffle: options.shuffleDataset, epochs: epochsOf(options) })
      : createStreamRounds(dataset, { roundSize, seed: options.seed, shuffle: options.shuffleDataset, epochs: epochsOf(options) });
  const { iterations, stepsPerIteration } = options;
  const fromData = rounds.totalRounds * options.stepsPerGeneration * options.numIterations;
  const planned = stepsPerIteration === null ? fromData : iterations * stepsPerIteration;
  const totalSteps = Math.min(options.maxSteps ?? Infinity, planned);
  const iterationSteps = iterations === 1 ? Infinity : (stepsPerIteration ?? Math.floor(planned / iterations));
  const scheduled = Math.min(totalSteps, iterationSteps);
  const schedule = scheduleOf(options.lrSchedulerType, { ...options, warmupSteps: warmupSteps(options, scheduled), totalSteps: scheduled });
  const sizes = runSizes(options, model, longestPrompt(survey, prompts));
  return { tokenizer, rounds, totalSteps, roundSize, iterationSteps, schedule, prompts, survey, sizes };
}

/** Whether prompts are lists of messages; null where that is not known before. */
function isConversational({ survey }: Outline, evaluation: readonly Prompt[] | null): boolean | null {
  if (evaluation?.some(({ source }) => typeof source !== 'string')) return true;
  return survey && survey.plainStrings < survey.rows.length;
}

/** Lets go of what `prepare` holds, for a run that does not start. */
export function dropPrepared({ model, pools, rewardModels }: Prepared): void {
  closePools(pools);
  rewardModels.dispose();
  if ('opened' in model) model.opened.checkpoint.close();
}

/** Reads the weights and makes what the loop needs beside them. */
export async function start(prepared: Prepared, onMessage: (line: string) => void): Promise<Run> {
  try {
    return await makeRun(prepared, onMessage);
  } catch (error) {
    closePools(prepared.pools);
    prepared.rewardModels.dispose();
    throw error;
  }
}

async function makeRun(prepared: Prepared, onMessage: (line: string) => void): Promise<Run> {
  const { options, model, tokenizer, planned } = prepared;
  native().setThreads(options.threads ?? availableParallelism());
  await prepared.rewardModels.read();
  const precision = choosePrecision(model, options);
  const read = 'loaded' in model ? model.loaded : await readModel(model.opened, { attention: options.attention, quantisation: options.quantisation, onMessage }, precision);
  const { lora } = options;
  const decoder = lora ? adaptDecoder(createAdapter(read.decoder, read.reference, lora, options.seed)) : read.decoder;
  const policy: LoadedModel = { ...read, decoder, tokenizer };
  for (const weight of decoder.trained.values()) weight.requiresGrad_();
  const optimizer = makeOptimizer(decoder, options);
  for (const line of optimizerNotes(decoder, optimizer, options)) onMessage(line);
  const [trained, all] = [trainedCount(decoder), parameterCount(decoder)];
  onMessage(`training ${trained.toLocaleString('en-US')} of ${all.toLocaleString('en-US')} parameters (${((100 * trained) / all).toPrecision(3)}%)`);
  onMessage(`planned: ${planText(planned.plan)}; about ${gigabytes(planned.peak)} at the peak${options.maxMemory === null ? '' : ', to stay below `maxMemory`'}`);
  return {
    ...prepared,
    policy,
    precision,
    lossScale: decoder.dtype === 'float16' ? new LossScale(options.lossScale) : null,
    reference: options.beta === 0 ? null : referenceOf(decoder, options),
    optimizer,
    plan: planned.plan,
    slots: new Slots(options.rewardConcurrency),
    monitor: new RewardErrorMonitor(options.maxRewardErrorRate),
  };
}

/** The dtype that the network computes in, and why. */
function choosePrecision(model: Prepared['model'], { dtype, optim }: ResolvedOptions): DTypeChoice {
  if ('loaded' in model) return { dtype: model.loaded.decoder.dtype, reason: 'as the model was loaded' };
  if (dtype !== 'auto') return { dtype, reason: 'as asked' };
  if (typeof optim === 'object') return { dtype: 'float32', reason: 'an optimizer of your own keeps no master copies' };
  return fastDType(timeDTypes(decoderConfig(model.opened.checkpoint.config)));
}

/** The policy as it begins. A new adapter changes nothing yet, so that the model without it is the reference: no second copy. */
function referenceOf(decoder: Decoder, { lora, iterations }: ResolvedOptions): Decoder {
  // A later iteration has another reference, which needs a place of its own.
  return lora && iterations === 1 ? decoder.adapter!.base : copyDecoder(decoder);
}

/** Frees what `start` made. A caller's own model goes on as it came: without gradients, and without this run's adapter. */
export function freeRun({ optimizer, reference, model, policy, options, pools, rewardModels }: Run): void {
  closePools(pools);
  const { decoder } = policy;
  rewardModels.dispose();
  optimizer.dispose();
  if (reference && reference !== decoder.adapter?.base) disposeDecoder(reference);
  if ('opened' in model) return disposeModel(policy);
  if (options.lora) return disposeDecoder(decoder);
  for (const weight of decoder.trained.values()) {
    weight.grad = null;
    weight.requiresGrad_(false);
  }
}

/** Bytes that one save of a model needs on disk at most. */
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

/** Prompts that come one by one are taken to be no longer than this, where `maxPromptLength` does not say. */
const unknownPrompt = 1024;

/** Tokens of the longest prompt, or of what is to be expected. */
function longestPrompt(survey: PromptSurvey | null, { limit, maxPromptLength }: PromptSettings): number {
  if (survey) return survey.lengths.reduce((most, length) => Math.max(most, length), 0);
  return maxPromptLength ?? Math.min(limit, unknownPrompt);
}

/** An adapter that cannot be made, or not be trained so, is refused before the weights are read. */
function checkAdapter({ adapter, config }: ModelOfRun, { lora, syncRefModel }: ResolvedOptions): void {
  if (adapter && lora) throw expected('lora', 'to be left out for a model that has an adapter, which is trained on', lora, 'remove it, or merge the adapter first');
  if (adapter && syncRefModel) throw expected('syncRefModel', 'to be false for a model with an adapter', true, 'a mixture of the factors of two adapters is no mixture of the adapters; leave it out');
  if (lora) adapterShapes(config, lora);
}

/** Blocks of a few bits cannot be trained, and not every file can be held in them. */
function checkBase(model: Prepared['model'], { lora, quantisation }: ResolvedOptions): void {
  const adapter = 'loaded' in model ? model.loaded.decoder.adapter : model.opened.adapter;
  if (!adapter && !lora && ('loaded' in model ? blockCount(model.loaded.decoder) > 0 : quantisation !== null)) {
    throw expected('lora', 'to be set for a quantised base, whose blocks cannot be trained', lora, 'set it, or leave `quantisation` out to train the weights themselves');
  }
  if ('opened' in model && quantisation !== null) {
    const { checkpoint } = model.opened;
    formatsOf(checkpoint, weightShapes(decoderConfig(checkpoint.config)), quantisation);
  }
}
