/**
 * One call of a reward: its tries, each with a deadline of its own, and what the answer means. A reward that throws, runs
 * out of time or returns something that is no reward is an error or a timeout, never a 0.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { show } from '../errors.ts';
import type { ProcessPool } from './process-pool.ts';
import type { RewardProcess } from './reward-process.ts';
import { batchFunction, isIsolated } from './reward.ts';
import type { BatchReward, RewardFunction, RewardSample, RewardSpec } from './reward.ts';
import type { Slots } from './slots.ts';

/** What one reward said about one sample. */
export type ScoreResult =
  | { kind: 'score'; value: number }
  | { kind: 'notApplicable' }
  | { kind: 'error'; error: unknown; message: string }
  | { kind: 'timeout'; error: unknown; message: string };

/** A sample before scoring: the call adds the signal and the log. */
export type UnscoredSample = Omit<RewardSample, 'signal' | 'log'>;

/** Start and end of a try, ms. */
export type Span = readonly [start: number, end: number];

/** Told of every try in our own thread, so that one which never returns can be named. */
export interface CallWatch {
  /** A try begins; the watch is told when its function has returned, which may be a promise, and when all is over. */
  begin(attempt: { reward: string; samples: readonly { group: number; sample: number; step: number }[]; timeoutMs: number }): { returned(): void; over(): void };
}

/** One call in the making. */
export interface RewardCall {
  spec: RewardSpec;
  /** The samples it covers, and their places in the group. */
  samples: { index: number; sample: UnscoredSample }[];
  /** Milliseconds for one try. */
  timeoutMs: number;
  /** Number of the group in its round. */
  group: number;
}

/** Turns of the event loop for others. */
export interface Turns {
  /** Whether synchronous rewards have kept the event loop for long. */
  due(): boolean;
  /** Waits for the next turn. */
  next(): Promise<void>;
}

/** Where calls run, and who looks on. */
export interface CallContext {
  slots: Slots;
  /** Reward name → the processes of an isolated reward. */
  pools: ReadonlyMap<string, ProcessPool>;
  turns: Turns;
  watch?: CallWatch | undefined;
  /** Interrupts everything. */
  signal?: AbortSignal | undefined;
}

/** What a call leaves. */
export interface CallOutcome {
  /** One per sample. */
  results: ScoreResult[];
  /** One per sample: what its last try logged. */
  logged: Record<string, number>[];
  /** One per try. */
  spans: Span[];
}

/** How one try ended. */
type Attempt = Omit<CallOutcome, 'spans'> & { again: boolean; span: Span };

/** Longest pause between two tries. */
const LONGEST_PAUSE_MS = 30_000;

/**
 * Makes one call, again after an error or a timeout as often as the reward allows. The place it takes is free between tries.
 *
 * @throws the reason of the context's signal when it is interrupted; a failing reward never throws here
 */
export async function runCall(call: RewardCall, context: CallContext): Promise<CallOutcome> {
  const { spec } = call;
  const spans: Span[] = [];
  for (let tries = 1; ; tries++) {
    const { results, logged, again, span } = await runAtPlace(call, context);
    spans.push(span);
    if (!again || tries > spec.retries) return { results, logged, spans };
    await pause(pauseMs(spec.backoffMs, tries), context.signal);
  }
}

/** Twice as long after each try, and spread over its second half, so that calls that failed together do not return together. */
export function pauseMs(backoffMs: number, tries: number, spread = Math.random()): number {
  return Math.min(LONGEST_PAUSE_MS, backoffMs * 2 ** (tries - 1)) * (0.5 + spread / 2);
}

async function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  // Only an interruption ends a pause, and its own reason says why better than the AbortError of the timer.
  await sleep(ms, undefined, signal ? { signal } : {}).catch(() => undefined);
  signal?.throwIfAborted();
}

/** One try at a free place: in this thread, or in a process of the reward's own. */
function runAtPlace(call: RewardCall, context: CallContext): Promise<Attempt> {
  const { slots, pools, turns, signal } = context;
  const { name, fn } = call.spec;
  if (isIsolated(fn)) {
    return pools.get(name)!.run((process) => attempt(call, context, process), signal);
  }
  return slots.run(async () => {
    // Asked again right before the call: others that waited for the same turn have run meanwhile.
    while (turns.due()) await turns.next();
    signal?.throwIfAborted();
    return attempt(call, context, null);
  });
}

