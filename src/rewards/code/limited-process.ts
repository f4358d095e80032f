/**
 * One process with limits: a process group of its own, a deadline after which the whole group is killed, an end to what it
 * may print, an environment of named variables, no shell. It is no security border: the process has the rights of its user.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { accessSync, constants, statSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { delimiter, join, resolve } from 'node:path';
import { InputError, ResourceError } from '../../errors.ts';

/** What to run, and how far. */
export interface LimitedRun {
  /** Absolute path and arguments. */
  argv: readonly string[];
  folder: string;
  environment: Readonly<Record<string, string>>;
  /** Text of standard input. */
  input: string;
  timeoutMs: number;
  memoryMb: number | null;
  signal: AbortSignal;
}

/** How it ended. */
export interface LimitedEnd {
  stdout: string;
  /** The end of what it said on standard error. */
  stderr: string;
  /** Null when a signal ended it. */
  exitCode: number | null;
  /** The limit that ended it; null when it ended by itself. */
  limit: 'time' | 'output' | null;
}

/** Bytes that a process may print; more ends it. */
const OUTPUT_BYTES = 4 * 2 ** 20;
/** Bytes of one file that it may write, where `prlimit` is. */
const FILE_BYTES = 64 * 2 ** 20;
/** Characters of standard error that are kept. */
const STDERR_LENGTH = 4_096;
/** A pipe that a process outside the group holds open is closed after so long, ms. */
const DRAIN_MS = 500;

/** Leaders of the groups that run now; killed when this process ends. */
const running = new Set<number>();
let watchesExit = false;

/**
 * The file that a command's name means, looked for in PATH as a shell does.
 *
 * @throws InputError when there is none that can be run
 */
export function findCommand(name: string): string {
  const path = lookUp(name);
  if (path !== null) return path;
  throw new InputError(`Expected \`command\` to name a program, got ${JSON.stringify(name)}, which is not found; install it, or give its whole path.`, { name });
}

function lookUp(name: string): string | null {
  const places = /[/\\]/.test(name) ? [resolve(name)] : (process.env['PATH'] ?? '').split(delimiter).map((folder) => join(folder, name));
  return places.find(isProgram) ?? null;
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

/**
 * A memory limit needs `prlimit` of util-linux.
 *
 * @throws InputError where a limit is wanted and the platform has no `prlimit`
 */
export function requireMemoryLimit(memoryMb: number | null): void {
  if (memoryMb !== null && lookUp('prlimit') === null) {
    throw new InputError(`Expected \`memoryMb\` to be null where there is no \`prlimit\`, got ${memoryMb}; install util-linux, or set null and run without a limit.`, { memoryMb });
  }
}

/** The command under the limits that the system itself enforces. */
function limited({ argv, memoryMb, timeoutMs }: LimitedRun): readonly string[] {
  const prlimit = lookUp('prlimit');
  if (prlimit === null) return argv;
  // CPU seconds, of all threads, bound what the deadline cannot reach: a process that left the group.
  const cpuSeconds = (Math.ceil(timeoutMs / 1000) + 1) * availableParallelism();
  const limits = ['--core=0', `--fsize=${FILE_BYTES}`, `--cpu=${cpuSeconds}:${cpuSeconds + 1}`];
  if (memoryMb !== null) limits.push(`--as=${memoryMb * 2 ** 20}`);
  return [prlimit, ...limits, '--', ...argv];
}

/**
 * Runs a command to its end or its limit. Nothing of its group is left when this returns.
 *
 * @throws the reason of `signal` when it is aborted; ResourceError when the process cannot be started
 */
export async function runLimited(run: LimitedRun): Promise<LimitedEnd> {
  run.signal.throwIfAborted();
  const [program, ...args] = limited(run);
  const child = spawn(program!, args, { cwd: run.folder, env: { ...run.environment }, detached: true, shell: false, stdio: ['pipe', 'pipe', 'pipe'] });
  if (child.pid !== undefined) watch(child.pid);
  let limit: LimitedEnd['limit'] = null;
  const end = (why: LimitedEnd['limit']): void => {
    limit ??= why;
    killGroup(child);
  };
  const timer = setTimeout(() => end('time'), run.timeoutMs);
  const onAbort = (): void => end('time');
  run.signal.addEventListener('abort', onAbort, { once: true });
  const printed = collect(child, () => end('output'));
  // A program may end without reading its input.
  child.stdin.on('error', () => {});
  child.stdin.end(run.input);
  try {
    const { exitCode, signal } = await ended(child);
    run.signal.throwIfAborted();
    return { ...printed(), exitCode, limit: signal === 'SIGXCPU' ? 'time' : limit };
  } finally {
    clearTimeout(timer);
    run.signal.removeEventListener('abort', onAbort);
    if (child.pid !== undefined) running.delete(child.pid);
  }
}

/** Keeps what a process prints, up to the limit. */
function collect(child: ChildProcess, onTooMuch: () => void): () => { stdout: string; stderr: string } {
  const out: Buffer[] = [];
  let size = 0;
  let stderr = '';
  const fits = (length: number): boolean => {
    size += length;
    if (size > OUTPUT_BYTES) onTooMuch();
    return size <= OUTPUT_BYTES;
  };
  child.stdout!.on('data', (bytes: Buffer) => {
    if (fits(bytes.length)) out.push(bytes);
  });
  child.stderr!.setEncoding('utf8').on('data', (text: string) => {
    if (fits(text.length)) stderr = (stderr + text).slice(-STDERR_LENGTH);
  });
  return () => ({ stdout: Buffer.concat(out).toString('utf8'), stderr });
}

/** Waits for the process and its pipes; what it left behind in its group is killed. */
function ended(child: ChildProcess): Promise<{ exitCode: number | null; signal: NodeJS.Signals | null }> {
  return new Promise((done, reject) => {
    child.once('error', (cause) => reject(new ResourceError(`Expected the command to start, got ${cause.message}; check processes and memory.`, {}, { cause })));
    child.once('exit', (exitCode, signal) => {
      killGroup(child);
      const drain = setTimeout(() => {
        child.stdout!.destroy();
        child.stderr!.destroy();
      }, DRAIN_MS);
      child.once('close', () => {
        clearTimeout(drain);
        done({ exitCode, signal });
      });
    });
  });
}

function watch(pid: number): void {
  running.add(pid);
  if (watchesExit) return;
  watchesExit = true;
  process.once('exit', () => {
    for (const one of running) killPid(one);
  });
}

function killGroup({ pid }: ChildProcess): void {
  if (pid !== undefined) killPid(pid);
}

function killPid(pid: number): void {
  try {
    // Below 0: the whole group. Windows has none and ends the process alone.
    process.kill(process.platform === 'win32' ? pid : -pid, 'SIGKILL');
  } catch {
    // The group has ended by itself.
  }
}
