/** Worker threads for QuickJS: few, made when needed, ended when idle, killed when they do not answer. */
import { once } from 'node:events';
import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import { Slots } from '../slots.ts';
import type { BrokenTest } from './quickjs-sandbox.ts';
import type { CodeLimits, CodeTest, TestResult, Verdict } from './verdict.ts';

/** What a worker is asked. */
export interface SandboxJob {
  code: string;
  tests: readonly CodeTest[];
  limits: CodeLimits;
}

/** What it answers: results, a test that is no JavaScript, or a fault of its own. */
export type SandboxAnswer = { results: TestResult[] } | { broken: BrokenTest } | { fault: string };

/** A worker without work for so long is ended, ms. */
const IDLE_MS = 5_000;
/** Beyond the tests' own time a worker may take so long to answer, ms. */
const GRACE_MS = 2_000;
/** Beyond this many threads, code takes the cores of the run itself. */
const most = Math.max(1, Math.min(4, Math.floor(availableParallelism() / 2)));

const slots = new Slots(most);
const idle: { worker: Worker; timer: NodeJS.Timeout }[] = [];

/**
 * Runs a candidate's tests in a worker. A worker that a native loop holds beyond all limits, or that runs out of memory of
 * its own, is killed, and all tests of that candidate get that verdict.
 *
 * @throws the reason of `signal` when it is aborted; an error when the sandbox itself fails
 */
export async function runInWorker(job: SandboxJob, signal: AbortSignal): Promise<TestResult[] | BrokenTest> {
  return slots.run(async () => {
    signal.throwIfAborted();
    const worker = await take(signal);
    const answer = await ask(worker, job, signal);
    if (typeof answer === 'string') return job.tests.map(() => ({ verdict: answer, reason: 'the worker was killed' }));
    giveBack(worker);
    if ('fault' in answer) throw new Error(`The sandbox of JavaScript failed: ${answer.fault}`);
    return 'broken' in answer ? answer.broken : answer.results;
  });
}

async function take(signal: AbortSignal): Promise<Worker> {
  const free = idle.pop();
  if (free) {
    clearTimeout(free.timer);
    free.worker.ref();
    return free.worker;
  }
  const worker = start();
  // Also while it is idle: an error that nobody hears would end the run.
  worker.on('error', () => forget(worker));
  try {
    await once(worker, 'message', { signal });
  } catch (error) {
    await worker.terminate();
    throw error;
  }
  return worker;
}

function forget(worker: Worker): void {
  const at = idle.findIndex((one) => one.worker === worker);
  if (at >= 0) idle.splice(at, 1);
}

function start(): Worker {
  const settings = { env: {}, execArgv: [], resourceLimits: { maxOldGenerationSizeMb: 256, stackSizeMb: 16 } };
  if (!import.meta.url.endsWith('.ts')) return new Worker(new URL('./quickjs-worker.js', import.meta.url), settings);
  // Run from the sources: Node 20 gives the loader of TypeScript to the main thread alone.
  const file = JSON.stringify(new URL('./quickjs-worker.ts', import.meta.url));
  const loader = JSON.stringify(import.meta.resolve('tsx/esm/api'));
  return new Worker(`import(${loader}).then(({ register }) => { register(); return import(${file}); })`, { ...settings, eval: true });
}

/** An idle worker does not keep the process alive. */
function giveBack(worker: Worker): void {
  worker.unref();
  const timer = setTimeout(() => {
    forget(worker);
    void worker.terminate();
  }, IDLE_MS);
  timer.unref();
  idle.push({ worker, timer });
}

/** One question to one worker. The answer is a verdict when the worker had to be killed. */
function ask(worker: Worker, job: SandboxJob, signal: AbortSignal): Promise<SandboxAnswer | Verdict> {
  const patience = job.limits.timeoutMs * job.tests.length + GRACE_MS;
  return new Promise((resolve, reject) => {
    const done = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', onAbort);
      worker.off('message', onMessage).off('error', onError);
    };
    const kill = (settle: () => void): void => {
      done();
      void worker.terminate().then(settle, settle);
    };
    const onMessage = (answer: SandboxAnswer): void => {
      done();
      resolve(answer);
    };
    const onError = (error: NodeJS.ErrnoException): void => {
      // Out of memory on our side of the border is the candidate's doing; anything else is a fault.
      const settle = error.code === 'ERR_WORKER_OUT_OF_MEMORY' ? () => resolve('outOfMemory') : () => reject(error);
      kill(settle);
    };
    const onAbort = (): void => kill(() => reject(signal.reason));
    const timer = setTimeout(() => kill(() => resolve('timeout')), patience);
    signal.addEventListener('abort', onAbort, { once: true });
    worker.on('message', onMessage).on('error', onError);
    worker.postMessage(job);
  });
}
