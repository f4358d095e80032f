import assert from 'node:assert/strict';
import { test } from 'node:test';
import { candidates } from './extract.ts';
import type { ExtractionRules } from './extract.ts';

const everywhere: ExtractionRules = { plain: true, anywhere: true, boxedFirst: false };
const inCompletion: ExtractionRules = { plain: false, anywhere: false, boxedFirst: true };

function best(text: string, rules = everywhere): string[] | null {
  for (const [first] of candidates(text, rules)) if (first) return first.pieces;
  return null;
}

test('the rank counts before the place', () => {
  assert.deepEqual(best('The final answer is $1$. I hope it is correct. The final answer is $2$.'), ['1']);
  assert.deepEqual(best('The final answer is $1$. Answer: $2$'), ['1']);
  assert.deepEqual(best('\\boxed{1}. Answer: $2$'), ['1']);
  assert.deepEqual(best('Answer: $1$. My answer was $2$.'), ['1']);
  assert.deepEqual(best('The answer is $1$. And $2$.'), ['1']);
  assert.deepEqual(best('We have $1$ or rather $2$ and then 3'), ['3']);
});

test('in a rank the last place counts', () => {
  assert.deepEqual(best('$1$ is less than $2$'), ['2']);
  assert.deepEqual(best('Answer: 1. No. Answer: 2.'), ['2']);
  assert.deepEqual(best('1 and 2 and 3.5'), ['3.5']);
});

test('environments that commas and words connect are one list', () => {
  assert.deepEqual(best('$1$, $2$ and $3$'), ['1', '2', '3']);
  assert.deepEqual(best('$1$ then $2$'), ['2']);
});

test('every kind of environment, with a percent sign behind it', () => {
  for (const text of ['$x$', '$$x$$', '\\(x\\)', '\\[x\\]', 'so [x] then', '$$\nx\n$$']) assert.deepEqual(best(text)!.map((piece) => piece.trim()), ['x'], text);
  assert.deepEqual(best('$25$ %'), ['25%']);
  assert.deepEqual(best('$25$ percent'), ['25%']);
  assert.equal(best('$x\ny$', inCompletion), null);
});

test('plain numbers behind blanks and equals signs, with separators, currency and per cent', () => {
  assert.deepEqual(best('It costs $1,234.50 now'), ['1234.50']);
  assert.deepEqual(best('x=48/2 '), ['48/2']);
  assert.deepEqual(best('about 12,5 litres'), ['12.5']);
  assert.deepEqual(best('it rose 25 percent'), ['25%']);
  assert.deepEqual(best('XDY2K'), null);
});

test('a sum on the way is not the answer: what stands behind its last equals sign is', () => {
  assert.deepEqual(best('The answer: 3 + 4 = 7'), ['7']);
});

test('a completion must lead to its answer, in LaTeX', () => {
  assert.equal(best('72', inCompletion), null);
  assert.equal(best('$72$', inCompletion), null);
  assert.equal(best('The answer is 72', inCompletion), null);
  assert.deepEqual(best('The answer is $72$', inCompletion), ['72']);
  assert.deepEqual(best('\\boxed{72}', inCompletion), ['72']);
  assert.deepEqual(best('The final answer is $1$, that is \\boxed{2}', inCompletion), ['2']);
});
