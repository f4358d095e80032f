import assert from 'node:assert/strict';
import { test } from 'node:test';
import { costOf } from './long-tail.ts';

test('the expected cost takes every step at the time of its own number of rows', () => {
  const steady = [{ x: 1, y: 2 }, { x: 4, y: 5 }];
  const steps = [{ rows: 4, seconds: 6 }, { rows: 2, seconds: 3 }, { rows: 1, seconds: 2 }];
  // 5 + 3 + 2 expected, 11 measured.
  assert.deepEqual(costOf({ steady, tail: { steps, admissions: [1, 0.5] } }), { decoding: 11, expected: 10, admissions: 1.5, rounds: 3 });
});
