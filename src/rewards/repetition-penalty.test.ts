import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sampleOf } from '../../test/reward-sample.ts';
import { repetitionPenalty } from './repetition-penalty.ts';

const earns = (ids: number[], options: Parameters<typeof repetitionPenalty>[0] = {}): number | null => repetitionPenalty(options)(sampleOf('', { ids }));

test('the share of pairs that came before', () => {
  assert.equal(earns([1, 2, 3, 4], { ngramSize: 2 }), 0);
  assert.equal(earns([5, 5, 5, 5, 5], { ngramSize: 2 }), -0.75);
  assert.equal(earns([5, 5, 5, 5, 5], { ngramSize: 2, maxPenalty: -2 }), -1.5);
});

test('ids are compared, not their digits', () => assert.equal(earns([1, 23, 12, 3], { ngramSize: 2 }), 0));

test('a completion shorter than an n-gram, and nothing, earn 0 and not −0', () => {
  assert.ok([[1, 1], [], [1, 2, 3]].every((ids) => Object.is(earns(ids), 0)));
});

test('a penalty above 0 is refused', () => assert.throws(() => repetitionPenalty({ maxPenalty: 1 }), /`repetitionPenalty\.maxPenalty` to be a number of 0 or less/));
