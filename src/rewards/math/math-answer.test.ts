import assert from 'node:assert/strict';
import { test } from 'node:test';
import { InputError } from '../../errors.ts';
import type { RewardSample } from '../reward.ts';
import { mathAnswer } from './math-answer.ts';

const sample = (text: string, row: Record<string, unknown>): RewardSample => ({ completion: { text }, row }) as unknown as RewardSample;

test('1 for the answer, 0 for another and for none, null where the solution has no mathematics', async () => {
  const reward = mathAnswer({ column: 'answer' });
  const graded: [string, unknown, number | null][] = [
    ['so \\boxed{\\frac{1}{2}}', '#### 0.5', 1],
    ['so \\boxed{\\frac{1}{3}}', '#### 0.5', 0],
    ['so it is 0.5', '#### 0.5', 0],
    ['', '#### 0.5', 0],
    [' \n ', '#### 0.5', 0],
    ['😀 \\boxed{😀}', '#### 0.5', 0],
    ['\\boxed{72}', 72, 1],
    ['\\boxed{72}', 'not known', null],
  ];
  for (const [text, answer, expected] of graded) assert.equal(await reward(sample(text, { answer })), expected, text);
});

test('boxes side by side: an empty one says nothing, the same value twice is one, another value spoils the answer', () => {
  const graded: [string, string, number][] = [['\\boxed{5}\\boxed{}', '5', 1], ['\\boxed{0.5}\\boxed{50\\%}', '0.5', 1], ['\\boxed{5\\text{ cm}}\\boxed{\\frac{1}{2}}', '5', 0]];
  for (const [text, solution, expected] of graded) assert.equal(mathAnswer()(sample(text, { solution })), expected, text);
});

test('a column that is not there is named, with those that are', () => {
  assert.throws(() => mathAnswer()(sample('\\boxed{1}', { question: 'q', answer: '1' })), (error: Error) => error instanceof InputError && /question, answer.*"solution"/.test(error.message));
  assert.throws(() => mathAnswer({ column: 'toString' })(sample('\\boxed{1}', { answer: '1' })), InputError);
  assert.equal(mathAnswer()(sample('\\boxed{1}', { solution: null })), null);
  assert.throws(() => mathAnswer()(sample('\\boxed{1}', { solution: [1] })), /to hold text or a number/);
});
