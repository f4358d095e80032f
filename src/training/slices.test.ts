import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inSlices } from './slices.ts';

test('runs keep the order, stay under the limit, and a bigger tensor stands alone', async () => {
  const runs: number[][] = [];
  await inSlices([3, 4, 4, 20, 1, 9, 1].map((length) => ({ length })), (slice) => runs.push(slice.map(({ length }) => length)), 10);
  assert.deepEqual(runs, [[3, 4], [4], [20], [1, 9], [1]]);
});

test('other code has its turn between two runs', async () => {
  const order: string[] = [];
  setImmediate(() => order.push('other'));
  await inSlices([{ length: 5 }, { length: 5 }], () => order.push('run'), 5);
  assert.deepEqual(order, ['run', 'other', 'run']);
});
