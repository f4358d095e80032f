import assert from 'node:assert/strict';
import { test } from 'node:test';
import { boxedContent } from './boxed.ts';

test('the last box counts, with those that stand beside it', () => {
  assert.equal(boxedContent('\\boxed{1}', 'last'), '1');
  assert.equal(boxedContent('no box', 'last'), 'no box');
  assert.equal(boxedContent('\\boxed{1}. This is wrong because of the sign \\boxed{2}', 'last'), '2');
  assert.equal(boxedContent('\\boxed{1}, \\boxed{2}', 'last'), '1,2');
  assert.equal(boxedContent('\\boxed{1} for the first part and so \\boxed{2} for the second', 'last'), '1,2');
  assert.equal(boxedContent('\\boxed{1}. This is wrong because of the sign \\boxed{2}', 'all'), '1,2');
});

test('boxes hold braces and boxes, and may stay open', () => {
  assert.equal(boxedContent('\\boxed{\\frac{1}{2}} = x', 'last'), '\\frac{1}{2}');
  assert.equal(boxedContent('\\boxed{\\boxed{11}}', 'last'), '11');
  assert.equal(boxedContent('\\boxed {3}', 'last'), '3');
  assert.equal(boxedContent('\\fbox{3}', 'last'), '3');
  assert.equal(boxedContent('\\boxed{\\frac{1}{2}', 'last'), '{\\frac{1}{2}');
  assert.equal(boxedContent('\\boxed 7', 'last'), '7');
});

test('the same box twice is one answer', () => {
  assert.equal(boxedContent('\\boxed{4} \\boxed{4}', 'all'), '4');
});
