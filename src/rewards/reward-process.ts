/** One process of an isolated reward, seen from the run: started ahead, given one call at a time, ended when it hangs. */
import { fork } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { InputError } from '../errors.ts';
import { asFromProcess } from './process-messages.ts';
import type { FromProcess, ToProcess } from './process-messages.ts';
import type { UnscoredSample } from './reward-call.ts';
import type { IsolatedReward } from './reward.ts';

/** A process must have loaded its file by then. */
const LOAD_MS = 60_000;
/** What a call may still take once it is told to end; then its process is killed. */
const GRACE_MS = 250;
const MEMORY_POLL_MS = 100;
/** What the heap of a process may hold beside what its reward takes: compiled modules, ours and the reward's. */
const RUNTIME_MB = 128;

/** An answer, with what the reward logged about each sample. */
export interface ProcessAnswer {
  value: unknown;
  logged: Record<string, number>[];
}

interface Pending {
  number: number;
  resolve(answer: ProcessAnswer): void;
  reject(error: Error): void;
}

/** A process of its own for one reward file. */
export class RewardProcess {
  readonly #child: ChildProcess;
  readonly #name: string;
  readonly #memoryMb: number;
  /** Resolves when the file is loaded; rejects when that fails. */
  readonly ready: Promise<void>;
  #becomeReady!: () => void;
  #refuse!: (error: Error) => void;
  #loaded = false;
  #many = false;
  /** Bytes it held when the file was loaded. */
  #rss = 0;
  /** Why it is gone; null while it lives. */
  #gone: Error | null = null;
  /** What we ended it for. */
  #killedFor: string | null = null;
  #calls = 0;
  #pending: Pending | null = null;

  constructor(name: string, { file, memoryMb }: IsolatedReward) {
    this.#name = name;
    this.#memoryMb = memoryMb;
    // A process group of its own: Ctrl-C in a terminal is for the run alone, and what a reward started ends with it.
    this.#child = fork(programPath(), [file], {
      detached: true,
      serialization: 'advanced',
      stdio: ['ignore', 2, 2, 'ipc'],
      execArgv: [...loaderFlags(process.execArgv), `--max-old-space-size=${memoryMb + RUNTIME_MB}`],
    });
    this.#child.on('message', (message) => this.#hear(asFromProcess(message)));
    this.#child.on('exit', (code, signal) => this.#end(this.#endedError(code, signal)));
    this.#child.on('error', (cause) => this.#end(new Error(`The process of reward \`${name}\` could not be started (${cause.message})`, { cause })));
    // It never keeps the program alive that started it.
    this.#child.unref();
    this.#child.channel?.unref();
    this.ready = new Promise((resolve, reject) => {
      this.#becomeReady = resolve;
      this.#refuse = reject;
    });
    const timer = setTimeout(() => this.kill(`had not loaded its file after ${LOAD_MS} ms`), LOAD_MS);
    // Whoever waits for it hears of it; a process that nobody waits for may fail in silence.
    this.ready.finally(() => clearTimeout(timer)).catch(() => undefined);
  }

  /** Whether the file was loaded, be the process alive or not. */
  get loaded(): boolean {
    return this.#loaded;
  }

  get alive(): boolean {
    return this.#gone === null && this.#killedFor === null;
  }

  /** Whether the reward takes a list of samples. Known once it is ready. */
  get many(): boolean {
    return this.#many;
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  /**
   * Scores samples. Settles only when the process is free again, or dead.
   *
   * @param signal tells the reward to end; after a moment the process is killed
   * @throws the reason of the signal, the reward's own error, or one that says how the process ended
   */
  async call(samples: UnscoredSample[], signal: AbortSignal): Promise<ProcessAnswer> {
    if (this.#gone) throw this.#gone;
    const number = ++this.#calls;
    const answer = new Promise<ProcessAnswer>((resolve, reject) => (this.#pending = { number, resolve, reject }));
    let grace: NodeJS.Timeout | undefined;
    const onAbort = (): void => {
      this.#say({ kind: 'abort', call: number, reason: String((signal.reason as Error | undefined)?.message ?? signal.reason) });
      grace = setTimeout(() => this.kill('was ended at its deadline'), GRACE_MS);
    };
    signal.addEventListener('abort', onAbort, { once: true });
    const memory = setInterval(() => void this.#watchMemory(number), MEMORY_POLL_MS);
    try {
      this.#say({ kind: 'score', call: number, samples });
      const result = await answer;
      signal.throwIfAborted();
      return result;
    } catch (error) {
      signal.throwIfAborted();
      throw error;
    } finally {
      clearTimeout(grace);
      clearInterval(memory);
      signal.removeEventListener('abort', onAbort);
      this.#pending = null;
    }
  }

  /** Ends it and what it started, whatever it is doing. */
  kill(why: string): void {
    if (!this.alive) return;
    this.#killedFor = why;
    const { pid } = this.#child;
    if (pid === undefined) return;
    try {
      process.kill(-pid, 'SIGKILL');
    } catch {
      // It ended a moment ago, which the exit event reports.
    }
  }

  #say(message: ToProcess): void {
    // A channel that broke is followed by the exit event; a sample that cannot be sent throws here.
    this.#child.send(message, () => undefined);
  }

  #hear(message: FromProcess | null): void {
    if (!message) return;
    if (message.kind === 'ready') {
      this.#many = message.many;
      this.#rss = message.rss;
      this.#loaded = true;
      this.#becomeReady();
    } else if (message.kind === 'refused') {
      this.kill('could not load its file');
      this.#end(new InputError(message.message, { name: 'rewards', reward: this.#name }));
    } else if (message.call === this.#pending?.number) {
      if (message.kind === 'answer') this.#pending.resolve({ value: message.value, logged: message.logged });
      else this.#pending.reject(Object.assign(new Error(message.error.message), message.error));
    }
  }

  #end(error: Error): void {
    this.#gone ??= error;
    this.#refuse(error);
    this.#pending?.reject(error);
  }

  #endedError(code: number | null, signal: NodeJS.Signals | null): Error {
    const how = this.#killedFor ?? (signal === null ? `ended with exit code ${code}` : `was ended by ${signal}`);
    const memory = signal === 'SIGABRT' || code === 134 ? `, most likely for want of memory (\`memoryMb\` ${this.#memoryMb})` : '';
    return new Error(`The process of reward \`${this.#name}\` ${how}${memory}`);
  }

  /** The heap has a limit of its own; buffers and native memory are seen only from outside, where the system tells. */
  async #watchMemory(call: number): Promise<void> {
    const status = await readFile(`/proc/${this.#child.pid}/status`, 'utf8').catch(() => '');
    const taken = 1024 * Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1] ?? 0) - this.#rss;
    if (taken > this.#memoryMb * 1e6 && this.#pending?.number === call) this.kill(`was ended because it took ${Math.round(taken / 1e6)} MB (\`memoryMb\` ${this.#memoryMb})`);
  }
}

/** The program of such a process: beside this room, because it loads files that may import all of tsrl. */
function programPath(): string {
  const here = import.meta.url;
  return fileURLToPath(new URL(`../reward-program${extname(here)}`, here));
}

/** The flags of this process that say how modules are loaded; others (a debugger's port, a program given as text) are its own. */
export function loaderFlags(flags: readonly string[]): string[] {
  const names = ['--import', '--require', '-r', '--loader', '--experimental-loader'];
  return flags.flatMap((flag, i) => {
    if (names.includes(flag)) return [flag, flags[i + 1]!];
    return names.some((name) => flag.startsWith(`${name}=`)) ? [flag] : [];
  });
}
