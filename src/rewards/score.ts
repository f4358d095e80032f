/** Scoring: calls every reward on every sample of a group, all calls under one limit. */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { expected } from '../errors.ts';
import type { ProcessPool } from './process-pool.ts';
import { runCall } from './reward-call.ts';
import type { CallContext, CallWatch, RewardCall, ScoreResult, Span, Turns, UnscoredSample } from './reward-call.ts';
import { batchFunction, isIsolated } from './reward.ts';
import type { RewardSpec } from './reward.ts';
import { Slots } from './slots.ts';

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
  /** Reward name → how its calls went. */
  calls: Record<string, CallRecord>;
}

/** How the calls of one reward went. */
export interface CallRecord {
  /** One per try: start and end by `performance.now()`. */
  spans: Span[];
  /** Tries that followed a failed one. */
  retries: number;
}

/** Options of `scoreGroup`. */
export interface ScoreOptions {
  /** Milliseconds for one try of a reward that names none itself. A call of a `batch` reward is one call. */
  timeoutMs?: number;
  /** How many calls run at once in this thread: a number for this group alone, or `Slots` shared with other groups. */
  concurrency?: number | Slots;
  /** Reward name → the processes of an isolated reward; all of these must be there. */
  pools?: ReadonlyMap<string, ProcessPool>;
  /** Number of the group in its round, for the watch; default 0. */
  group?: number;
  watch?: CallWatch | undefined;
  /** Interrupts scoring: the rewards' signals are aborted and `scoreGroup` rejects with the reason. */
  signal?: AbortSignal | undefined;
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
  { timeoutMs = 60_000, concurrency = 16, pools = new Map(), group = 0, watch, signal }: ScoreOptions = {},
): Promise<ScoredGroup> {
  const context: CallContext = { slots: toSlots(concurrency), pools, turns: eventLoopTurns(), watch, signal };
  const scored: ScoredSample[] = samples.map(() => ({ results: {}, logged: {} }));
  const indexed = samples.map((sample, index) => ({ index, sample }));
  const planned: RewardCall[] = specs.flatMap((spec) => {
    const common = { spec, group, timeoutMs: spec.timeoutMs ?? timeoutMs };
    return takesMany(spec, pools) ? [{ ...common, samples: indexed }] : indexed.map((one) => ({ ...common, samples: [one] }));
  });
  const calls: Record<string, CallRecord> = Object.fromEntries(specs.map(({ name }) => [name, { spans: [], retries: 0 }]));
  await Promise.all(
    planned.map(async (call) => {
      const { results, logged, spans } = await runCall(call, context);
      signal?.throwIfAborted();
      const record = calls[call.spec.name]!;
      record.spans.push(...spans);
      record.retries += spans.length - 1;
      call.samples.forEach(({ index }, i) => {
        scored[index]!.results[call.spec.name] = results[i]!;
        Object.assign(scored[index]!.logged, logged[i]);
      });
    }),
  );
  return { samples: inOrder(specs, scored), calls };
}

function takesMany({ name, fn }: RewardSpec, pools: ReadonlyMap<string, ProcessPool>): boolean {
  if (!isIsolated(fn)) return batchFunction(fn) !== null;
  const pool = pools.get(name);
  if (!pool) throw expected('pools', `to hold the processes of the isolated reward \`${name}\``, [...pools.keys()], 'open them with `openPools`');
  return pool.many;
}

/** The turns of the event loop that synchronous rewards leave to others. All who wait for a turn share it. */
function eventLoopTurns(): Turns {
  let start = performance.now();
  let waiting: Promise<void> | null = null;
  return {
    due: () => performance.now() - start > TURN_MS,
    next: () =>
      (waiting ??= nextTurn().then(() => {
        waiting = null;
        start = performance.now();
      })),
  };
}

function toSlots(concurrency: number | Slots): Slots {
  if (concurrency instanceof Slots) return concurrency;
  if (!Number.isInteger(concurrency) || concurrency < 1) {
    throw expected('rewardConcurrency', 'to be a whole number of 1 or more', concurrency, 'correct it');
  }
  return new Slots(concurrency);
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
