import assert from 'node:assert/strict';
import { test } from 'node:test';
import { InputError } from '../errors.ts';
import { namedRewards } from './named-rewards.ts';
import { batch, batchFunction, type Rewards } from './reward.ts';

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
  ['timeout 0', { a: { fn: one, timeoutMs: 0 } }, undefined, /rewards\.a\.timeoutMs/],
];
for (const [name, rewards, weights, message] of refused) {
  test(`refuses: ${name}`, () => {
    assert.throws(() => namedRewards(rewards, weights), (error: Error) => error instanceof InputError && message.test(error.message));
  });
}
