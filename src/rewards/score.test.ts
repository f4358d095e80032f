import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { test } from 'node:test';
import { InputError } from '../errors.ts';
import { namedRewards } from './named-rewards.ts';
import { batch, type RewardFunction, type RewardSample, type Rewards } from './reward.ts';
import { pauseMs, type UnscoredSample } from './reward-call.ts';
import { scoreGroup, secondsCovered, type ScoredGroup, type ScoreOptions } from './score.ts';
import { Slots } from './slots.ts';

function samples(count: number): UnscoredSample[] {
  return Array.from({ length: count }, (_, i) => ({
    prompt: 'p',
    completion: { text: 'x'.repeat(i), ids: [i], finishReason: 'stop' },
    row: { i },
    step: 1,
    progress: 0,
  }));
}

function score(rewards: Rewards, count = 1, options: ScoreOptions = {}): Promise<ScoredGroup> {
  return scoreGroup(namedRewards(rewards), samples(count), options);
}

test('numbers, null, promises and batches, in the order of samples and rewards', async () => {
  const { samples: scored } = await score(
    {
      late: async ({ completion }) => {
        await sleep(5 - completion.text.length);
        return completion.text.length;
      },
      even: ({ row }) => (Number(row.i) % 2 === 0 ? 1 : null),
      all: batch((list) => list.map(({ row }) => Number(row.i) * 10)),
    },
    3,
  );
  assert.deepEqual(scored.map(({ results }) => Object.keys(results)), Array.from({ length: 3 }, () => ['late', 'even', 'all']));
  assert.deepEqual(scored.map(({ results }) => Object.values(results)), [
    [{ kind: 'score', value: 0 }, { kind: 'score', value: 1 }, { kind: 'score', value: 0 }],
    [{ kind: 'score', value: 1 }, { kind: 'notApplicable' }, { kind: 'score', value: 10 }],
    [{ kind: 'score', value: 2 }, { kind: 'score', value: 1 }, { kind: 'score', value: 20 }],
  ]);
});

const faults: [string, () => unknown, RegExp][] = [
  ['a throw', () => { throw new Error('boom'); }, /^boom$/],
  ['a rejection', () => Promise.reject(new Error('late boom')), /^late boom$/],
  ['a thrown string', () => { throw 'text'; }, /text/],
  ['NaN', () => Number.NaN, /finite number or null, got NaN/],
  ['infinity', () => -Infinity, /got -Infinity/],
  ['undefined', () => undefined, /got nothing/],
  ['a string', () => '1', /got "1"/],
  ['a boolean', () => true, /got true/],
];
for (const [name, fn, message] of faults) {
  test(`${name} is an error, not a 0, and leaves the other rewards alone`, async () => {
    const { samples: [scored] } = await score({ bad: fn as RewardFunction, good: () => 2 });
    const bad = scored!.results.bad!;
    assert.equal(bad.kind, 'error');
    assert.match(bad.kind === 'error' ? bad.message : '', message);
    assert.deepEqual(scored!.results.good, { kind: 'score', value: 2 });
  });
}

test('a batch of the wrong count is an error for all of its samples, one bad entry for one', async () => {
  const { samples: scored } = await score(
    {
      short: batch(() => [1]),
      none: batch(() => undefined as unknown as number[]),
      hole: batch(() => [1, undefined as unknown as number, 3]),
    },
    3,
  );
  for (const { results } of scored) {
    assert.match(results.short!.kind === 'error' ? results.short!.message : '', /return 3 values.*got 1/);
    assert.match(results.none!.kind === 'error' ? results.none!.message : '', /return 3 values.*got nothing/);
  }
  assert.deepEqual(scored.map(({ results }) => results.hole!.kind), ['score', 'error', 'score']);
});

test('each sample has its own deadline, and its signal is aborted', async () => {
  const aborted: unknown[] = [];
  const hang = ({ row, signal }: RewardSample): Promise<number> =>
    new Promise((resolve) => {
      signal.addEventListener('abort', () => aborted.push(row.i));
      if (row.i === 1) resolve(7);
    });
  const { samples: scored } = await score({ hang: { fn: hang, timeoutMs: 20 }, quick: () => 1 }, 3, { timeoutMs: 10_000 });
  assert.deepEqual(scored.map(({ results }) => results.hang!.kind), ['timeout', 'score', 'timeout']);
  const first = scored[0]!.results.hang!;
  assert.match(first.kind === 'timeout' ? first.message : '', /`hang` took longer than 20 ms/);
  assert.deepEqual(aborted, [0, 2]);
});

test('a remote reward is tried again after an error and after its deadline, each try with a signal of its own', async () => {
  const tries: Record<string, number> = {};
  const signals = new Set<AbortSignal>();
  const judge = ({ row, signal, log }: RewardSample): Promise<number> => {
    const tried = (tries[String(row.i)] = (tries[String(row.i)] ?? 0) + 1);
    signals.add(signal);
    log(`try ${tried}`, 1);
    if (row.i === 1 && tried < 3) return Promise.reject(new Error('503'));
    if (row.i === 2 && tried === 1) return new Promise(() => {});
    return Promise.resolve(tried);
  };
  const { samples: scored, calls } = await score({ judge: { fn: judge, remote: true, backoffMs: 1, timeoutMs: 100 } }, 3);
  assert.deepEqual(scored.map(({ results }) => results.judge), [1, 3, 2].map((value) => ({ kind: 'score', value })));
  assert.equal(signals.size, 6);
  assert.equal(calls.judge!.retries, 3);
  assert.equal(calls.judge!.spans.length, 6);
  assert.deepEqual(scored[1]!.logged, { 'try 3': 1 }, 'what a failed try logged is dropped');
});

