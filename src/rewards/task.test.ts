import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sampleOf } from '../../test/reward-sample.ts';
import { copy } from '../data/tasks/copy.ts';
import { countdown as games } from '../data/tasks/countdown.ts';
import { wordProblems } from '../data/tasks/word-problems.ts';
import { countdown } from './countdown.ts';
import { task } from './task.ts';

test('the row says which task it is', () => {
  for (const row of [...copy({ count: 5 }), ...wordProblems({ count: 5 })]) {
    assert.equal(task()(sampleOf(row.answer, { row })), 1);
    assert.equal(task()(sampleOf(`${row.answer} 0`, { row })), 0);
  }
  assert.throws(() => task()(sampleOf('1', { row: { prompt: 'a' } })), { name: 'InputError', message: /`row\.task` to name a task/ });
});

test('the solutions of countdown earn the whole score of its own reward', () => {
  for (const difficulty of [1, 2, 3, 4]) {
    for (const row of games({ count: 50, difficulty })) {
      assert.equal(countdown()(sampleOf(`<think>…</think><answer>${row.solution}</answer>`, { row })), 1);
      assert.equal(countdown()(sampleOf(`<answer>${row.numbers.join(' + ')} + 1</answer>`, { row })), 0);
    }
  }
});
