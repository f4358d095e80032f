/** A run from beginning to end: what is checked, shown, written and saved around the loop of train.ts. */
import { setMaxListeners } from 'node:events';
import { cp } from 'node:fs/promises';
import { basename, resolve } from 'node:path';
import { NonFiniteError, RewardError, TsrlError } from '../errors.ts';
import { savedBytes, saveModel } from '../model/load.ts';
import { saveCheckpoint } from '../run/checkpoints.ts';
import { writeFileAtomic } from '../run/atomic.ts';
import { assertFreeDisk, openRunFolder } from '../run/folder.ts';
import type { RunFolder, RunStatus } from '../run/folder.ts';
import { MemoryWatch } from '../run/memory-watch.ts';
import { appendMetrics } from '../run/metrics.ts';
import { Profile } from '../run/profile.ts';
import { meanMetrics, Progress } from '../run/progress.ts';
import type { ProgressStream } from '../run/progress.ts';
import { SampleWriter } from '../run/samples.ts';
import { noWarnings, promptWarnings, stepWarnings } from '../run/warnings.ts';
import type { Warning, WarningState } from '../run/warnings.ts';
import { isIsolated } from '../rewards/reward.ts';
import { native } from '../tensor/binding.ts';
import { profileOps } from '../tensor/profiler.ts';
import type { OpProfiler } from '../tensor/profiler.ts';
import { hasChatTemplate } from '../text/chat-template.ts';
import type { CallbackEvent, CallbackName } from './option-types.ts';
import { resolveOptions } from './options.ts';
import type { GrpoOptions } from './option-schema.ts';
import type { ResolvedOptions } from './options.ts';
import { sampleRecords } from './sample-records.ts';
import { assertRoom, defaultFolder, dropPrepared, freeRun, prepare, start } from './start.ts';
import type { Prepared, Run } from './start.ts';
import { train } from './train.ts';
import type { LoopStep } from './train.ts';
import { RunEvaluations } from './run-evaluations.ts';
import type { BestCheckpoint } from './evaluation.ts';
import type { StepRecord } from './types.ts';
import { watchRun } from './watch-run.ts';
import type { RunWatch } from './watch-run.ts';

/** What a run is told besides its options. */
export interface RunContext {
  /** File the recipe came from; hashed into `config.json`, and its name is the run's. */
  recipePath?: string;
  /** Files that rewards came from; hashed into `config.json`. */
  rewardFiles?: string[];
  /** Where progress, notes and warnings go; default standard error, null for nowhere. */
  stream?: ProgressStream | null;
}

/** How a run ended. */
export interface RunSummary {
  runFolder: string;
  status: RunStatus;
  /** Optimizer updates done. */
  steps: number;
  /** Folder of the trained model (`final/`, or the checkpoint of an interrupted run); null when there was no update. */
  model: string | null;
  /** Mean reward of each update that has one. */
  rewards: number[];
  /** The checkpoint with the best evaluation, by `metricForBestModel`, and its folder; null without one. */
  best: (BestCheckpoint & { folder: string }) | null;
}

/** A run: iterate over it for a record of each optimizer update, or `run()` it to the end. */
export interface GrpoTrainer extends AsyncIterable<StepRecord> {
  readonly options: ResolvedOptions;
  /** Absolute path of the run folder; it exists once the run has started. */
  readonly runFolder: string;
  run(): Promise<RunSummary>;
  /** Asks the run to end: the step at hand is finished or dropped, weights are saved, the state says `interrupted`. */
  stop(reason: string): void;
  /** Writes the policy as it is now, or as it was saved when the run ended, as a Hugging Face folder. */
  save(folder: string): Promise<void>;
}

/** Updates dropped in a row, under `onNonFinite: 'skip'`, at which the run ends all the same. */
const mostSkipped = 5;

/**
 * A GRPO run. Options are checked here; dataset, model and prompts when the run starts, before anything heavy.
 *
 * @throws InputError for options that cannot be used
 */
export function grpo(options: GrpoOptions, context: RunContext = {}): GrpoTrainer {
  return new Trainer(options, context);
}

class Trainer implements GrpoTrainer {
  readonly options: ResolvedOptions;
  readonly runFolder: string;
  readonly #cautions: string[];
  readonly #context: RunContext;
  readonly #abort = new AbortController();
  #started = false;
  #stopReason: string | null = null;
  #saveAsked = false;
  #run: Run | null = null;
  #watch: RunWatch | null = null;
  #folder: RunFolder | null = null;
  #progress: Progress | null = null;
  readonly #memory = new MemoryWatch();
  #samples: SampleWriter | null = null;
  #evaluations: RunEvaluations | null = null;
  #profile: { ops: OpProfiler; record: Profile } | null = null;
  #warned: WarningState = noWarnings;
  #sinceLog: Record<string, number>[] = [];
  #skipped = 0;
  #savedStep = 0;
  #summary: RunSummary;