test('the last try decides, and there are no more than `retries` after the first', async () => {
  let tries = 0;
  const down = (): number => {
    throw new Error(`down ${++tries}`);
  };
  const { samples: [scored] } = await score({ down: { fn: down, remote: true, retries: 2, backoffMs: 1 } });
  assert.deepEqual([tries, scored!.results.down!.kind], [3, 'error']);
  assert.match((scored!.results.down as { message: string }).message, /down 3/);
});

test('a value that is no reward is not tried again, nor is a reward that is not remote', async () => {
  let [odd, plain] = [0, 0];
  await score({ odd: { fn: () => (odd++, Number.NaN), remote: true, backoffMs: 1 }, plain: () => { plain++; throw new Error('no'); } });
  assert.deepEqual([odd, plain], [1, 1]);
});

test('pauses double, with half of them left to chance, up to 30 s', () => {
  assert.deepEqual([1, 2, 3].map((tries) => pauseMs(500, tries, 1)), [500, 1000, 2000]);
  assert.deepEqual([1, 2, 3].map((tries) => pauseMs(500, tries, 0)), [250, 500, 1000]);
  assert.equal(pauseMs(500, 40, 1), 30_000);
});

test('a pause leaves its place to others, and an interruption ends it', { timeout: 10_000 }, async () => {
  const controller = new AbortController();
  let others = 0;
  const down = (): never => {
    throw new Error('down');
  };
  const scoring = score({ down: { fn: down, remote: true, backoffMs: 30_000 }, other: () => ++others }, 4, { concurrency: 1, signal: controller.signal });
  await sleep(30);
  assert.equal(others, 4);
  controller.abort(new Error('interrupted'));
  await assert.rejects(scoring, /interrupted/);
});

test('one limit holds over concurrent groups, and a deadline starts when a call starts', async () => {
  let running = 0;
  let most = 0;
  const work = async (): Promise<number> => {
    most = Math.max(most, ++running);
    await sleep(15);
    running--;
    return 1;
  };
  const concurrency = new Slots(2);
  // 12 calls, 2 at a time, 15 ms each: the last starts after more than the 60 ms that one call may take.
  const groups = await Promise.all([1, 2, 3].map(() => score({ work }, 4, { concurrency, timeoutMs: 60 })));
  assert.equal(most, 2);
  assert.ok(groups.every((group) => group.samples.every(({ results }) => results.work!.kind === 'score')));
});

const wait = (): Promise<number> => sleep(30, 1);

test('seconds are the time in which at least one call ran, without the wait for a place', async () => {
  const together = await score({ wait }, 4, { concurrency: 4 });
  const seconds = ({ calls }: ScoredGroup, name: string) => secondsCovered(calls[name]!.spans);
  assert.ok(seconds(together, 'wait') > 0.025 && seconds(together, 'wait') < 0.1, String(seconds(together, 'wait')));
  const inTurn = await score({ wait, instant: () => 1 }, 4, { concurrency: 1 });
  assert.ok(seconds(inTurn, 'wait') > 0.11, String(seconds(inTurn, 'wait')));
  assert.ok(seconds(inTurn, 'instant') < 0.02, String(seconds(inTurn, 'instant')));
  assert.equal(secondsCovered([[0, 1000], [500, 1500], [3000, 3500]]), 2);
});

test('an interrupt aborts the calls and rejects with its reason; calls in line never start', async () => {
  const controller = new AbortController();
  let started = 0;
  const hang = ({ signal }: RewardSample): Promise<number> => {
    started++;
    setImmediate(() => controller.abort(new Error('interrupted')));
    return new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
  };
  await assert.rejects(score({ hang }, 8, { concurrency: 2, signal: controller.signal }), /interrupted/);
  await sleep(5);
  assert.equal(started, 2);
});

function busy(): number {
  const end = performance.now() + 10;
  while (performance.now() < end);
  return 1;
}

test('synchronous rewards do not hold the event loop', async () => {
  let longest = 0;
  let last = performance.now();
  const timer = setInterval(() => {
    longest = Math.max(longest, performance.now() - last);
    last = performance.now();
  }, 1);
  await score({ busy }, 40);
  clearInterval(timer);
  assert.ok(longest > 0 && longest < 300, `the loop was held for ${longest} ms of 400`);
});

test('log keeps a number with its sample', async () => {
  const { samples: scored } = await score({ deep: ({ log, row }) => (log('depth', Number(row.i) + 0.5), 1) }, 2);
  assert.deepEqual(scored.map(({ logged }) => logged), [{ depth: 0.5 }, { depth: 1.5 }]);
});

test('refuses a concurrency below 1', async () => {
  await assert.rejects(score({ a: () => 1 }, 1, { concurrency: 0 }), InputError);
});
