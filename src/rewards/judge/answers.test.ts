import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readScore, readWinner } from './answers.ts';
import { comparisonsOf } from './comparisons.ts';

const scores: [answer: string, score: number | null][] = [
  ['{"score": 7}', 7],
  ['Good.\n```json\n{ "reason": "x", "score": 7.5 }\n```', 7.5],
  ['Score: 3', 3],
  ['**Score:** 10/10', 10],
  ['I would first score: 2, but the end is right.\n{"score": 8}', 8],
  ['{"score": "6"}', 6],
  ['{"score": 0}', null],
  ['{"score": 11}', null],
  ['Score: -3', null],
  ['Score: 4/5', null],
  ['{"score": N}', null],
  ['8', null],
  ['I cannot judge this.', null],
  ['', null],
];
for (const [answer, score] of scores) {
  test(`score 1…10 of ${JSON.stringify(answer)}`, () => assert.equal(readScore(answer, { min: 1, max: 10 }), score));
}

test('a scale below 0', () => assert.equal(readScore('{"score": -1.5}', { min: -2, max: 2 }), -1.5));

const winners: [answer: string, winner: string | null][] = [
  ['{"winner": "A"}', 'A'],
  ['Winner: B', 'B'],
  ['**Winner:** tie', 'tie'],
  ['The winner: Answer B.', 'B'],
  ['The winner: a tie would be too kind.', null],
  ['{"winner": "Tie"}', 'tie'],
  ['{"winner": "A"} … no: {"winner": "B"}', 'B'],
  ['{"winner": "Apple"}', null],
  ['A', null],
  ['', null],
];
for (const [answer, winner] of winners) {
  test(`winner of ${JSON.stringify(answer)}`, () => assert.equal(readWinner(answer), winner));
}

/** How often each of a group stands in the pairs. */
function counts(size: number, most: number): number[] {
  const pairs = comparisonsOf(size, most);
  return Array.from({ length: size }, (_, i) => pairs.filter((pair) => pair.includes(i)).length);
}

test('all pairs where they are allowed, else whole rounds in which each stands equally often', () => {
  assert.deepEqual(comparisonsOf(2, 1), [[0, 1]]);
  assert.deepEqual(comparisonsOf(3, 3), [[0, 1], [1, 2], [2, 0]]);
  for (const size of [4, 5, 8]) {
    const all = comparisonsOf(size, 1000);
    assert.equal(new Set(all.map((pair) => pair.toSorted().join())).size, (size * (size - 1)) / 2);
    assert.equal(all.length, (size * (size - 1)) / 2);
  }
  assert.deepEqual(counts(8, 8), Array.from({ length: 8 }, () => 2));
  assert.deepEqual(counts(8, 27), Array.from({ length: 8 }, () => 6));
  assert.deepEqual(comparisonsOf(1, 1), []);
  assert.throws(() => comparisonsOf(8, 7), /`maxComparisons` to be 8 or more for a group of 8, got 7/);
});
