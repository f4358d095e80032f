import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { learningRateAt, scheduleOf } from './schedule.ts';
import type { ScheduleName } from './schedule.ts';

const { schedules } = JSON.parse(readFileSync(new URL('../../test/fixtures/torch/training.json', import.meta.url), 'utf8')) as {
  schedules: { type: ScheduleName; warmupSteps: number; totalSteps: number; learningRate: number; rates: number[] }[];
};

for (const { rates, ...options } of schedules) {
  test(`${options.type}, warm-up ${options.warmupSteps} of ${options.totalSteps}: the rates of transformers`, () => {
    // Past the end the run is over; transformers' cosine would climb again there.
    const length = options.type === 'cosine' ? options.totalSteps + 1 : rates.length;
    rates.slice(0, length).forEach((rate, step) => assert.ok(Math.abs(learningRateAt(step, options) - rate) < 1e-18, `step ${step}: ${learningRateAt(step, options)} is not ${rate}`));
  });
}

const rates = (type: ScheduleName): number[] => [0, 1, 2, 6, 10].map((step) => learningRateAt(step, { type, learningRate: 8, warmupSteps: 2, totalSteps: 10 }));

test('by hand: warm-up of 2 in 10, rate 8', () => {
  assert.deepEqual(rates('linear'), [0, 4, 8, 4, 0]);
  assert.deepEqual(rates('constant'), [0, 4, 8, 8, 8]);
  const cosine = rates('cosine');
  [0, 4, 8, 4, 0].forEach((wanted, i) => assert.ok(Math.abs(cosine[i]! - wanted) < 1e-12));
  assert.equal(learningRateAt(15, { type: 'cosine', learningRate: 8, warmupSteps: 2, totalSteps: 10 }), 0);
});

test("the caller's own schedule is used as it is", () => {
  assert.equal(learningRateAt(3, { type: (step) => 1 / (1 + step), learningRate: 8, warmupSteps: 2, totalSteps: 10 }), 2);
});

test('refused: unknown names, and falling schedules without an end', () => {
  const length = { warmupSteps: 0, totalSteps: 10 };
  assert.throws(() => scheduleOf('cosin' as ScheduleName, length), /`lrSchedulerType` to be one of constant, linear, cosine/);
  assert.throws(() => scheduleOf('linear', { warmupSteps: 0, totalSteps: Infinity }), /`totalSteps` to be a number of optimizer updates/);
  assert.throws(() => scheduleOf('constant', { warmupSteps: -1, totalSteps: 3 }), /`warmupSteps` to be a whole number/);
  assert.equal(scheduleOf('constant', { warmupSteps: 0, totalSteps: Infinity })(7), 1);
});
