/** The run folder: who may write in it, and the files that say what the run is and how it stands. */
import { mkdir, readdir, rm, rmdir, statfs, writeFile } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { ResourceError } from '../errors.ts';
import { writeFileAtomic } from './atomic.ts';
import { checkpointName } from './checkpoints.ts';
import { configDocument, fileHashes } from './config.ts';
import { folderError, takeLock, type Lock } from './lock.ts';
import type { WatchedRun } from './watchdog-signals.ts';

/** How a run stands. */
export type RunStatus = 'running' | 'finished' | 'failed' | 'interrupted';

/** The content of `state.json`. */
export interface RunState {
  status: RunStatus;
  /** Why it ended, in one line; null while it runs and when it finished by itself. */
  reason: string | null;
  /** Optimizer updates done. */
  step: number;
  /** The checkpoint with the best evaluation; left out where none is looked for. */
  best?: { step: number; metric: string; value: number } | null;
}

/** Everything a run writes at the top of its folder; what `overwrite` may remove, with the contents it knows below. */
const OWNED = ['state.json', 'config.json', 'metrics.jsonl', 'samples', 'checkpoints', 'final', 'profile'] as const;
const LOCK = 'run.lock';
const STATE = 'state.json';

/** A run folder that this process owns until `close`. */
export class RunFolder {
  /** Absolute. */
  readonly path: string;
  /** A sentence for the user when the lock of a dead run was taken over; else null. */
  readonly notice: string | null;
  readonly #lock: Lock;
  readonly #startedAt = new Date().toISOString();

  constructor(path: string, lock: Lock) {
    this.path = path;
    this.notice = lock.takenOver;
    this.#lock = lock;
  }

  get metricsFile(): string {
    return join(this.path, 'metrics.jsonl');
  }

  get samplesFolder(): string {
    return join(this.path, 'samples');
  }

  /** Samples of evaluations, each step's in a file of its own. */
  get evaluationSamplesFolder(): string {
    return join(this.samplesFolder, 'eval');
  }

  get checkpointsFolder(): string {
    return join(this.path, 'checkpoints');
  }

  get profileFolder(): string {
    return join(this.path, 'profile');
  }

  get finalFolder(): string {
    return join(this.path, 'final');
  }

  /** What a watchdog must know to end the run. */
  get watched(): WatchedRun {
    return { stateFile: join(this.path, STATE), lockFile: join(this.path, LOCK), checkpointsFolder: this.checkpointsFolder, startedAt: this.#startedAt };
  }

  /** Where the checkpoint after `step` updates stands. */
  checkpointFolder(step: number): string {
    return join(this.checkpointsFolder, checkpointName(step));
  }

  /**
   * Writes `config.json`: the resolved options with every default, functions by name, no secrets, and the sha256 of the
   * files the run was made from.
   *
   * @param config resolved options, and what was decided at start
   * @param files recipe and reward files
   */
  async writeConfig(config: Readonly<Record<string, unknown>>, files: readonly string[]): Promise<void> {
    const document = { ...configDocument(config), files: await fileHashes(files) };
    await writeFileAtomic(join(this.path, 'config.json'), `${JSON.stringify(document, null, 2)}\n`);
  }

  /** Replaces `state.json`. */
  async writeState({ status, reason, step, best }: RunState): Promise<void> {
    await writeState(this.path, { status, reason, step, ...(best === undefined ? {} : { best }), startedAt: this.#startedAt, updatedAt: new Date().toISOString() });
  }

  /** Gives the folder back; the last thing a run does. */
  async close(): Promise<void> {
    await this.#lock.release();
  }
}

/**
 * Makes a folder the folder of a new run.
 *
 * @param path as the user gave it
 * @param options.overwrite remove the run that is there: what a run writes, nothing else
 * @throws InputError when the folder cannot be written, is in use, holds another run, or holds files that a run would replace
 */
export async function openRunFolder(path: string, { overwrite = false } = {}): Promise<RunFolder> {
  const absolute = resolve(path);
  await assertWritable(absolute, path);
  const lock = await takeLock(join(absolute, LOCK), path);
  try {
    const found = OWNED.filter((name) => existsSync(join(absolute, name)));
    if (found.length > 0) {
      // Without state.json it is somebody's folder (a model's, say) whose files only look like ours.
      if (!found.includes('state.json')) {
        throw folderError('to be a new folder', path, `which holds ${found.join(', ')} but no run`, 'choose another folder');
      }
      if (!overwrite) {
        throw folderError('to be a new folder', path, 'which holds another run', 'choose another folder, or pass `overwrite` to replace that run');
      }
      await removeRun(absolute);
    }
    const folder = new RunFolder(absolute, lock);
    await folder.writeState({ status: 'running', reason: null, step: 0 });
    return folder;
  } catch (error) {
    await lock.release();
    throw error;
  }
}

async function writeState(folder: string, state: RunState & { startedAt: string; updatedAt: string }): Promise<void> {
  await writeFileAtomic(join(folder, STATE), `${JSON.stringify(state, null, 2)}\n`);
}

async function assertWritable(absolute: string, path: string): Promise<void> {
  const probe = join(absolute, `.tsrl-${process.pid}`);
  try {
    await mkdir(absolute, { recursive: true });
    await writeFile(probe, '');
    await rm(probe);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw folderError('to be a folder that can be written', path, `which cannot (${code})`, 'choose another folder or change its permissions');
  }
}

/** Removes what a run wrote. Foreign files, also inside `samples/` and `checkpoints/`, stay. */
async function removeRun(folder: string): Promise<void> {
  await rm(join(folder, 'config.json'), { force: true });
  await rm(join(folder, 'metrics.jsonl'), { force: true });
  await rm(join(folder, 'final'), { recursive: true, force: true });
  await removeMatching(join(folder, 'samples', 'eval'), /^\.?step-\d{6,}\.jsonl(\.tmp)?$/);
  await removeMatching(join(folder, 'samples'), /^\.?step-\d{6,}\.jsonl(\.tmp)?$/);
  await removeMatching(join(folder, 'checkpoints'), /^\.?step-\d{6,}(\.tmp|\.old)?$/);
  await removeMatching(join(folder, 'profile'), /^(summary\.(md|json)|trace\.json)$/);
  // Last, so that a removal cut short still leaves a folder that is recognised as a run.
  await rm(join(folder, 'state.json'), { force: true });
}

async function removeMatching(folder: string, pattern: RegExp): Promise<void> {
  const names = await readdir(folder).catch(() => []);
  await Promise.all(names.filter((name) => pattern.test(name)).map((name) => rm(join(folder, name), { recursive: true })));
  // Fails when something foreign is left inside, which then stays.
  await rmdir(folder).catch(() => undefined);
}

/**
 * Checks that a disk has room, before writing to it.
 *
 * @param folder where the files will be; need not exist yet
 * @param bytes how much will be written
 * @param what for the message: "the final model"
 * @throws ResourceError when less is free
 */
export async function assertFreeDisk(folder: string, bytes: number, what: string): Promise<void> {
  let existing = resolve(folder);
  while (!existsSync(existing) && dirname(existing) !== existing) existing = dirname(existing);
  const { bavail, bsize } = await statfs(existing);
  const free = bavail * bsize;
  if (free < bytes) {
    throw new ResourceError(
      `Expected ${gigabytes(bytes)} free on the disk of ${folder} for ${what}, got ${gigabytes(free)}; free some space or choose another \`outputDir\`.`,
      { folder, bytes, free, what },
    );
  }
}

function gigabytes(bytes: number): string {
  return `${(bytes / 1e9).toFixed(2)} GB`;
}
