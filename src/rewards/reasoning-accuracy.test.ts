import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sampleOf } from '../../test/reward-sample.ts';
import { reasoningAccuracy } from './reasoning-accuracy.ts';

const earns = (text: string, solution: unknown, reasoningDelimiters = ['</think>']): number | null =>
  reasoningAccuracy({ check: 'exact', reasoningDelimiters })(sampleOf(text, { row: { solution } }));

test('only what follows the reasoning counts', () => {
  assert.equal(earns('<think>a</think> \\boxed{\\frac{1}{3}}', '\\frac{1}{3}'), 1);
  assert.equal(earns('<think>a</think> \\boxed{\\frac{1}{2}}', '\\frac{1}{3}'), 0);
  assert.equal(earns('<think>\\boxed{3}</think> so it is', '3'), 0);
  assert.equal(earns('</think>\\boxed{3}</think> so it is', '3'), 0, 'the last end of the reasoning counts');
});

test('reasoning without an end earns 0, whatever the row says', () => {
  assert.equal(earns('<think>\\boxed{3}', '3'), 0);
  assert.equal(earns('<think>\\boxed{3}', null), 0);
});

test('the first delimiter of the list that occurs ends it; a right answer that cannot be read does not apply', () => {
  assert.equal(earns('a</b>\\boxed{3}</c>\\boxed{4}', '4', ['</c>', '</b>']), 1);
  assert.equal(earns('a</c>\\boxed{4}</b>\\boxed{3}', '4', ['</x>', '</b>']), 0);
  assert.equal(earns('</think>\\boxed{3}', null), null);
  assert.equal(reasoningAccuracy({ check: () => null })(sampleOf('</think>', { row: { solution: 'x' } })), null);
});
