/** An evaluation from beginning to end: questions → completions → verdicts and rewards → records → summary. */
import { createHash } from 'node:crypto';
import { setMaxListeners } from 'node:events';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { expected } from '../errors.ts';
import { modelDefaults } from '../generate/model-defaults.ts';
import { computeAdvantages } from '../grpo/advantage.ts';
import { promptLimit } from '../grpo/prompts.ts';
import { RoundScoring } from '../grpo/reward.ts';
import type { Failures } from '../grpo/reward.ts';
import { rollout } from '../grpo/rollout.ts';
import type { RolloutOptions } from '../grpo/rollout.ts';
import { isLoaded } from '../grpo/start.ts';
import type { Group } from '../grpo/types.ts';
import { decoderConfig } from '../model/families.ts';
import type { DecoderConfig } from '../model/decoder-config.ts';
import { bytesPerNumber, chooseDevice, disposeModel, openModel, readModel } from '../model/load.ts';
import type { LoadedModel, OpenedModel } from '../model/load.ts';
import { RewardErrorMonitor } from '../rewards/error-rate.ts';
import { closePools, openPools } from '../rewards/process-pool.ts';
import type { Pools } from '../rewards/process-pool.ts';
import { openRewardModels } from '../rewards/reward-models.ts';
import type { RewardModels } from '../rewards/reward-models.ts';
import { batchFunction } from '../rewards/reward.ts';
import type { RewardSpec } from '../rewards/reward.ts';
import { Slots } from '../rewards/slots.ts';
import { configDocument, fileHashes } from '../run/config.ts';
import type { ProgressStream } from '../run/progress.ts';
import { native } from '../tensor/binding.ts';
import type { Tokenizer } from '../text/tokenizer.ts';
import { openEvaluation } from './evaluation-folder.ts';
import type { EvaluationFolder, EvaluationSettings } from './evaluation-folder.ts';
import { greedyAndMany, resolveEvaluation } from './evaluation-options.ts';
import type { EvaluationOptions, ResolvedEvaluation } from './evaluation-options.ts';
import { questionRecord } from './question-record.ts';
import type { QuestionRecord } from './question-record.ts';
import { evaluationRows, questionsFingerprint, readQuestions } from './questions.ts';
import type { Question } from './questions.ts';
import { summarise } from './summary.ts';
import type { EvaluationSummary } from './summary.ts';
import { weightsFingerprint } from './weights-fingerprint.ts';

/** What an evaluation is told besides its options. */
export interface EvaluationContext {
  /** Files that rewards came from; a changed one makes another evaluation. */
  rewardFiles?: string[];
  /** Where progress goes; default standard error, null for nowhere. */
  stream?: ProgressStream | null;
  /** Ends the evaluation between two tokens; what is finished stays, and the same call goes on with it. */
  signal?: AbortSignal;
}

/** What `evaluate` gives. */
export interface Evaluation {
  /** Absolute path of the folder with `evaluation.json`, `questions.jsonl` and `summary.json`. */
  folder: string;
  summary: EvaluationSummary;
  /** In the order of the dataset. */
  records: QuestionRecord[];
}

/** The options of sampling with the values that the model brings written out. */
type Sampling = Omit<RolloutOptions, 'slots'>;

/**
 * Evaluates a model on the questions of a dataset. In a folder that holds the same evaluation, finished questions are not
 * asked again.
 *
 * @throws InputError for options, rows or a folder that cannot be used, before the first token is generated
 * @throws RewardError when rewards fail too often
 */
