import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sampleOf } from '../../test/reward-sample.ts';
import { countdown } from './countdown.ts';

const game = { numbers: [44, 19, 35], target: 98 };
const earns = (text: string, options: Parameters<typeof countdown>[0] = {}, row: Record<string, unknown> = game): number | null => countdown(options)(sampleOf(text, { row }));

const samples: [text: string, exactly: number, atMost: number, why: string][] = [
  ['44 + 19 + 35 = 98', 1, 1, "the source's right answer"],
  ['35 + (44 - 35)', 0, 0, "the source's wrong one: a number twice"],
  ['<think>…</think>\n<answer>\n(19 + 35) + 44\n</answer>', 1, 1, 'an expression between tags'],
  ['<answer>44 + 19 - 35</answer>', 0.1, 0.1, 'the right numbers with another value'],
  ['<answer>44 + 19 + 35 = 99</answer>', 0.1, 0.1, 'another value claimed'],
  ['<answer>44 + 19 = 63</answer>', 0.1, 0.1, 'a number left over'],
  ['<answer>98</answer>', 0, 0, 'the target itself, which is no given number'],
  ['<answer>44 + 19 + 35 = 98 = 98</answer>', 0, 0, 'two equals signs'],
  ['<answer>forty-four</answer>', 0, 0, 'no expression'],
  ['<answer>44 / (19 - 19)</answer>', 0, 0, 'a number twice, dividing by zero'],
  ['', 0, 0, 'nothing'],
];
for (const [text, exactly, atMost, why] of samples) {
  test(`${why} earns ${exactly}`, () => assert.deepEqual([earns(text), earns(text, { useAll: false })], [exactly, atMost]));
}

test('without useAll a number may be left over', () => {
  const row = { numbers: [25, 3, 4], target: 100 };
  assert.equal(earns('25 * 4', { useAll: false }, row), 1);
  assert.equal(earns('25 * 4', {}, row), 0.1);
});

test('fractions on the way are exact; a division by zero is format alone', () => {
  assert.equal(earns('8 / (3 - 8 / 3)', {}, { numbers: [8, 3, 8, 3], target: 24 }), 1);
  assert.equal(earns('6 / (3 - 3)', {}, { numbers: [6, 3, 3], target: 6 }), 0.1);
  assert.equal(earns('7 / 2', {}, { numbers: [7, 2], target: 3 }), 0.1);
  assert.equal(earns('2 - 7', {}, { numbers: [7, 2], target: -5 }), 1);
});

test('other columns and scores', () => {
  assert.equal(earns('1 + 2', { numbers: 'given', target: 'goal', score: 5 }, { given: [1, 2], goal: 3 }), 5);
  assert.equal(earns('1 - 2', { numbers: 'given', target: 'goal', formatOnly: 0 }, { given: [1, 2], goal: 3 }), 0);
});

test('rows that are no game are errors', () => {
  assert.throws(() => earns('1', {}, { numbers: '44, 19', target: 1 }), /`numbers` to be a list of whole numbers/);
  assert.throws(() => earns('1', {}, { numbers: [1.5], target: 1 }), /`numbers`/);
  assert.throws(() => earns('1', {}, { numbers: [1], target: '1' }), /`target` to be a whole number, got "1"/);
  assert.throws(() => earns('1', {}, { nums: [1], target: 1 }), /\(nums, target\), got "numbers"/);
});
