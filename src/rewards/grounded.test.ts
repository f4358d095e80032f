import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sampleOf } from '../../test/reward-sample.ts';
import { grounded } from './grounded.ts';

const context = 'The old lighthouse stands on the north cliff.';
const earns = (text: string, options: Parameters<typeof grounded>[0] = {}): number | null => grounded(options)(sampleOf(text, { row: { context } }));

test('the share of words that the context holds', () => {
  assert.equal(earns('The LIGHTHOUSE stands!'), 1);
  assert.equal(earns('the lighthouse is new'), 0.5);
  assert.equal(earns('nothing here'), 0);
  assert.equal(earns(''), 0);
  assert.equal(earns('new <answer>cliff</answer> new'), 1, 'only the answer counts');
});

test('n-grams ask for the order, a short text is one n-gram', () => {
  assert.equal(earns('the north cliff stands', { ngramSize: 2 }), 2 / 3);
  assert.equal(earns('cliff', { ngramSize: 3 }), 1);
  assert.equal(earns('cliff north', { ngramSize: 3 }), 0);
});

test('Chinese is read character by character', () => {
  assert.equal(grounded({ column: 'text' })(sampleOf('北崖有灯', { row: { text: '灯塔在北崖' } })), 0.75);
});

test('null does not apply, a missing column is an error', () => {
  assert.equal(grounded()(sampleOf('a', { row: { context: null } })), null);
  assert.throws(() => grounded()(sampleOf('a', { row: { passage: '' } })), /\(passage\), got "context"/);
});
