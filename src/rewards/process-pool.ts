/** The processes of an isolated reward: so many at once, started ahead, replaced when they end. */
import { InputError } from '../errors.ts';
import { isIsolated } from './reward.ts';
import type { IsolatedReward, RewardSpec } from './reward.ts';
import { RewardProcess } from './reward-process.ts';
import { Slots } from './slots.ts';

/** The processes of one reward. */
export class ProcessPool {
  readonly #name: string;
  readonly #settings: IsolatedReward;
  readonly #slots: Slots;
  /** Those without a call, the one that has waited longest first. */
  readonly #free: RewardProcess[];
  readonly #all = new Set<RewardProcess>();
  readonly #onExit = (): void => this.close();
  #closed = false;

  /** Starts all processes, and returns at once. */
  constructor(name: string, settings: IsolatedReward) {
    this.#name = name;
    this.#settings = settings;
    this.#slots = new Slots(settings.processes);
    this.#free = Array.from({ length: settings.processes }, () => this.#start());
    process.on('exit', this.#onExit);
  }

  /**
   * Waits for the first process to have loaded the file.
   *
   * @throws InputError when it cannot be loaded
   */
  async open(): Promise<void> {
    try {
      await this.#free[0]!.ready;
    } catch (error) {
      if (error instanceof InputError) throw error;
      throw new InputError(`Expected the reward \`${this.#settings.file}\` to load, got none: ${(error as Error).message}; correct the file.`, { name: 'rewards', reward: this.#name }, { cause: error });
    }
  }

  /** Whether the reward takes a list of samples; known after `open`. */
  get many(): boolean {
    return [...this.#all].some(({ many }) => many);
  }

  /** The processes that live. */
  get pids(): number[] {
    return [...this.#all].flatMap(({ alive, pid }) => (alive && pid !== undefined ? [pid] : []));
  }

  /**
   * Runs `work` with a process that is ready for a call. Where none can be started, `work` is given one that answers every
   * call with the reason.
   */
  async run<T>(work: (member: RewardProcess) => Promise<T>, signal?: AbortSignal): Promise<T> {
    return this.#slots.run(async () => {
      signal?.throwIfAborted();
      let member = this.#free.shift()!;
      if (!member.alive) member = this.#replace(member);
      try {
        await untilReady(member, signal);
        return await work(member);
      } finally {
        // A process that cannot even load its file is tried again by the next call, not for ever by itself.
        if (!member.alive && member.loaded) member = this.#replace(member);
        this.#free.push(member);
      }
    });
  }

  /** Ends all processes. */
  close(): void {
    this.#closed = true;
    process.off('exit', this.#onExit);
    for (const one of this.#all) one.kill('was ended with the run');
  }

  #start(): RewardProcess {
    const started = new RewardProcess(this.#name, this.#settings);
    this.#all.add(started);
    return started;
  }

  #replace(old: RewardProcess): RewardProcess {
    if (this.#closed) return old;
    this.#all.delete(old);
    return this.#start();
  }
}

/** Waits for the process, or for the signal. A process that failed to start reports that when it is called. */
async function untilReady({ ready }: RewardProcess, signal?: AbortSignal): Promise<void> {
  if (!signal) return ready.catch(() => undefined);
  let onAbort = (): void => undefined;
  const interrupted = new Promise<never>((_, reject) => (onAbort = () => reject(signal.reason)));
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    await Promise.race([ready.catch(() => undefined), interrupted]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}

/** Reward name → its processes. */
export type Pools = ReadonlyMap<string, ProcessPool>;

/**
 * Starts the processes of all isolated rewards, and waits until one of each has loaded its file.
 *
 * @throws InputError for a file that cannot be used; no process is left
 */
export async function openPools(specs: readonly RewardSpec[]): Promise<Pools> {
  const pools = new Map(specs.flatMap(({ name, fn }) => (isIsolated(fn) ? [[name, new ProcessPool(name, fn)] as const] : [])));
  try {
    for (const pool of pools.values()) await pool.open();
  } catch (error) {
    closePools(pools);
    throw error;
  }
  return pools;
}

/** Ends the processes of all isolated rewards. */
export function closePools(pools: Pools): void {
  for (const pool of pools.values()) pool.close();
}
