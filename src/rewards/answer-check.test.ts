import assert from 'node:assert/strict';
import { test } from 'node:test';
import { answerCheck } from './answer-check.ts';

test('exact and number look at the extracted text', () => {
  assert.deepEqual(['\\boxed{72}', '\\boxed{72.0}', '72'].map((text) => answerCheck('exact', 'boxed')(text, ' 72 ')), [true, false, false]);
  assert.deepEqual(['\\boxed{72}', '\\boxed{72.0}', '72', '\\boxed{7 2}'].map((text) => answerCheck('number', 'boxed')(text, '72')), [true, true, false, false]);
  assert.equal(answerCheck('number', 'whole')('7', 'seven'), null);
});

test('math compares values, and cannot where the right answer is none', () => {
  assert.deepEqual(['\\boxed{\\frac{1}{2}}', '\\boxed{0.51}', 'half'].map((text) => answerCheck('math', 'boxed')(text, '$0.5$')), [true, false, false]);
  assert.equal(answerCheck('math', 'boxed')('\\boxed{7}', 'unknown'), null);
});

test('a function sees the whole text; a promise or a number is no verdict', () => {
  assert.equal(answerCheck((text, gold) => text === `${gold}!`, 'boxed')('7!', '7'), true);
  assert.throws(() => answerCheck((() => 1) as never, 'boxed')('7', '7'), /`check` to return true, false or null, got 1/);
  assert.throws(() => answerCheck((async () => true) as never, 'boxed')('7', '7'), /`check` to return/);
});
