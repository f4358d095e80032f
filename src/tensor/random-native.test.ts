import assert from 'node:assert/strict';
import { test } from 'node:test';
import { native } from './binding.ts';
import * as ops from './ops.ts';
import { scope } from './scope.ts';
import { tensor } from './tensor.ts';

const u64 = (x: bigint): bigint => BigInt.asUintN(64, x);
const golden = 0x9e3779b97f4a7c15n;

/** SplitMix64's finaliser, as published. */
function mixed(z: bigint): bigint {
  z = u64((z ^ (z >> 30n)) * 0xbf58476d1ce4e5b9n);
  z = u64((z ^ (z >> 27n)) * 0x94d049bb133111ebn);
  return z ^ (z >> 31n);
}

/** The plain twin of the words, as unsigned numbers. */
function words(keys: readonly number[], columns: number, seed: number, stream: number): number[] {
  const start = mixed(u64(mixed(u64(BigInt(seed) + golden)) + BigInt(stream)));
  return keys.flatMap((key) => {
    const state = mixed(start ^ mixed(BigInt(key)));
    return Array.from({ length: columns }, (_, j) => Number(mixed(u64(state + BigInt(j + 1) * golden)) >> 32n));
  });
}

/** The plain twin of the mask. */
function masked(keys: readonly number[], columns: number, seed: number, stream: number, keep: number): number[] {
  return words(keys, columns, seed, stream).map((word) => (word < Math.floor(keep * 2 ** 32) ? Math.fround(1 / keep) : 0));
}

const mask = (keys: readonly number[], columns: number, seed: number, stream: number, keep: number): number[] =>
  scope(() => Array.from(ops.randomMask(tensor(keys, [keys.length], 'int64'), columns, seed, stream, keep).toArray(), Number));

test('the mask is that of the plain twin, on one thread and on two', () => {
  const keys = [0, 1, 2 ** 40 + 5, 7];
  for (const threads of [1, 2]) {
    native().setThreads(threads);
    assert.deepEqual(mask(keys, 37, 42, 3, 0.9), masked(keys, 37, 42, 3, 0.9));
  }
  assert.deepEqual(mask([3], 4000, 1, 0, 0.25), masked([3], 4000, 1, 0, 0.25));
});

test('the words are those of the plain twin, on one thread and on two', () => {
  const keys = Array.from({ length: 40 }, (_, i) => i * i * 2 ** 32 + i);
  for (const threads of [1, 2]) {
    native().setThreads(threads);
    const found = scope(() => Array.from(ops.randomWords(tensor(keys, [keys.length], 'int64'), 1000, 42, 2 ** 48).toArray(), Number)).map((word) => word >>> 0);
    assert.deepEqual(found, words(keys, 1000, 42, 2 ** 48));
  }
});

test('a row depends on its key alone; key, seed, stream and column all count', () => {
  const [a, b] = [mask([5, 9, 5], 64, 1, 2, 0.5), mask([9], 64, 1, 2, 0.5)];
  assert.deepEqual(a.slice(64, 128), b);
  assert.deepEqual(a.slice(0, 64), a.slice(128));
  const others = [mask([5], 64, 1, 2, 0.5), mask([6], 64, 1, 2, 0.5), mask([5], 64, 2, 2, 0.5), mask([5], 64, 1, 3, 0.5)].map(String);
  assert.equal(new Set(others).size, 4);
});

test('the share that is kept, and the mean that stays 1', () => {
  for (const keep of [0.95, 0.5, 1]) {
    const values = mask(Array.from({ length: 200 }, (_, i) => i), 500, 7, 1, keep);
    const kept = values.filter((value) => value > 0).length / values.length;
    // Four standard deviations of a share over 100,000 draws.
    assert.ok(Math.abs(kept - keep) <= 4 * Math.sqrt((keep * (1 - keep)) / 1e5), `${kept}`);
    assert.ok(values.every((value) => value === 0 || value === Math.fround(1 / keep)));
  }
  assert.throws(() => mask([1], 3, 1, 1, 0), /a share above 0/);
});
