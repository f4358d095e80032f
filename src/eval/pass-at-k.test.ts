import assert from 'node:assert/strict';
import { test } from 'node:test';
import { passAtK, usualKs } from './pass-at-k.ts';

/** Share of the k-element subsets of n completions, the first c of them right, that hold a right one. */
function byEnumeration(n: number, c: number, k: number): number {
  let [all, passing] = [0, 0];
  for (let subset = 0; subset < 2 ** n; subset++) {
    const members = Array.from({ length: n }, (_, i) => i).filter((i) => (subset >> i) % 2 === 1);
    if (members.length !== k) continue;
    all++;
    if (members.some((i) => i < c)) passing++;
  }
  return passing / all;
}

test('the share of all subsets, for every n up to 8', () => {
  for (let n = 1; n <= 8; n++) {
    for (let c = 0; c <= n; c++) {
      for (let k = 1; k <= n; k++) assert.ok(Math.abs(passAtK(n, c, k) - byEnumeration(n, c, k)) < 1e-12, `n ${n}, c ${c}, k ${k}`);
    }
  }
});

test('by hand: 2 right of 5, two drawn: 1 − 3/10; at k 1 the plain share; exact ends', () => {
  assert.ok(Math.abs(passAtK(5, 2, 2) - 0.7) < 1e-12);
  assert.ok(Math.abs(passAtK(5, 2, 1) - 0.4) < 1e-12);
  assert.equal(passAtK(5, 0, 5), 0);
  assert.equal(passAtK(200, 101, 100), 1);
});

test('powers of two and n itself', () => {
  assert.deepEqual([1, 2, 4, 6, 16].map(usualKs), [[1], [1, 2], [1, 2, 4], [1, 2, 4, 6], [1, 2, 4, 8, 16]]);
});