/** One try under its deadline. */
async function attempt(call: RewardCall, context: CallContext, process: RewardProcess | null): Promise<Attempt> {
  const { spec: { name }, samples, timeoutMs } = call;
  const outer = context.signal;
  outer?.throwIfAborted();
  const start = performance.now();
  // Not AbortSignal.any: under a signal that lives as long as the run, each of its results would stay in memory.
  const controller = new AbortController();
  const forward = (): void => controller.abort(outer?.reason);
  outer?.addEventListener('abort', forward, { once: true });
  const late = new Error(`Reward \`${name}\` took longer than ${timeoutMs} ms`);
  const timer = setTimeout(() => controller.abort(late), timeoutMs);
  const logged = samples.map((): Record<string, number> => ({}));
  const ended = (results: ScoreResult[], again: boolean): Attempt => ({ results, logged: logged.map((one) => ({ ...one })), again, span: [start, performance.now()] });
  try {
    const { many, value } = process ? await inProcess(call, process, controller.signal, logged) : await inThread(call, context, controller.signal, logged);
    return ended(many ? batchResults(name, value, samples.length) : [toResult(name, value)], false);
  } catch (error) {
    outer?.throwIfAborted();
    const kind = error === late ? 'timeout' : 'error';
    return ended(samples.map(() => failure(kind, error)), true);
  } finally {
    clearTimeout(timer);
    outer?.removeEventListener('abort', forward);
  }
}

/** An answer, and whether it is one for each sample. */
interface Answer {
  many: boolean;
  value: unknown;
}

async function inProcess({ samples }: RewardCall, process: RewardProcess, signal: AbortSignal, logged: Record<string, number>[]): Promise<Answer> {
  const { value, logged: told } = await process.call(samples.map(({ sample }) => sample), signal);
  told.forEach((one, i) => Object.assign(logged[i] ?? {}, one));
  return { many: process.many, value };
}

async function inThread(call: RewardCall, { watch }: CallContext, signal: AbortSignal, logged: Record<string, number>[]): Promise<Answer> {
  const fn = call.spec.fn as RewardFunction | BatchReward;
  const many = batchFunction(fn);
  const inputs = call.samples.map(({ sample }, i): RewardSample => ({
    ...sample,
    signal,
    log: (key, value) => void (logged[i]![key] = value),
  }));
  const { spec: { name }, group, timeoutMs } = call;
  const watched = watch?.begin({ reward: name, samples: call.samples.map(({ index, sample }) => ({ group, sample: index, step: sample.step })), timeoutMs });
  try {
    const aborted = new Promise<never>((_, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason), { once: true });
    });
    // Called inside an async function, so that a throw before the first await is a rejection like any other.
    const answer = (async (): Promise<unknown> => {
      try {
        return many ? many(inputs) : (fn as RewardFunction)(inputs[0]!);
      } finally {
        watched?.returned();
      }
    })();
    return { many: many !== null, value: await Promise.race([answer, aborted]) };
  } finally {
    watched?.over();
  }
}

function batchResults(name: string, value: unknown, count: number): ScoreResult[] {
  const values = Array.isArray(value) ? (value as unknown[]) : null;
  if (values?.length !== count) {
    const got = values ? `${values.length}` : show(value);
    const error = new Error(`Expected batch reward \`${name}\` to return ${count} values, one per sample, got ${got}; return a list in the order of the samples.`);
    return Array.from({ length: count }, () => failure('error', error));
  }
  return Array.from(values, (one) => toResult(name, one));
}

function toResult(name: string, value: unknown): ScoreResult {
  if (value === null) return { kind: 'notApplicable' };
  if (typeof value === 'number' && Number.isFinite(value)) return { kind: 'score', value };
  return failure('error', new Error(`Expected reward \`${name}\` to return a finite number or null, got ${show(value)}; return null where it does not apply.`));
}

function failure(kind: 'error' | 'timeout', error: unknown): ScoreResult {
  return { kind, error, message: error instanceof Error ? error.message : show(error) };
}
