import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cutIntoMicroBatches, wantedTokens } from './pack.ts';

const groups = [
  { prompt: 10, completions: [3, 4, 5] },
  { prompt: 6, completions: [2, 2] },
];

test('by rows: groups may span micro-batches, order is kept', () => {
  assert.deepEqual(cutIntoMicroBatches(groups, { rows: 2 }), [
    [{ group: 0, rows: [0, 1] }],
    [{ group: 0, rows: [2] }, { group: 1, rows: [0] }],
    [{ group: 1, rows: [1] }],
  ]);
});

test('by tokens: the prompt counts once per micro-batch that holds some of its group', () => {
  // 10+3+4 = 17, then 10+5 = 15, +6+2 = 23 > 20 → new: 6+2+2 = 10
  assert.deepEqual(cutIntoMicroBatches(groups, { tokens: 20 }), [
    [{ group: 0, rows: [0, 1] }],
    [{ group: 0, rows: [2] }],
    [{ group: 1, rows: [0, 1] }],
  ]);
  assert.deepEqual(cutIntoMicroBatches(groups, { tokens: 1000 }), [[{ group: 0, rows: [0, 1, 2] }, { group: 1, rows: [0, 1] }]]);
});

test('by tokens: a group that fits into a micro-batch of its own is not torn', () => {
  // 10+3+4+5 = 22 of 30; the second group's 10 do not fit behind it, though its first row would.
  assert.deepEqual(cutIntoMicroBatches(groups, { tokens: 30 }), [[{ group: 0, rows: [0, 1, 2] }], [{ group: 1, rows: [0, 1] }]]);
  assert.deepEqual(cutIntoMicroBatches(groups, { tokens: 32 }), [[{ group: 0, rows: [0, 1, 2] }, { group: 1, rows: [0, 1] }]]);
});

test('a row beyond the budget stands alone instead of being lost', () => {
  assert.deepEqual(cutIntoMicroBatches([{ prompt: 50, completions: [9, 9] }], { tokens: 20 }), [
    [{ group: 0, rows: [0] }],
    [{ group: 0, rows: [1] }],
  ]);
});

test('as many tokens as a group has, within 512 and 2048', () => {
  assert.deepEqual([100, 1280, 5000].map(wantedTokens), [512, 1280, 2048]);
});