export async function evaluate(input: EvaluationOptions, context: EvaluationContext = {}): Promise<Evaluation> {
  const options = resolveEvaluation(input);
  const { stream = process.stderr } = context;
  const say = (line: string) => void stream?.write(`${line}\n`);
  chooseDevice(options.device);
  const rows = await evaluationRows(options, say);
  const { opened, loaded } = await openedOrLoaded(options, say);
  const own = loaded ?? opened!;
  const tokenizer = (options.tokenizer as Tokenizer | null) ?? own.tokenizer;
  let [questions, sampling, rewardModels]: [Question[], Sampling | null, RewardModels | null] = [[], null, null];
  try {
    const config = loaded ? loaded.decoder.config : decoderConfig(opened!.checkpoint.config);
    sampling = samplingOf(options, loaded ? loaded.generationConfig : opened!.checkpoint.generationConfig, say);
    const limit = promptLimit({ maxPromptLength: options.maxPromptLength, maxCompletionLength: sampling.maxCompletionLength }, config.contextLength);
    questions = await readQuestions(rows, options, { ...options, tokenizer, limit });
    const conversational = questions.some(({ prompt }) => typeof prompt.source !== 'string');
    rewardModels = await openRewardModels(options.rewards, { ...options, conversational, onMessage: say });
  } catch (error) {
    opened?.checkpoint.close();
    throw error;
  }
  if (questions.length < rows.length) say(`${rows.length - questions.length} questions are too long and left out.`);

  try {
    native().setThreads(options.threads ?? availableParallelism());
    const read = loaded ?? (await readModel(opened!, { dtype: options.dtype, attention: options.attention, quantisation: options.quantisation, onMessage: say }));
    const model: LoadedModel = { ...read, tokenizer };
    try {
      const settings = await settingsOf(options, sampling, model, questions, context.rewardFiles ?? []);
      const folder = await openEvaluation(options.outputDir ?? defaultFolder(new Date()), settings, { overwrite: options.overwrite });
      try {
        say(`evaluating into ${folder.path}`);
        await answerRest(folder, model, questions, options, sampling, rewardModels, context, say);
        const records = folder.records.toSorted((a, b) => a.index - b.index);
        const summary = summarise(records, { ...options, model: model.reference, folder: folder.path });
        await folder.writeSummary(summary);
        return { folder: folder.path, summary, records };
      } finally {
        await folder.close();
      }
    } finally {
      if (!loaded) disposeModel(model);
    }
  } finally {
    rewardModels.dispose();
  }
}

/** Asks what is not answered yet; a question is judged and written while others are still answered. */
async function answerRest(
  folder: EvaluationFolder,
  model: LoadedModel,
  questions: readonly Question[],
  options: ResolvedEvaluation,
  sampling: Sampling,
  rewardModels: RewardModels,
  { signal, stream = process.stderr }: EvaluationContext,
  say: (line: string) => void,
): Promise<void> {
  const done = new Set(folder.records.map(({ index }) => index));
  const open = questions.filter(({ prompt }) => !done.has(prompt.index));
  if (done.size > 0) say(`${done.size} of ${questions.length} questions are answered already.`);
  if (open.length === 0) return;
  const golds = new Map(open.map(({ prompt, gold }) => [prompt.index, gold]));
  await rewardModels.read();
  const pools = await openPools(options.rewards);
  const scoring = scorer(options, pools);
  const abort = new AbortController();
  setMaxListeners(0, abort.signal);
  const forward = (): void => abort.abort(signal?.reason);
  if (signal?.aborted) forward();
  signal?.addEventListener('abort', forward, { once: true });
  const finish = async (group: Group): Promise<void> => {
    const { failed, logged } = await scoring(group, abort.signal);
    await folder.add(questionRecord(group, golds.get(group.prompt.index)!, options.modes, { failed, logged }));
    showProgress(folder.records.length, questions.length, stream);
  };
  const finishing: Promise<void>[] = [];
  const onGroup = (group: Group): void => void finishing.push(finish(group).catch((error: unknown) => abort.abort(error)));
  const slots = slotsFor(model.decoder.config, model.decoder.dtype, open.length * sampling.numGenerations, sampling.maxCompletionLength, options);
  try {
    // Each question draws with numbers of its own, so that those that are left draw as they would have in one go.
    await rollout(model, open.map(({ prompt }) => prompt), { ...sampling, slots }, 0, { onGroup, signal: abort.signal, keyOf: ({ index }) => index });
  } finally {
    // The last questions are scored after the last token.
    await Promise.all(finishing);
    closePools(pools);
    signal?.removeEventListener('abort', forward);
  }
  abort.signal.throwIfAborted();
}

/** Scores a group: its rewards and their weighted sums are filled in. */
function scorer({ rewards, rewardTimeoutMs, rewardConcurrency, maxRewardErrorRate }: ResolvedEvaluation, pools: Pools) {
  const slots = new Slots(rewardConcurrency);
  const monitor = new RewardErrorMonitor(maxRewardErrorRate);
  return async (group: Group, signal: AbortSignal): Promise<{ failed: Failures[]; logged: Record<string, number>[] }> => {
    const scoring = new RoundScoring({ specs: rewards, timeoutMs: rewardTimeoutMs, slots, pools, monitor, step: 0, progress: 1, signal });
    scoring.add(group, group.prompt.index);
    const { failed, logged } = await scoring.finish([group]);
    if (rewards.length > 0) {
      const scores = group.rewards.map((row) => rewards.map(({ name }) => row[name] ?? null));
      const errored = failed[0]!.map((names) => Object.keys(names).length > 0);
      group.reward = computeAdvantages([scores], { rewardWeights: rewards.map(({ weight }) => weight), errored: [errored] }).rewards[0]!;
    }
    return { failed: failed[0]!, logged: logged[0]! };
  };
}

