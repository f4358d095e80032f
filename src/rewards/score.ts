/**
 * Scoring: calls every reward on every sample under one concurrency limit, each call with a deadline. A reward that
 * throws, times out or returns something that is no reward is an error, never a 0.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { expected, show } from '../errors.ts';
import { batchFunction, type RewardFunction, type RewardSample, type RewardSpec } from './reward.ts';
import { Slots } from './slots.ts';

/** What one reward said about one sample. */
export type ScoreResult =
  | { kind: 'score'; value: number }
  | { kind: 'notApplicable' }
  | { kind: 'error'; error: unknown; message: string };

/** A sample before scoring: `scoreGroup` adds the signal and the log. */
export type UnscoredSample = Omit<RewardSample, 'signal' | 'log'>;

/** One sample after scoring. */
export interface ScoredSample {
  /** Reward name → result. */
  results: Record<string, ScoreResult>;
  /** What the rewards logged about it. */
  logged: Record<string, number>;
}

/** Result of `scoreGroup`. */
export interface ScoredGroup {
  /** In the order of the samples given. */
  samples: ScoredSample[];
  /** Reward name → when its calls ran: start and end by `performance.now()`. */
  spans: Record<string, Span[]>;
}

/** Start and end of a call, ms. */
export type Span = readonly [start: number, end: number];

/** Options of `scoreGroup`. */
export interface ScoreOptions {
  /** Milliseconds for one call of a reward that names none itself. A call of a `batch` reward is one call. */
  timeoutMs?: number;
  /** How many calls run at once: a number for this group alone, or `Slots` shared with other groups. */
  concurrency?: number | Slots;
  /** Interrupts scoring: the rewards' signals are aborted and `scoreGroup` rejects with the reason. */
  signal?: AbortSignal;
}

/** One call in the making: which samples it covers and where its answers go. */
interface Call {
  spec: RewardSpec;
  samples: { index: number; sample: UnscoredSample }[];
}

/** Longest stretch for which synchronous rewards may keep the event loop, ms. */
const TURN_MS = 20;

/**
 * Scores the completions of one prompt with every reward.
 *
 * @throws the reason of `signal` when scoring is interrupted; a failing reward never throws here, it is a result
 */
export async function scoreGroup(
  specs: readonly RewardSpec[],
  samples: readonly UnscoredSample[],
  { timeoutMs = 60_000, concurrency = 16, signal }: ScoreOptions = {},
): Promise<ScoredGroup> {
  const slots = toSlots(concurrency);
  const scored: ScoredSample[] = samples.map(() => ({ results: {}, logged: {} }));
  const indexed = samples.map((sample, index) => ({ index, sample }));
  const calls: Call[] = specs.flatMap((spec) =>
    batchFunction(spec.fn) ? [{ spec, samples: indexed }] : indexed.map((one) => ({ spec, samples: [one] })),
  );
  const spans: Record<string, Span[]> = Object.fromEntries(specs.map(({ name }) => [name, []]));
  const takeTurn = turns();
  await Promise.all(
    calls.map((call) =>
      slots.run(async () => {
        await takeTurn();
        signal?.throwIfAborted();
        const start = performance.now();
        const results = await runCall(call, scored, call.spec.timeoutMs ?? timeoutMs, signal);
        signal?.throwIfAborted();
        spans[call.spec.name]!.push([start, performance.now()]);
        call.samples.forEach(({ index }, i) => {
          scored[index]!.results[call.spec.name] = results[i]!;
        });
      }),
    ),
  );
  return { samples: inOrder(specs, scored), spans };
}

/** Waits for the event loop once it has been kept for `TURN_MS`. All who wait share a turn, and keep it for as long together. */
function turns(): () => Promise<void> {
  let start = performance.now();
  let waiting: Promise<void> | null = null;
  return async () => {
    while (performance.now() - start > TURN_MS) {
      waiting ??= nextTurn().then(() => {
        waiting = null;
        start = performance.now();
      });
      await waiting;
    }
  };
}

function toSlots(concurrency: number | Slots): Slots {
  if (concurrency instanceof Slots) return concurrency;
  if (!Number.isInteger(concurrency) || concurrency < 1) {
    throw expected('rewardConcurrency', 'to be a whole number of 1 or more', concurrency, 'correct it');
  }
  return new Slots(concurrency);
}

/** One call under its deadline: one result per sample it covers. Never rejects. */
async function runCall(call: Call, scored: ScoredSample[], timeoutMs: number, outer?: AbortSignal): Promise<ScoreResult[]> {
  const { name, fn } = call.spec;
  const many = batchFunction(fn);
  // Not AbortSignal.any: under a signal that lives as long as the run, each of its results would stay in memory.
  const controller = new AbortController();
  const forward = (): void => controller.abort(outer?.reason);
  outer?.addEventListener('abort', forward, { once: true });
  const timer = setTimeout(() => {
    controller.abort(new Error(`Reward \`${name}\` took longer than ${timeoutMs} ms`));
  }, timeoutMs);
  const { signal } = controller;
  const inputs = call.samples.map(({ index, sample }): RewardSample => ({
    ...sample,
    signal,
    log: (key, value) => void (scored[index]!.logged[key] = value),
  }));
  try {
    const aborted = new Promise<never>((_, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason), { once: true });
    });
    // Called inside an async function, so that a throw before the first await is a rejection like any other.
    const answer = (async (): Promise<unknown> => (many ? many(inputs) : (fn as RewardFunction)(inputs[0]!)))();
    const value = await Promise.race([answer, aborted]);
    return many ? batchResults(name, value, inputs.length) : [toResult(name, value)];
  } catch (error) {
    return call.samples.map(() => failure(error));
  } finally {
    clearTimeout(timer);
    outer?.removeEventListener('abort', forward);
  }
}

function batchResults(name: string, value: unknown, count: number): ScoreResult[] {
  const values = Array.isArray(value) ? (value as unknown[]) : null;
  if (values?.length !== count) {
    const got = values ? `${values.length}` : show(value);
    const error = new Error(`Expected batch reward \`${name}\` to return ${count} values, one per sample, got ${got}; return a list in the order of the samples.`);
    return Array.from({ length: count }, () => failure(error));
  }
  return Array.from(values, (one) => toResult(name, one));
}

function toResult(name: string, value: unknown): ScoreResult {
  if (value === null) return { kind: 'notApplicable' };
  if (typeof value === 'number' && Number.isFinite(value)) return { kind: 'score', value };
  return failure(new Error(`Expected reward \`${name}\` to return a finite number or null, got ${show(value)}; return null where it does not apply.`));
}

function failure(error: unknown): ScoreResult {
  return { kind: 'error', error, message: error instanceof Error ? error.message : show(error) };
}

/** Seconds in which at least one of these calls was running. */
export function secondsCovered(spans: readonly Span[]): number {
  let total = 0;
  let end = -Infinity;
  for (const [from, to] of spans.toSorted((a, b) => a[0] - b[0])) {
    total += Math.max(0, to - Math.max(from, end));
    end = Math.max(end, to);
  }
  return total / 1000;
}

/** Results in the order of the rewards, not of their finishing. */
function inOrder(specs: readonly RewardSpec[], scored: ScoredSample[]): ScoredSample[] {
  return scored.map(({ results, logged }) => ({
    results: Object.fromEntries(specs.map(({ name }) => [name, results[name]!])),
    logged,
  }));
}
