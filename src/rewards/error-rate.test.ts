import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RewardError } from '../errors.ts';
import { RewardErrorMonitor } from './error-rate.ts';
import type { ScoredSample } from './score.ts';

const fine: ScoredSample = { results: { a: { kind: 'score', value: 1 }, b: { kind: 'notApplicable' } }, logged: {} };
function failed(error: unknown = new Error('boom')): ScoredSample {
  return { results: { a: { kind: 'score', value: 1 }, b: { kind: 'error', error, message: 'boom' } }, logged: {} };
}

/** Feeds one sample at a time; returns the number of the sample that stopped the run, or null. */
function stopsAt(maxRate: number, samples: readonly ScoredSample[]): number | null {
  const monitor = new RewardErrorMonitor(maxRate);
  for (const [i, sample] of samples.entries()) {
    try {
      monitor.observe([sample], [{ i }]);
    } catch (error) {
      assert.ok(error instanceof RewardError);
      return i;
    }
  }
  return null;
}
const repeat = (count: number, sample: ScoredSample): ScoredSample[] => Array.from({ length: count }, () => sample);

test('the first 20 that all fail stop the run, even when every failure is allowed', () => {
  assert.equal(stopsAt(1, repeat(20, failed())), 19);
  assert.equal(stopsAt(1, [fine, ...repeat(200, failed())]), null);
});

test('the share is judged from 20 samples on, and must be above the limit', () => {
  assert.equal(stopsAt(0.1, [...repeat(3, failed()), ...repeat(17, fine)]), 19, '3 of 20 is 15%');
  assert.equal(stopsAt(0.1, [...repeat(2, failed()), ...repeat(18, fine)]), null, '2 of 20 is 10%, not above');
  assert.equal(stopsAt(0, [...repeat(30, fine), failed()]), 30);
});

test('only the last 100 samples count', () => {
  const wave = [...repeat(100, fine), ...repeat(10, failed()), ...repeat(90, fine), ...repeat(10, failed())];
  assert.equal(stopsAt(0.1, wave), null);
  assert.equal(stopsAt(0.1, [...repeat(100, fine), ...repeat(11, failed())]), 110);
});

test('a reward that ran out of time counts like one that failed', () => {
  const late: ScoredSample = { results: { a: { kind: 'timeout', error: new Error('late'), message: 'late' } }, logged: {} };
  assert.equal(stopsAt(0.1, [...repeat(2, failed()), late, ...repeat(17, fine)]), 19, '3 of 20 is 15%');
});

test('failures come back with their row; the error names reward, sample, row and the original stack', () => {
  const monitor = new RewardErrorMonitor(0.1);
  const cause = new Error('boom');
  assert.deepEqual(monitor.observe([fine, failed(cause)], [{ q: 0 }, { q: 1 }]), [
    { reward: 'b', sample: 1, row: { q: 1 }, error: cause, message: 'boom' },
  ]);
  assert.throws(
    () => monitor.observe(repeat(20, failed(cause)), repeat(20, fine).map((_, i) => ({ q: i }))),
    (error: RewardError) => {
      assert.equal(error.data.reward, 'b');
      assert.equal(error.data.sample, 19);
      assert.deepEqual(error.data.row, { q: 17 });
      assert.equal(error.cause, cause);
      assert.ok(error.message.includes(cause.stack!));
      assert.match(error.message, /at most 10% .*got 19 of the last 20 samples; mend reward `b`/);
      return true;
    },
  );
});
