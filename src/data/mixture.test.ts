import assert from 'node:assert/strict';
import { test } from 'node:test';
import { all } from '../../test/bytes-source.ts';
import { heldOutSide, trainTestSplit } from './held-out.ts';
import type { GrpoOptions } from '../grpo/option-schema.ts';
import { mixRows, mixStreams, mixture } from './mixture.ts';
import { createRounds, createStreamRounds } from './stream.ts';
import type { Rounds, RoundState } from './stream.ts';
import type { Row } from './row.ts';
import { countdown } from './tasks/countdown.ts';

const part = (name: string, n: number): Row[] => Array.from({ length: n }, (_, i) => ({ name, i }));
const count = (rows: readonly Row[], name: string): number => rows.filter((row) => row['name'] === name).length;
async function* streamOf(rows: readonly Row[]): AsyncGenerator<Row> {
  yield* rows;
}

test('as many rows as the weights allow, none twice', () => {
  // 100 / 0.5 = 200, 30 / 0.3 = 100, 50 / 0.2 = 250: the second part sets the size.
  const rows = mixRows([{ rows: part('a', 100), weight: 5 }, { rows: part('b', 30), weight: 3 }, { rows: part('c', 50), weight: 2 }]);
  assert.deepEqual(['a', 'b', 'c'].map((name) => count(rows, name)), [50, 30, 20]);
  assert.equal(new Set(rows).size, 100);
  const places = rows.flatMap(({ name }, i) => (name === 'b' ? [i] : []));
  assert.ok(places[0]! < 20 && places.at(-1)! > 80, 'mixed over the whole length');
});

test('a given size is met exactly; a part that is too short is gone through again in another order', () => {
  const rows = mixRows([{ rows: part('a', 5), weight: 1 }, { rows: part('b', 100), weight: 1 }, { rows: part('c', 100), weight: 1 }], { rows: 50, seed: 3 });
  // 50 / 3 = 16.67: the two largest remainders are those of the first two parts.
  assert.deepEqual(['a', 'b', 'c'].map((name) => count(rows, name)), [17, 17, 16]);
  const times = part('a', 5).map(({ i }) => rows.filter((row) => row['name'] === 'a' && row['i'] === i).length);
  assert.deepEqual(times.toSorted(), [3, 3, 3, 4, 4]);
});

test('the seed decides which rows and in which order', () => {
  const of = (seed: number): Row[] => mixRows([{ rows: part('a', 40), weight: 0.9 }, { rows: part('b', 40), weight: 0.1 }], { seed });
  assert.deepEqual(of(1), of(1));
  assert.notDeepEqual(of(1), of(2));
  assert.notDeepEqual(new Set(of(1).filter(({ name }) => name === 'b').map(({ i }) => i)), new Set(of(2).filter(({ name }) => name === 'b').map(({ i }) => i)));
});

test('weights that are no shares, and parts that would be empty, are refused', () => {
  assert.throws(() => mixture([]), { name: 'InputError', message: /at least one part/ });
  for (const weight of [0, -1, NaN, Infinity]) assert.throws(() => mixture([{ dataset: 'a', weight: 1 }, { dataset: 'b', weight }]), { name: 'InputError', message: /`mixture\[1\]\.weight`/ });
  assert.throws(() => mixRows([{ rows: part('a', 5), weight: 1 }, { rows: part('b', 5), weight: 100 }]), { name: 'InputError', message: /part 0 at least one of 5 rows/ });
});

test('streams: at every place no part is a whole row off its share; the end of one is the end of all', async () => {
  const weights = { a: 0.6, b: 0.3, c: 0.1 };
  const rows = await all(mixStreams(Object.entries(weights).map(([name, weight]) => ({ rows: streamOf(part(name, 1000)), weight }))));
  assert.equal(count(rows, 'a'), 1000);
  for (let n = 1; n <= rows.length; n += 7) {
    for (const [name, weight] of Object.entries(weights)) assert.ok(Math.abs(count(rows.slice(0, n), name) - weight * n) < 1, `${name} in ${n}`);
  }
});

