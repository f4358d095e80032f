/** What `tsrl run` and `tsrl grpo` share: from options to a finished, failed or interrupted run. */
import type { EventEmitter } from 'node:events';
import { InputError } from '../errors.ts';
import type { GrpoOptions } from '../grpo/option-schema.ts';
import { resolveOptions } from '../grpo/options.ts';
import { UsageError, kebab, given, type Assignment, type ParsedFlags } from './flags.ts';
import { exitCode, type Io } from './io.ts';

/** What the command line needs of a trainer. */
export interface StoppableRun {
  run(): Promise<object>;
  stop(reason: string): void;
}

/** Flags of a run, or of its estimate, that are not options. */
export const runFlagNames: ReadonlySet<string> = new Set(['help', 'json', 'dryRun', 'completionTokens', 'reward']);

/** Options that were checked, and the files that they came from. */
export interface CheckedOptions {
  options: GrpoOptions;
  recipePath?: string;
  rewardFiles: string[];
}

/** The assignments of a command line that set options of the run. */
export function optionAssignments({ assignments }: ParsedFlags): Assignment[] {
  return assignments.filter(({ path }) => !runFlagNames.has(path[0]!));
}

/**
 * Validates the options. What the command line got wrong is wrong usage; what a recipe got wrong is a failure.
 *
 * @param fromFlags names of the options that the command line set
 */
export function checkOptions(options: Partial<GrpoOptions>, fromFlags: ReadonlySet<string>): GrpoOptions {
  try {
    resolveOptions(options as GrpoOptions);
    return options as GrpoOptions;
  } catch (error) {
    throw asUsage(error, fromFlags);
  }
}

/** The error of an option as wrong usage, when the command line set the option; else as it is. */
export function asUsage(error: unknown, fromFlags: ReadonlySet<string>): unknown {
  const name = error instanceof InputError && typeof error.data.name === 'string' ? error.data.name.split(/[.[]/)[0]! : null;
  return name !== null && fromFlags.has(name) ? new UsageError((error as InputError).message, { flag: kebab(name) }, { cause: error }) : error;
}

/** Starts a run, or its rehearsal, and prints its result. */
export async function train(options: GrpoOptions, parsed: ParsedFlags, io: Io, context: { recipePath?: string; rewardFiles?: string[] }): Promise<number> {
  const asJson = given(parsed, 'json') === true;
  if (given(parsed, 'dryRun') === true) {
    const [{ dryRun }, { dryRunText }] = await Promise.all([import('../grpo/dry-run.ts'), import('./dry-run-text.ts')]);
    const report = await dryRun(options, context);
    io.out(asJson ? `${JSON.stringify(report)}\n` : dryRunText(report));
    return exitCode.done;
  }
  const { grpo } = await import('../grpo/trainer.ts');
  const trainer = grpo(options, context);
  const { interrupted, summary } = await runInterruptibly(trainer, io, process, () => process.exit(exitCode.interrupted));
  io.out(asJson ? `${JSON.stringify(summary)}\n` : `${trainer.runFolder}\n`);
  return interrupted ? exitCode.interrupted : exitCode.done;
}

/**
 * Runs to the end. The first Ctrl-C (or SIGTERM) asks the run to stop and save, the second leaves at once.
 *
 * @param signals where signals arrive
 * @param leave called at the second signal
 */
export async function runInterruptibly<T extends StoppableRun>(
  trainer: T,
  io: Io,
  signals: Pick<EventEmitter, 'on' | 'off'>,
  leave: () => void,
): Promise<{ interrupted: boolean; summary: Awaited<ReturnType<T['run']>> }> {
  let interrupted = false;
  const onSignal = (signal: string): void => {
    if (interrupted) return leave();
    interrupted = true;
    io.err('Stopping: this step is finished or dropped, then the weights are saved. Interrupt again to leave at once.\n');
    trainer.stop(signal);
  };
  const names = ['SIGINT', 'SIGTERM'];
  for (const name of names) signals.on(name, onSignal);
  try {
    const summary = (await trainer.run()) as Awaited<ReturnType<T['run']>>;
    return { interrupted, summary };
  } finally {
    for (const name of names) signals.off(name, onSignal);
  }
}
