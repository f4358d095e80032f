import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fillRound } from './dynamic-sampling.ts';

/** Groups are numbers; negative ones are flat. Each sampling takes the next ones of the list. */
function from(list: number[]): { sample: (count: number) => Promise<number[]>; counts: number[] } {
  const counts: number[] = [];
  return { counts, sample: async (count) => (counts.push(count), list.splice(0, count)) };
}
const flat = (group: number): boolean => group < 0;

test('off: the first sampling as it is', async () => {
  const { sample, counts } = from([-1, 2, 3]);
  assert.deepEqual(await fillRound(2, 0, sample, flat), { groups: [-1, 2], replaced: 0 });
  assert.deepEqual(counts, [2]);
});

test('flat groups are replaced by fresh ones until the round is full, and no more are sampled than are missing', async () => {
  const { sample, counts } = from([-1, 2, -3, 4, -5, 6, 7, 8]);
  assert.deepEqual(await fillRound(4, 4, sample, flat), { groups: [2, 4, 6, 7], replaced: 2 });
  assert.deepEqual(counts, [4, 2, 1]);
});

test('after maxResampleRounds the last flat groups fill the round', async () => {
  const { sample, counts } = from([1, -2, -3, -4, -5, -6, -7, 9]);
  assert.deepEqual(await fillRound(3, 2, sample, flat), { groups: [1, -6, -7], replaced: 0 });
  assert.deepEqual(counts, [3, 2, 2]);
});

test('the end of the prompts ends the search', async () => {
  const { sample } = from([1, -2, -3]);
  assert.deepEqual(await fillRound(3, 9, sample, flat), { groups: [1, -2, -3], replaced: 0 });
});

test('no prompts at all: an empty round', async () => {
  assert.deepEqual(await fillRound(3, 2, async () => [], flat), { groups: [], replaced: 0 });
});