test('the rounds of a mixture go on from any position that was saved', async () => {
  const parts = [{ rows: part('a', 20), weight: 0.7 }, { rows: part('b', 20), weight: 0.3 }];
  const mixed = mixRows(parts);
  const stream = { open: () => mixStreams(parts.map(({ rows, weight }) => ({ rows: streamOf(rows), weight }))), once: false, shuffleBuffer: 5 };
  const options = { roundSize: 3, seed: 9, shuffle: true, epochs: 2 };
  const rounds = [(from?: RoundState) => createRounds(mixed, { ...options, ...(from ? { from } : {}) }), (from?: RoundState) => createStreamRounds(stream, { ...options, ...(from ? { from } : {}) })];
  const drain = async (source: Rounds): Promise<Row[][]> => {
    const result: Row[][] = [];
    for (let round = await source.next(); round; round = await source.next()) result.push(round.rows.map(({ row }) => row));
    return result;
  };
  for (const open of rounds) {
    const whole = await drain(open());
    assert.ok(whole.length >= 13);
    const running = open();
    for (let done = 0; done <= whole.length; done++) {
      assert.deepEqual(await drain(open(JSON.parse(JSON.stringify(running.state())) as RoundState)), whole.slice(done));
      await running.next();
    }
  }
});

test('rows held out: a share or a number, drawn by the seed, in their order', () => {
  const rows = Array.from({ length: 100 }, (_, i) => i);
  const sides = (testSize: number, splitSeed = 42) => (['train', 'test'] as const).map((side) => heldOutSide(rows, { testSize, splitSeed, part: side }));
  const [train, held] = sides(0.3);
  assert.deepEqual([train!.length, held!.length], [70, 30]);
  assert.deepEqual([...train!, ...held!].sort((a, b) => a - b), rows);
  assert.deepEqual(held, held!.toSorted((a, b) => a - b));
  assert.ok(held![0]! < 30 && held!.at(-1)! > 70);
  assert.deepEqual(sides(30)[1], held);
  assert.notDeepEqual(sides(30, 43)[1], held);
  for (const wrong of [0.001, 0.999, 1.5, 100]) assert.throws(() => sides(wrong), { name: 'InputError', message: /`testSize`/ });
});

test('a dataset in two: rows at once, a path or description when it is read', () => {
  const rows = part('a', 10);
  const { train, test: held } = trainTestSplit(rows, { testSize: 0.2 });
  assert.deepEqual([train.length, held.length], [8, 2]);
  assert.deepEqual(new Set([...train, ...held]), new Set(rows));
  assert.deepEqual(trainTestSplit('posts.jsonl', { testSize: 5, seed: 1 }).test, { path: 'posts.jsonl', testSize: 5, splitSeed: 1, part: 'test' });
  assert.deepEqual(trainTestSplit({ path: 'org/name', split: 'train' }, { testSize: 5 }).train, { path: 'org/name', split: 'train', testSize: 5, splitSeed: 42, part: 'train' });
  assert.throws(() => trainTestSplit(streamOf(rows), { testSize: 1 }), { name: 'InputError', message: /rows in an array, a path/ });
});

test('the parts of a recipe fit its types: held-out rows, tasks, mixtures, functions', () => {
  const { train } = trainTestSplit({ path: 'openai/gsm8k', config: 'main', columns: { prompt: 'question' } }, { testSize: 30 });
  const dataset: GrpoOptions['dataset'] = mixture([
    { dataset: train, weight: 0.6 },
    { dataset: countdown({ count: 5 }), weight: 0.2 },
    { dataset: mixture([{ dataset: 'task:copy?count=5', weight: 1 }]), weight: 0.1 },
    { dataset: { path: 'a', files: ['*.csv'] as const, filter: ({ q }) => q !== null, map: async (row, i) => ({ ...row, i }) }, weight: 0.1 },
  ]);
  assert.equal('mixture' in dataset && dataset.mixture.length, 4);
});
