import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sampleOf } from '../../test/reward-sample.ts';
import { numericAnswer } from './numeric-answer.ts';

const earns = (text: string, answer: unknown, options: Parameters<typeof numericAnswer>[0] = {}): number | null =>
  numericAnswer(options)(sampleOf(text, { row: { answer } }));

test('one number, written in any way', () => {
  const texts = ['<answer>1350</answer>', '$1,350.00', '1350 apples', '1.35e3', '1,350 or 1,351', '1351', 'none', ''];
  assert.deepEqual(texts.map((text) => earns(text, '1,350')), [1, 1, 1, 1, 0, 0, 0, 0]);
  assert.equal(earns('-5', -5), 1);
  assert.equal(earns('−5', -5), 1);
  assert.equal(earns('5', -5), 0);
});

test('a tolerance', () => {
  assert.deepEqual([0.33, 0.34, 0.36].map((value) => earns(String(value), '0.335', { tolerance: 0.01 })), [1, 1, 0]);
});

test('a right answer without exactly one number is an error, null does not apply', () => {
  assert.throws(() => earns('5', 'five'), /`answer` to hold exactly one number, got "five"/);
  assert.throws(() => earns('5', '1/2'), /exactly one number/);
  assert.equal(earns('5', null), null);
});