async function openedOrLoaded({ model, cacheDir, base }: ResolvedEvaluation, onMessage: (line: string) => void): Promise<{ opened: OpenedModel | null; loaded: LoadedModel | null }> {
  if (isLoaded(model)) return { opened: null, loaded: model };
  return { opened: await openModel(model as string, { cacheDir, base, onMessage }), loaded: null };
}

/** What is given, else what the model brings, which is said, else the usual. */
function samplingOf(options: ResolvedEvaluation, generationConfig: Readonly<Record<string, unknown>> | null, say: (line: string) => void): Sampling {
  const byModel = modelDefaults(generationConfig);
  const taken: string[] = [];
  const pick = (given: number | null, name: keyof typeof byModel, otherwise: number): number => {
    const own = byModel[name];
    if (given !== null || !own) return given ?? otherwise;
    taken.push(own.said);
    return own.value;
  };
  const minP = pick(options.minP, 'minP', 0);
  const sampling: Sampling = {
    numGenerations: options.numGenerations,
    temperature: pick(options.temperature, 'temperature', 1),
    topP: pick(options.topP, 'topP', 1),
    topK: pick(options.topK, 'topK', 0),
    minP: minP > 0 ? minP : null,
    repetitionPenalty: pick(options.repetitionPenalty, 'repetitionPenalty', 1),
    maxCompletionLength: pick(options.maxCompletionLength, 'maxNewTokens', 512),
    minCompletionLength: pick(options.minCompletionLength, 'minNewTokens', 0),
    stopStrings: options.stopStrings,
    seed: options.seed,
    topEntropyQuantile: 1,
  };
  if (taken.length > 0) say(`from the model's generation_config.json: ${taken.join(', ')}`);
  if (sampling.numGenerations > 1 && sampling.temperature === 0) throw greedyAndMany(sampling.numGenerations);
  if (sampling.minCompletionLength > sampling.maxCompletionLength) {
    throw expected('minCompletionLength', `to be at most \`maxCompletionLength\` (${sampling.maxCompletionLength})`, sampling.minCompletionLength, 'lower it');
  }
  return sampling;
}

/** Everything that decides the result; functions by the hash of their source. */
async function settingsOf(options: ResolvedEvaluation, sampling: Sampling, model: LoadedModel, questions: readonly Question[], rewardFiles: readonly string[]): Promise<EvaluationSettings> {
  const { topEntropyQuantile: _, ...drawn } = sampling;
  const { answer, gold, modes, rewards } = options;
  return configDocument({
    model: { reference: model.reference, ...(options.base === null ? {} : { base: options.base }), dtype: model.decoder.dtype, weights: weightsFingerprint(model.decoder) },
    questions: { count: questions.length, sha256: questionsFingerprint(questions) },
    sampling: drawn,
    ...(answer === null ? {} : { answer, gold, extract: Object.fromEntries(modes.map(({ name, find, written }) => [name, find ? written : sha256(written)])) }),
    rewards: Object.fromEntries(rewards.map((spec) => [spec.name, { weight: spec.weight, function: functionText(spec) }])),
    rewardFiles: Object.fromEntries((await fileHashes(rewardFiles)).map(({ path, sha256: hash }) => [path, hash])),
  });
}

/** What tells a reward from another: the parameters of a built-in, the hash of a function's source. */
function functionText({ fn }: RewardSpec): unknown {
  const { toJSON } = fn as { toJSON?: () => unknown };
  return typeof toJSON === 'function' ? toJSON.call(fn) : sha256(String(batchFunction(fn) ?? fn));
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

/** Completions that decode at once: as many as a quarter of the free memory holds, at most 32. */
function slotsFor(config: DecoderConfig, dtype: LoadedModel['decoder']['dtype'], wanted: number, tokens: number, { maxConcurrentRollouts }: ResolvedEvaluation): number {
  if (maxConcurrentRollouts !== 'auto') return maxConcurrentRollouts;
  const rowBytes = config.layers * 2 * config.keyValueHeads * config.headDim * tokens * bytesPerNumber(dtype);
  return Math.max(1, Math.min(32, wanted, Math.floor((0.25 * process.availableMemory()) / rowBytes)));
}

/** At most about twenty lines. */
function showProgress(done: number, all: number, stream: ProgressStream | null): void {
  if (done === all || done % Math.ceil(all / 20) === 0) stream?.write(`${done} of ${all} questions\n`);
}

function defaultFolder(now: Date): string {
  return join('runs', `eval-${now.toISOString().slice(0, 19).replaceAll(':', '').replace('T', '-')}`);
}
