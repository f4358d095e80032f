import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sampleOf } from '../../test/reward-sample.ts';
import { lengthBounds } from './length-bounds.ts';

test('both bounds count, outside earns 0', () => {
  const reward = lengthBounds({ min: 2, max: 4, score: 0.5 });
  assert.deepEqual(['', 'a', 'ab', 'abc', '😀😀😀😀', '😀😀😀😀😀'].map((text) => reward(sampleOf(text))), [0, 0, 0.5, 0.5, 0.5, 0]);
  const tokens = lengthBounds({ min: 2, max: 2, unit: 'tokens' });
  assert.deepEqual([[1], [1, 2], [1, 2, 3]].map((ids) => tokens(sampleOf('a long text', { ids }))), [0, 1, 0]);
});

test('refuses bounds in the wrong order', () => assert.throws(() => lengthBounds({ min: 5, max: 4 }), /`lengthBounds\.max` to be 5 \(`min`\) or more, got 4/));
