import assert from 'node:assert/strict';
import { test } from 'node:test';
import { tensor } from '../../tensor/tensor.ts';
import { ratios } from './ratio.ts';

const logRatio = tensor([Math.log(2), Math.log(8), 0, 0], [2, 2], 'float64');
const counts = tensor([2, 1], [2, 1], 'float64');

test('token: exp of each log-ratio', () => {
  const values = [...ratios.token(logRatio, counts).toArray()].map(Number);
  [2, 8, 1, 1].forEach((wanted, i) => assert.ok(Math.abs(values[i]! - wanted) < 1e-12));
});

test('sequence: the geometric mean of the row, one per row', () => {
  const ratio = ratios.sequence(logRatio, counts);
  assert.deepEqual(ratio.shape, [2, 1]);
  const values = [...ratio.toArray()].map(Number);
  [4, 1].forEach((wanted, i) => assert.ok(Math.abs(values[i]! - wanted) < 1e-12));
});
