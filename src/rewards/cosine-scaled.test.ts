import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sampleOf } from '../../test/reward-sample.ts';
import { cosineScaled } from './cosine-scaled.ts';

const earns = (right: boolean | null, tokens: number): number | null =>
  cosineScaled({ maxLen: 100, check: () => right })(sampleOf('', { ids: Array.from({ length: tokens }, () => 1), row: { solution: '7' } }));

const close = (got: number | null, wanted: number): void => assert.ok(got !== null && Math.abs(got - wanted) < 1e-12, `${got} against ${wanted}`);

test('right answers fall from 1 to 0.5, wrong ones rise from −1 to −0.5', () => {
  for (const [tokens, right, wrong] of [[0, 1, -1], [50, 0.75, -0.75], [100, 0.5, -0.5], [170, 0.5, -0.5]] as const) {
    close(earns(true, tokens), right);
    close(earns(false, tokens), wrong);
  }
  // cos(π/4) = 0.7071: 0.5 + 0.25 · 1.7071
  close(earns(true, 25), 0.5 + 0.25 * (1 + Math.SQRT1_2));
});

test('does not apply where the right answer cannot be read', () => {
  assert.equal(earns(null, 10), null);
  assert.equal(cosineScaled({ maxLen: 1, check: 'exact' })(sampleOf('', { row: { solution: null } })), null);
});