  constructor(options: GrpoOptions, context: RunContext) {
    // Every reward in flight and every rollout listens to it; that many is no leak.
    setMaxListeners(0, this.#abort.signal);
    const resolved = resolveOptions(options);
    this.options = resolved.options;
    this.#cautions = resolved.warnings;
    this.#context = context;
    const folder = this.options.outputDir ?? defaultFolder(context.recipePath, new Date());
    this.runFolder = resolve(folder);
    this.#summary = { runFolder: this.runFolder, status: 'running', steps: 0, model: null, rewards: [], best: null };
  }

  stop(reason: string): void {
    this.#stopReason ??= reason;
    this.#abort.abort(new Error(reason));
  }

  async save(folder: string): Promise<void> {
    if (!this.#run) return this.#copySaved(folder);
    const { policy } = this.#run;
    await assertFreeDisk(folder, savedBytes(policy, this.options.saveDtype), 'the model');
    await saveModel(folder, policy, this.options.saveDtype);
  }

  /** After the end the weights are no longer in memory; what was saved last is the same model. */
  async #copySaved(folder: string): Promise<void> {
    const { model } = this.#summary;
    if (!model) throw new TsrlError('Expected save() on a run that has made an update, got one that has not; iterate over it or call run() first.');
    await cp(model, folder, { recursive: true });
  }

  async run(): Promise<RunSummary> {
    for await (const _ of this) {
      // Everything happens on the way.
    }
    return this.#summary;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<StepRecord> {
    if (this.#started) throw new TsrlError('Expected a new run, got one that was iterated before; call grpo() again.');
    this.#started = true;
    let failure: unknown = null;
    let ended = false;
    try {
      const run = await this.#begin();
      await this.#call('onTrainBegin', {});
      if (this.#evaluations!.isDue(0)) await this.#evaluateFirst();
      if (await this.#mayStep({})) {
        for await (const made of this.#untilAborted(run)) {
          const step = await this.#evaluated(made);
          await this.#afterStep(step);
          yield { step: step.step, metrics: step.metrics, groups: step.groups };
          if (step.step >= run.totalSteps || !(await this.#mayStep(step.metrics))) break;
        }
      }
      ended = true;
    } catch (error) {
      failure = error;
      throw error;
    } finally {
      // A consumer that leaves the loop ends up here without either.
      if (!ended && !failure) this.#stopReason ??= 'the loop over the run was left';
      await this.#end(failure);
    }
  }

  /** Checks, opens the folder, reads the weights. */
  async #begin(): Promise<Run> {
    const { stream = process.stderr } = this.#context;
    const say = (line: string) => stream?.write(`${line}\n`);
    for (const caution of this.#cautions) say(`Warning: ${caution}`);
    const prepared = await prepare(this.options, say);
    try {
      await assertRoom(prepared, this.runFolder);
      this.#folder = await openRunFolder(this.runFolder, { overwrite: this.options.overwrite });
    } catch (error) {
      dropPrepared(prepared);
      throw error;
    }
    if (this.#folder.notice) say(this.#folder.notice);
    if (this.options.profile) {
      const ops = profileOps();
      this.#profile = { ops, record: new Profile(this.#folder.profileFolder, ops.take) };
    }
    const run = await start(prepared, say);
    this.#run = run;
    this.#watch = watchRun(run, this.#folder.watched, (fault) => this.#progress?.say(`Warning: ${fault}`));
    this.#samples = new SampleWriter(this.#folder.samplesFolder);
    const notice = (line: string) => this.#progress?.say(line);
    this.#evaluations = new RunEvaluations(run, { samplesFolder: this.#folder.evaluationSamplesFolder, signal: this.#abort.signal, say: notice });
    const totalSteps = Number.isFinite(run.totalSteps) ? run.totalSteps : null;
    if (stream) this.#progress = new Progress({ totalSteps, loggingSteps: this.options.loggingSteps, stream });
    if (run.reference) say('With β above 0 the loss starts near 0 and grows with the KL to the reference. That is healthy: watch the reward.');
    this.#warnAboutPrompts(prepared);
    const isolated = this.options.rewards.flatMap(({ fn }) => (isIsolated(fn) ? [fn.file] : []));
    const files = [this.#context.recipePath, ...(this.#context.rewardFiles ?? []), ...isolated].filter((file) => file !== undefined);
    await this.#folder.writeConfig({ ...this.options, outputDir: this.runFolder, runName: this.options.runName ?? basename(this.runFolder), totalSteps, plan: run.plan, precision: run.precision, estimatedPeakBytes: run.planned.peak }, [...new Set(files)]);
    return run;
  }

  /** Announces the next step; false when the run was asked to stop before it, or is by the announcement. */
  async #mayStep(metrics: Readonly<Record<string, number>>): Promise<boolean> {
    if (this.#stopReason) return false;
    await this.#call('onStepBegin', metrics);
    return !this.#stopReason;
  }

  /** The loop; an abort in the middle of a step drops that step and ends the loop quietly. */
  async *#untilAborted(run: Run): AsyncGenerator<LoopStep> {
    try {
      yield* train(run, this.#abort.signal, this.#profile && ((...phase) => this.#profile?.record.phase(...phase)));
    } catch (error) {
      if (!this.#abort.signal.aborted || error !== this.#abort.signal.reason) throw error;
    }
  }

  /** The step with the figures of the evaluation that is due after it. When that fails, the step's own are written first. */
  async #evaluated(step: LoopStep): Promise<LoopStep> {
    this.#summary.steps = step.step;
    this.#watch?.updated(step.step);
    if (!this.#evaluations!.isDue(step.step)) return step;
    try {
      return { ...step, metrics: { ...step.metrics, ...(await this.#evaluate(step.step)) } };
    } catch (error) {
      await appendMetrics(this.#folder!.metricsFile, step.metrics);
      throw error;
    }
  }

  /** Before the first update there is no line of metrics to join. */
  async #evaluateFirst(): Promise<void> {
    const metrics = await this.#evaluate(0);
    if (Object.keys(metrics).length > 0) await appendMetrics(this.#folder!.metricsFile, { step: 0, epoch: 0, ...metrics });
  }

  async #evaluate(step: number): Promise<Record<string, number>> {
    const metrics = await this.#evaluations!.evaluate(step);
    if (Object.keys(metrics).length > 0) await this.#call('onEvaluate', metrics);
    return metrics;
  }

  /** Writes, shows and saves what one update left, in this order: facts on disk first. */
  async #afterStep(step: LoopStep): Promise<void> {
    const folder = this.#folder!;
    if (this.#memory.creeps(process.memoryUsage.rss())) native().trimMemory();
    if (step.metrics.reward !== undefined) this.#summary.rewards.push(step.metrics.reward);
    await appendMetrics(folder.metricsFile, step.metrics);
    if (this.options.logCompletions) this.#samples!.write(step.step, sampleRecords(step.step, step.groups, step));
    await this.#writeState('running', null);
    this.#show(step);
    await this.#judge(step);
    await this.#profile?.record.write();
    await this.#call('onStepEnd', step.metrics);
    await this.#log(step);
    const due = this.options.saveSteps !== null && step.step % this.options.saveSteps === 0;
    if (due || this.#saveAsked || this.#evaluations!.best?.step === step.step) await this.#checkpoint(step.step);
  }

  async #writeState(status: RunStatus, reason: string | null): Promise<void> {
    const { best, steps } = this.#summary;
    await this.#folder?.writeState({ status, reason, step: steps, ...(this.options.metricForBestModel === null ? {} : { best: best && { step: best.step, metric: best.metric, value: best.value } }) });
  }

  #show(step: LoopStep): void {
    this.#progress?.step(step.step, step.metrics);
    for (const { reward, sample, message } of step.failures) this.#progress?.say(`Warning: reward \`${reward}\` failed on sample ${sample}: ${message}`);
    for (const message of step.shrunk) this.#progress?.say(`Warning: ${message}`);
    const { state, warnings } = stepWarnings(this.#warned, step.metrics);
    this.#warned = state;
    this.#warn(warnings);
    const shown = step.groups.flatMap((group) => group.rollouts.map((completion, g) => ({ text: completion.text, reward: group.reward[g] })));
    if (step.step % this.options.loggingSteps !== 0) return;
    for (const { text, reward } of shown.slice(0, this.options.numCompletionsToPrint)) this.#progress?.say(`[reward ${reward}] ${text}`);
  }

  /** What happens to a loss or gradient that is not finite. The weights are those of the last good update. */
  async #judge(step: LoopStep): Promise<void> {
    this.#skipped = step.finite ? 0 : this.#skipped + 1;
    if (step.finite) return;
    const rows = sampleRecords(step.step, step.groups, step);
    const file = `${this.#folder!.path}/non-finite-step-${step.step}.jsonl`;
    await writeFileAtomic(file, rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
    if (this.options.onNonFinite === 'skip' && this.#skipped < mostSkipped) {
      this.#progress?.say(`Warning: update ${step.step} was dropped: its loss or gradient is not finite; its rows are in ${file}`);
      return;
    }
    await this.#checkpoint(step.step);
    throw new NonFiniteError(
      `Expected a finite loss and gradient, got loss ${step.metrics.loss} and gradient norm ${step.metrics.grad_norm} at update ${step.step}; ` +
        `the weights of the last good update are saved, the rows are in ${file}; lower the learning rate or look at those rows.`,
      { step: step.step, rows: file },
    );
  }

  async #log(step: LoopStep): Promise<void> {
    this.#sinceLog.push(step.metrics);
    if (step.step % this.options.loggingSteps !== 0) return;
    await this.#call('onLog', meanMetrics(this.#sinceLog));
    this.#sinceLog = [];
  }

  async #checkpoint(step: number): Promise<void> {
    this.#saveAsked = false;
    if (this.#savedStep === step) return;
    const { checkpointsFolder } = this.#folder!;
    const savedTo = await saveCheckpoint(checkpointsFolder, step, (folder) => this.save(folder), { saveTotalLimit: this.options.saveTotalLimit, best: this.#evaluations!.best?.step ?? null });
    this.#savedStep = step;
    this.#summary.model = savedTo;
    const { best } = this.#evaluations!;
    if (best?.step === step) {
      this.#summary.best = { ...best, folder: savedTo };
      await this.#writeState('running', null);
    }
    await this.#call('onSave', {}, savedTo);
  }

  /** Final model or last checkpoint, state, lock, memory. */
  async #end(failure: unknown): Promise<void> {
    let error = failure;
    try {
      this.#progress?.end();
      await this.#samples?.close();
      await this.#evaluations?.close();
      if (!error) await this.#saveLast();
    } catch (late) {
      error ??= late;
    }
    const status: RunStatus = error ? 'failed' : this.#stopReason ? 'interrupted' : 'finished';
    const reason = error ? firstLine(error) : this.#stopReason;
    this.#summary.status = status;
    try {
      await this.#writeState(status, reason);
    } finally {
      await this.#watch?.close();
      await this.#folder?.close();
      await this.#free();
    }
    // The caller is already throwing `failure`.
    if (error !== failure) throw error;
  }

  async #saveLast(): Promise<void> {
    const { steps } = this.#summary;
    if (!this.#stopReason) {
      const { finalFolder } = this.#folder!;
      await this.save(finalFolder);
      this.#summary.model = finalFolder;
      await this.#call('onSave', {}, finalFolder);
    } else if (steps > 0) {
      await this.#checkpoint(steps);
    }
    await this.#call('onTrainEnd', {});
  }

  async #free(): Promise<void> {
    this.#profile?.ops.stop();
    const run = this.#run;
    if (!run) return;
    this.#run = null;
    freeRun(run);
    await run.rounds.close();
  }

  #warnAboutPrompts({ survey, prompts, tokenizer }: Prepared): void {
    if (!survey) return;
    if (survey.skipped > 0) this.#progress?.say(`${survey.skipped} prompts of more than ${prompts.limit} tokens are left out.`);
    if (survey.truncated > 0) this.#progress?.say(`${survey.truncated} prompts are cut to their last ${prompts.limit} tokens.`);
    const facts = { hasChatTemplate: hasChatTemplate(tokenizer.files), plainStrings: survey.plainStrings, lengths: survey.lengths, limit: prompts.limit };
    const { state, warnings } = promptWarnings(this.#warned, facts);
    this.#warned = state;
    this.#warn(warnings);
  }

  #warn(warnings: readonly Warning[]): void {
    for (const { message } of warnings) this.#progress?.say(`Warning: ${message}`);
  }

  async #call(name: CallbackName, metrics: Readonly<Record<string, number>>, savedTo?: string): Promise<void> {
    const event: CallbackEvent = {
      step: this.#summary.steps,
      totalSteps: this.#run!.totalSteps,
      runFolder: this.runFolder,
      metrics,
      ...(savedTo === undefined ? {} : { savedTo }),
      stop: (reason) => void (this.#stopReason ??= reason),
      save: () => void (this.#saveAsked = true),
      evaluate: () => this.#evaluations!.ask(),
    };
    for (const callback of this.options.callbacks) await callback[name]?.(event);
  }
}

function firstLine(error: unknown): string {
  const text = error instanceof Error ? `${error instanceof RewardError ? 'reward: ' : ''}${error.message}` : String(error);
  return text.split('\n')[0]!;
}
