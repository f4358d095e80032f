import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compareRecords } from './compare.ts';
import type { CompletionRecord, QuestionRecord } from './question-record.ts';

/** A question with one completion for each verdict. */
function question(index: number, verdicts: readonly (boolean | null)[], more: Partial<CompletionRecord> = {}): QuestionRecord {
  const completions = verdicts.map((verdict): CompletionRecord => ({ text: '', tokens: 3, characters: 10, finishReason: 'stop', answers: {}, verdicts: { said: verdict }, rewards: {}, ...more }));
  return { index, question: `q${index}`, gold: '7', prompt: '', promptTokens: 1, completions };
}

const from = (verdicts: readonly boolean[]) => verdicts.map((verdict, i) => question(i, [verdict]));

test('one completion each: McNemar on the questions on which they disagree', () => {
  const before = from([true, false, false, false, false, false, true, false]);
  const after = from([false, true, true, true, true, true, true, false]);
  const { modes, questions } = compareRecords(before, after);
  const { first, second, difference, p, test: name, onlyFirst, onlySecond } = modes.said!;
  assert.deepEqual([questions, first, second, difference, name, onlyFirst, onlySecond], [8, 2 / 8, 6 / 8, 4 / 8, 'mcnemar', 1, 5]);
  assert.ok(Math.abs(p - 14 / 64) < 1e-12);
});

test('several completions: the shares of each question are compared as means', () => {
  const before = [question(0, [false, false]), question(1, [true, false]), question(2, [false, false])];
  const after = [question(0, [true, false]), question(1, [true, true]), question(2, [true, true])];
  const { said } = compareRecords(before, after).modes;
  // Differences ½, ½ and 1: two of eight sign patterns reach as far.
  assert.deepEqual([said!.first, said!.difference, said!.p, said!.test, said!.onlyFirst], [1 / 6, 2 / 3, 2 / 8, 'permutation', null]);
});

test('lengths, truncation and rewards side by side; what only one has is left out', () => {
  const before = [question(0, [null], { characters: 300, tokens: 60, finishReason: 'length', rewards: { length: -100, other: 1 }, reward: -99 }), question(1, [null], { characters: 250, rewards: { length: -50, other: null }, reward: -50 })];
  const after = [question(0, [null], { characters: 205, tokens: 40, rewards: { length: -5 }, reward: -5 }), question(1, [null], { characters: 195, rewards: { length: -5 }, reward: -5 })];
  const { means, modes, rows } = compareRecords(before, after);
  assert.deepEqual(Object.keys(means), ['reward', 'rewards/length', 'characters', 'tokens', 'truncated']);
  assert.deepEqual([means.characters!.first, means.characters!.second, means.characters!.difference], [275, 200, -75]);
  assert.deepEqual([means['rewards/length']!.difference, means.truncated!.first, means.truncated!.second], [70, 0.5, 0]);
  assert.deepEqual(modes, {});
  assert.deepEqual(rows.map(({ index, first, second }) => [index, first.characters, second.characters, second.reward]), [[0, 300, 205, -5], [1, 250, 195, -5]]);
});

test('other questions, other right answers, or more of them, are refused', () => {
  assert.throws(() => compareRecords(from([true]), from([true, false])), /1 and 2 questions/);
  assert.throws(() => compareRecords(from([true, true]), [question(0, [true]), { ...question(1, [true]), question: 'another' }]), /row 1 with "q1" and "7", and row 1 with "another" and "7"/);
  assert.throws(() => compareRecords(from([true]), [{ ...question(0, [true]), gold: '8' }]), /evaluate both on the same rows/);
});
