import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sampleOf } from '../../test/reward-sample.ts';
import { exactAnswer } from './exact-answer.ts';

const earns = (text: string, row: Record<string, unknown>, options: Parameters<typeof exactAnswer>[0] = {}): number | null => exactAnswer(options)(sampleOf(text, { row }));

test('recipe 2: 2.0 for the same text, with and without tags', () => {
  const options = { column: 'answer_only', score: 2 };
  const texts = ['<think>\n6*12\n</think>\n<answer>\n72\n</answer>', '72', '<answer>072</answer>', '<answer>72.0</answer>', 'It is 72', ''];
  assert.deepEqual(texts.map((text) => earns(text, { answer_only: '72' }, options)), [2, 2, 0, 0, 0, 0]);
  assert.equal(earns('72', { answer_only: 72 }, options), 2, 'a number in the row counts as its text');
});

test('the right answer may stand behind ####', () => {
  assert.equal(earns('<answer>72</answer>', { answer: '6*12=72\n#### 72' }, { gold: 'hashes' }), 1);
});

test('null in the row does not apply; a missing column and a missing answer are errors', () => {
  assert.equal(earns('72', { answer: null }), null);
  assert.throws(() => earns('72', { question: 'q', gold: '72' }), /`column` to be a column of the dataset \(question, gold\), got "answer"/);
  assert.throws(() => earns('72', { answer: 'no mark' }, { gold: 'hashes' }), /`answer` to hold an answer \(the rest of the line after the last `####`\), got "no mark"/);
  assert.throws(() => earns('72', { answer: ['72'] }), /`answer` to hold text or a number/);
});
