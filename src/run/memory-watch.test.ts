import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MemoryWatch } from './memory-watch.ts';

/** What the watch says to these readings, in MB. */
const answers = (readings: readonly number[]) => {
  const watch = new MemoryWatch();
  return readings.map((reading) => watch.creeps(reading * 1e6));
};

test('the first two updates may grow, and a percent of noise is no growth', () => {
  assert.deepEqual(answers([1000, 2000, 2019, 1500, 2020]), [false, false, false, false, false]);
});

test('growth over the highest level is handed back once; the level it reached is then allowed', () => {
  assert.deepEqual(answers([1000, 2000, 2030, 1990, 2030, 2100, 2100]), [false, false, true, false, false, true, false]);
});

test('slow creep is handed back when it has added up to a percent', () => {
  assert.deepEqual(answers([2000, 2000, 2010, 2019, 2025, 2035, 2046]), [false, false, false, false, true, false, true]);
});
