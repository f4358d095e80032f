import assert from 'node:assert/strict';
import { resolve } from 'node:path';
import { test } from 'node:test';
import { InputError } from '../errors.ts';
import { namedRewards } from './named-rewards.ts';
import { batch, batchFunction, isIsolated, isModulePath } from './reward.ts';
import type { Rewards, RewardSettings } from './reward.ts';

const one = (): number => 1;
const two = (): number => 2;

test('a record gives its keys as names, a list the names of its functions', () => {
  assert.deepEqual(
    namedRewards({ a: one, b: { fn: two, weight: 3, timeoutMs: 10 } }).map(({ name, weight, timeoutMs }) => [name, weight, timeoutMs]),
    [['a', 1, null], ['b', 3, 10]],
  );
  assert.deepEqual(namedRewards([one, two]).map(({ name }) => name), ['one', 'two']);
  assert.deepEqual(namedRewards(['length:50', one]).map(({ name }) => name), ['length', 'one']);
});

test('weights go by order or by name', () => {
  assert.deepEqual(namedRewards([one, two], [0.5, -1]).map(({ weight }) => weight), [0.5, -1]);
  assert.deepEqual(namedRewards([one, two], { two: 4, one: 0 }).map(({ weight }) => weight), [0, 4]);
});

test('settings: tries of remote rewards, processes of isolated ones', () => {
  const [plain, judge, own] = namedRewards({ plain: one, judge: { fn: two, remote: true, backoffMs: 10 }, own: { fn: './rewards/own.ts', isolate: true, processes: 3 } });
  assert.deepEqual([plain!.retries, judge!.retries, judge!.backoffMs], [0, 3, 10]);
  assert.deepEqual(own!.fn, { file: resolve('rewards/own.ts'), processes: 3, memoryMb: 1024 });
  assert.equal(namedRewards([{ file: 'a/own.mts', isolate: true }])[0]!.name, 'own');
});

test('with `isolate` files are isolated, unless they say otherwise; functions stay', () => {
  const specs = namedRewards({ one, file: './own.ts' }, undefined, true);
  assert.deepEqual(specs.map(({ fn }) => isIsolated(fn)), [false, true]);
  assert.throws(() => namedRewards({ one }, undefined, true), /Expected `isolate` to be used with a reward given by file, got "rewards one"/);
  assert.throws(() => namedRewards({ file: { file: './own.ts', isolate: false } }, undefined, true), /import the file/);
});

test('reward files are told from built-in names', () => {
  assert.ok(['./r.ts', 'r.mts', '/a/r.js', 'r.cjs'].every(isModulePath));
  assert.ok(!['length:50', 'ts', 'r.json'].some(isModulePath));
});

test('batch keeps the name and marks the function', () => {
  const judge = batch(function judge(samples) {
    return samples.map(() => 1);
  });
  assert.equal(batchFunction(judge)?.name, 'judge');
  assert.equal(batchFunction(one), null);
  assert.equal(namedRewards([judge])[0]!.name, 'judge');
});

const refused: [string, Rewards, readonly number[] | Record<string, number> | undefined, RegExp][] = [
  ['no rewards', {}, undefined, /at least one/],
  ['anonymous function', [() => 1], undefined, /rewards\[0\].*name/],
  ['anonymous batch', [batch((samples) => samples.map(() => 1))], undefined, /rewards\[0\].*name/],
  ['unnamed entry', [{ fn: () => 1 }], undefined, /rewards\[0\].*name/],
  ['two equal names', [one, one], undefined, /`rewards`.*"one"/],
  ['empty name', { '': one }, undefined, /names/],
  ['slash', { 'a/b': one }, undefined, /slashes/],
  ['digits', { 1: one }, undefined, /digits/],
  ['__proto__', Object.fromEntries([['__proto__', one]]), undefined, /names/],
  ['no function', { a: 3 as unknown as string }, undefined, /rewards\.a.*function/],
  ['null', { a: null as unknown as string }, undefined, /rewards\.a.*function/],
  ['unknown built-in', { a: 'lenght:5' }, undefined, /write `length:TARGET\[:UNIT\]`/],
  ['too many weights', [one], [1, 2], /rewardWeights.*1: one/],
  ['unknown name', [one], { one: 1, tow: 2 }, /remove or correct `tow`/],
  ['missing name', [one, two], { one: 1 }, /add `two`/],
  ['weight NaN', [one], [Number.NaN], /rewardWeights\.one/],
  ['own weight NaN', { a: { fn: one, weight: Number.NaN } }, undefined, /rewards\.a\.weight/],
  ['weights twice', { a: { fn: one, weight: 2 } }, [1], /keep one/],
  ['unknown setting', { a: { fn: one, wieght: 2 } as RewardSettings }, undefined, /rewards\.a.*fn, file, weight.*`wieght`/],
  ['retries without remote', { a: { fn: one, retries: 2 } }, undefined, /rewards\.a\.retries.*without `remote: true`/],
  ['processes without isolate', { a: { fn: one, processes: 2 } }, undefined, /rewards\.a\.processes.*without `isolate: true`/],
  ['half a retry', { a: { fn: one, remote: true, retries: 0.5 } }, undefined, /rewards\.a\.retries.*whole number/],
  ['backoff below 0', { a: { fn: one, remote: true, backoffMs: -1 } }, undefined, /rewards\.a\.backoffMs.*milliseconds/],
  ['remote in words', { a: { fn: one, remote: 'yes' as unknown as boolean } }, undefined, /rewards\.a\.remote.*true or false/],
  ['an isolated function', { a: { fn: one, isolate: true } }, undefined, /rewards\.a\.isolate.*path of a \.ts or \.js file/],
  ['an isolated built-in', { a: { fn: 'length:5', isolate: true } }, undefined, /rewards\.a\.isolate.*path/],
  ['no process', { a: { file: 'a.ts', isolate: true, processes: 0 } }, undefined, /rewards\.a\.processes.*1 or more/],
  ['a file and a function', { a: { file: 'a.ts', fn: one } }, undefined, /`fn` or `file`/],
  ['a file that nobody loads', { a: { file: 'a.ts' } }, undefined, /import the file and give its function, or set `isolate: true`/],
  ['a timeout beyond all timers', { a: { fn: one, timeoutMs: 2 ** 31 } }, undefined, /rewards\.a\.timeoutMs/],
  ['timeout 0', { a: { fn: one, timeoutMs: 0 } }, undefined, /rewards\.a\.timeoutMs/],
];
for (const [name, rewards, weights, message] of refused) {
  test(`refuses: ${name}`, () => {
    assert.throws(() => namedRewards(rewards, weights), (error: Error) => error instanceof InputError && message.test(error.message));
  });
}
