import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { learningRateAt, scheduleOf, schedules } from './schedule.ts';
import type { ScheduleName, ScheduleSettings } from './schedule.ts';

const { schedules: earlier } = JSON.parse(readFileSync(new URL('../../test/fixtures/torch/training.json', import.meta.url), 'utf8')) as {
  schedules: { type: ScheduleName; warmupSteps: number; totalSteps: number; learningRate: number; rates: number[] }[];
};

for (const { rates, ...options } of earlier) {
  test(`${options.type}, warm-up ${options.warmupSteps} of ${options.totalSteps}: the rates of transformers`, () => {
    // Past the end the run is over; transformers' cosine would climb again there.
    const length = options.type === 'cosine' ? options.totalSteps + 1 : rates.length;
    rates.slice(0, length).forEach((rate, step) => assert.ok(Math.abs(learningRateAt(step, options) - rate) < 1e-18, `step ${step}: ${learningRateAt(step, options)} is not ${rate}`));
  });
}

const everyName = JSON.parse(readFileSync(new URL('../../test/fixtures/torch/schedules.json', import.meta.url), 'utf8')) as {
  type: ScheduleName;
  settings: Partial<ScheduleSettings>;
  warmupSteps: number;
  totalSteps: number;
  learningRate: number;
  rates: number[];
}[];

for (const { rates, settings, ...length } of everyName) {
  test(`${length.type} ${JSON.stringify(settings)}, warm-up ${length.warmupSteps}: all rates of transformers over 50 updates`, () => {
    assert.equal(rates.length, 51);
    rates.forEach((rate, step) => {
      const ours = learningRateAt(step, { ...length, ...settings });
      assert.ok(Math.abs(ours - rate) < 1e-18, `step ${step}: ${ours} is not ${rate}`);
    });
  });
}

test('every name is compared with transformers', () => {
  const compared = new Set([...everyName.map(({ type }) => type), 'constant']);
  assert.deepEqual(Object.keys(schedules).filter((name) => !compared.has(name)), []);
});

test('by hand: a minimum of a quarter, rate 8, warm-up of 2 in 10', () => {
  const at = (type: ScheduleName, step: number, more: Partial<ScheduleSettings> = {}) => learningRateAt(step, { type, learningRate: 8, warmupSteps: 2, totalSteps: 10, lrMinRatio: 0.25, ...more });
  const near = (got: number, wanted: number) => assert.ok(Math.abs(got - wanted) < 1e-12, `${got} is not ${wanted}`);
  // Halfway down: 2 + 6 · 0.5, and of the square 2 + 6 · 0.25.
  near(at('linear', 6), 5);
  near(at('cosine', 6), 5);
  near(at('polynomial', 6, { lrPower: 2 }), 3.5);
  near(at('linear', 10), 2);
  // Two cosines of four updates each: the second begins at the peak.
  near(at('cosine_with_restarts', 4, { lrCycles: 2 }), 5);
  near(at('cosine_with_restarts', 6, { lrCycles: 2 }), 8);
  near(at('cosine_with_restarts', 10, { lrCycles: 2 }), 2);
  // 2 + 6 · √(2/8).
  near(at('inverse_sqrt', 8), 5);
  // It climbs from the minimum, stays, and falls over the last four.
  const stable = [0, 1, 2, 6, 8, 10, 12].map((step) => at('warmup_stable_decay', step, { lrDecayRatio: 0.4 }));
  [2, 5, 8, 8, 5, 2, 2].forEach((wanted, i) => near(stable[i]!, wanted));
});

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
  assert.throws(() => scheduleOf('cosin' as ScheduleName, length), /`lrSchedulerType` to be one of linear, cosine, .*constant_with_warmup, or a function/);
  assert.throws(() => scheduleOf('linear', { warmupSteps: 0, totalSteps: Infinity }), /`totalSteps` to be a number of optimizer updates/);
  assert.throws(() => scheduleOf('constant', { warmupSteps: -1, totalSteps: 3 }), /`warmupSteps` to be a whole number/);
  assert.equal(scheduleOf('constant', { warmupSteps: 0, totalSteps: Infinity })(7), 1);
  assert.equal(scheduleOf('inverse_sqrt', { warmupSteps: 4, totalSteps: Infinity })(16), 0.5);
});
