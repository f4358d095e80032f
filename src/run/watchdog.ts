/**
 * Watches the program's own thread while rewards run in it. A function that never returns can be neither interrupted nor
 * timed out from there, so a thread of its own looks on: it saves the weights, writes why, and ends the process.
 */
import { url as inspectorUrl } from 'node:inspector';
import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { place, SIGNAL_BYTES, TEXT_BYTES } from './watchdog-signals.ts';
import type { RunningRewards, WatchdogData, WatchedCall, WatchedRun } from './watchdog-signals.ts';

const BEAT_MS = 100;
/** An operation of libtorch may keep the event loop for seconds, which must not be blamed on a reward that waits for an answer. */
const STALL_MS = 30_000;
/** A run is worth more than a few seconds: a machine that is short of time may make any function late. */
const GRACE_MS = 5_000;
/** As many of the waiting rewards are named. */
const NAMED = 5;

/** How a watchdog is set up. */
export interface WatchdogSettings {
  run: WatchedRun;
  /** What a checkpoint holds besides its tensors; as JSON. */
  model: object;
  /** Told when the watchdog itself fails. */
  onFault: (reason: string) => void;
  /** Milliseconds without a turn of the event loop that are allowed while rewards wait; default 30 s. */
  stallMs?: number;
  /** Milliseconds beyond a deadline after which the run is ended; default 5 s. */
  graceMs?: number;
}

/** The watch over one run. */
export class Watchdog {
  readonly #signals = new Int32Array(new SharedArrayBuffer(SIGNAL_BYTES));
  readonly #text = new Uint8Array(new SharedArrayBuffer(TEXT_BYTES));
  readonly #encoder = new TextEncoder();
  readonly #stallMs: number;
  readonly #heart: NodeJS.Timeout;
  readonly #thread: Worker | null;
  readonly #waiting = new Set<WatchedCall>();
  #called: WatchedCall | null = null;

  constructor({ run, model, onFault, stallMs = STALL_MS, graceMs = GRACE_MS }: WatchdogSettings) {
    this.#stallMs = stallMs;
    this.#heart = setInterval(() => this.#beat(), BEAT_MS);
    this.#heart.unref();
    // A program that stands at a breakpoint looks like one that is stuck.
    if (inspectorUrl() !== undefined) {
      this.#thread = null;
      return;
    }
    this.#thread = startThread({ signals: this.#signals.buffer as SharedArrayBuffer, text: this.#text.buffer as SharedArrayBuffer, run, graceMs, model: shared(JSON.stringify(model)) });
    this.#thread.on('error', (error) => onFault(`The watchdog ended (${error.message}): a reward that never returns will not be noticed.`));
    this.#thread.unref();
  }

  /** Optimizer updates done. */
  set step(step: number) {
    Atomics.store(this.#signals, place.step, step);
  }

  /** A try of a reward begins in this thread. */
  begin(call: WatchedCall): { returned(): void; over(): void } {
    this.#called = call;
    this.#tell();
    return {
      returned: () => {
        this.#called = null;
        this.#waiting.add(call);
        this.#tell();
      },
      over: () => {
        this.#waiting.delete(call);
        this.#tell();
      },
    };
  }

  /** Ends the watch. */
  async close(): Promise<void> {
    clearInterval(this.#heart);
    await this.#thread?.terminate();
  }

  #beat(): void {
    Atomics.add(this.#signals, place.beat, 1);
  }

  #tell(): void {
    const running: RunningRewards = { called: this.#called && shortened(this.#called), waiting: [...this.#waiting].slice(0, NAMED).map(shortened) };
    const { written } = this.#encoder.encodeInto(JSON.stringify(running), this.#text);
    Atomics.store(this.#signals, place.textBytes, written);
    Atomics.store(this.#signals, place.limit, Math.min(2 ** 31 - 1, this.#limit()));
    this.#beat();
  }

  #limit(): number {
    if (this.#called) return Math.max(1, Math.ceil(this.#called.timeoutMs));
    return this.#waiting.size === 0 ? 0 : [...this.#waiting].reduce((most, { timeoutMs }) => Math.max(most, timeoutMs), this.#stallMs);
  }
}

/** A batch is named by its first and its last sample. */
function shortened({ samples, ...call }: WatchedCall): WatchedCall {
  return { ...call, samples: samples.filter((_, i) => i === 0 || i === samples.length - 1) };
}

function shared(text: string): SharedArrayBuffer {
  const bytes = new TextEncoder().encode(text);
  const memory = new SharedArrayBuffer(bytes.length);
  new Uint8Array(memory).set(bytes);
  return memory;
}

function startThread(workerData: WatchdogData): Worker {
  // It makes little garbage, and need not hold megabytes of it.
  const options = { workerData, execArgv: [], resourceLimits: { maxYoungGenerationSizeMb: 1 } };
  const here = import.meta.url;
  const program = new URL(`./watchdog-thread${extname(here)}`, here);
  if (extname(here) === '.js') return new Worker(program, options);
  // From its sources: Node 20 gives a thread no loader for TypeScript.
  const load = `import(${JSON.stringify(import.meta.resolve('jiti'))}).then(({ createJiti }) => createJiti(${JSON.stringify(here)}).import(${JSON.stringify(fileURLToPath(program))}))`;
  return new Worker(load, { ...options, eval: true });
}
