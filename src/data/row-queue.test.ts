import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RowQueue } from './row-queue.ts';
import { createRounds } from './stream.ts';

const rows = Array.from({ length: 6 }, (_, i) => ({ i }));

test('draws of any size take the rows in the order of the rounds, and end with the data', async () => {
  const queue = new RowQueue(createRounds(rows, { roundSize: 2, seed: 1, shuffle: false, epochs: 1 }));
  const drawn: number[][] = [];
  for (const count of [2, 1, 2, 4, 1]) drawn.push((await queue.draw(count)).map(({ index }) => index));
  assert.deepEqual(drawn, [[0, 1], [2], [3, 4], [5], []]);
  assert.equal(queue.epoch, 1);
});
