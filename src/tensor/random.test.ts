import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isLoaded } from './binding.ts';
import { normals, philox, purpose, uniform } from './random.ts';
import type { DrawKey } from './random.ts';

// philox4x32-10 in the known-answer file of Random123 (kat_vectors): counter, key, result.
const known: [counter: [number, number, number, number], key: [number, number], result: number[]][] = [
  [[0, 0, 0, 0], [0, 0], [0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8]],
  [[0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff], [0xffffffff, 0xffffffff], [0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd]],
  [[0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344], [0xa4093822, 0x299f31d0], [0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1]],
];

test('philox gives the published numbers', () => {
  for (const [counter, key, result] of known) assert.deepEqual(philox(counter, key), result);
});

test('philox agrees with its definition in exact integers on many counters', () => {
  const mask = 0xffffffffn;
  const exact = (counter: bigint[], key: bigint[]): bigint[] => {
    let [c0, c1, c2, c3] = counter as [bigint, bigint, bigint, bigint];
    let [k0, k1] = key as [bigint, bigint];
    for (let round = 0; round < 10; round++) {
      const [a, b] = [0xd2511f53n * c0, 0xcd9e8d57n * c2];
      [c0, c1, c2, c3] = [(b >> 32n) ^ c1 ^ k0, b & mask, (a >> 32n) ^ c3 ^ k1, a & mask];
      [k0, k1] = [(k0 + 0x9e3779b9n) & mask, (k1 + 0xbb67ae85n) & mask];
    }
    return [c0, c1, c2, c3];
  };
  let words: [number, number, number, number] = [1, 2, 3, 4];
  for (let i = 0; i < 1000; i++) {
    const key: [number, number] = [words[1], words[2]];
    const next = philox(words, key);
    assert.deepEqual(next.map(BigInt), exact(words.map(BigInt), key.map(BigInt)));
    words = next;
  }
});

const first: DrawKey = { seed: 42, step: 0, prompt: 0, sample: 0, token: 0 };

/** Uniforms along one field of the key. */
const along = (field: keyof DrawKey, count: number): number[] => Array.from({ length: count }, (_, i) => uniform({ ...first, [field]: i }));

const average = (values: ArrayLike<number>): number => Array.from(values).reduce((sum, value) => sum + value, 0) / values.length;

for (const field of ['seed', 'step', 'prompt', 'sample', 'token'] as const) {
  test(`uniform along ${field}: in [0, 1), exact in float32, evenly spread, without correlation`, () => {
    const count = 50_000;
    const values = along(field, count);
    for (const value of values) assert.ok(value >= 0 && value < 1 && Math.fround(value) === value);
    // Five standard errors each: 1/√12, 1/√180 and 1/12 are the deviations of u, (u − ½)² and u·u' about their means.
    const off = 5 / Math.sqrt(count);
    assert.ok(Math.abs(average(values) - 1 / 2) < off / Math.sqrt(12));
    assert.ok(Math.abs(average(values.map((u) => (u - 0.5) ** 2)) - 1 / 12) < off / Math.sqrt(180));
    assert.ok(Math.abs(average(values.slice(1).map((u, i) => (u - 0.5) * (values[i]! - 0.5)))) < off / 12);
    const counts = Array.from({ length: 64 }, () => 0);
    for (const value of values) counts[Math.floor(value * 64)]!++;
    const wanted = count / 64;
    const chiSquare = counts.reduce((sum, got) => sum + (got - wanted) ** 2 / wanted, 0);
    // 63 degrees of freedom: mean 63, deviation √126.
    assert.ok(Math.abs(chiSquare - 63) < 5 * Math.sqrt(126), `${chiSquare}`);
  });
}

test('a draw is a pure function of its key, and every field of the key counts', () => {
  assert.equal(uniform(first), uniform({ ...first }));
  const draws = (['seed', 'step', 'prompt', 'sample', 'token'] as const).flatMap((field) => [1, 2, 3].map((by) => uniform({ ...first, [field]: first[field] + by })));
  assert.equal(new Set([uniform(first), ...draws]).size, 16);
});

test('normals: mean, deviation, tails, and no correlation between neighbours', () => {
  const count = 100_000;
  const values = normals(count, 2, 42, 0);
  const error = 1 / Math.sqrt(count);
  assert.equal(values.length, count);
  assert.ok(values.every(Number.isFinite));
  const scaled = Array.from(values, (value) => value / 2);
  assert.ok(Math.abs(average(scaled)) < 5 * error);
  assert.ok(Math.abs(average(scaled.map((z) => z * z)) - 1) < 5 * Math.sqrt(2) * error);
  assert.ok(Math.abs(average(scaled.map((z) => z ** 4)) - 3) < 5 * Math.sqrt(96) * error);
  assert.ok(Math.abs(average(scaled.slice(1).map((z, i) => z * scaled[i]!))) < 5 * error);
  // Φ(−1.96) + 1 − Φ(1.96) = 0.05
  assert.ok(Math.abs(scaled.filter((z) => Math.abs(z) > 1.959964).length / count - 0.05) < 5 * Math.sqrt(0.05 * 0.95) * error);
});

test('normals: a prefix stays when the count changes; seeds and streams differ', () => {
  const ten = normals(10, 1, 42, 0);
  for (const count of [0, 1, 2, 3, 5]) assert.deepEqual(normals(count, 1, 42, 0), ten.subarray(0, count));
  assert.equal(new Set([...ten, ...normals(10, 1, 43, 0), ...normals(10, 1, 42, 1)]).size, 30);
});

test('sampling and initialisation never share a stream', () => {
  assert.equal(new Set(Object.values(purpose)).size, Object.keys(purpose).length);
});

test('random numbers need no addon', () => {
  assert.equal(isLoaded(), false);
});
