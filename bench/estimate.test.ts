import assert from 'node:assert/strict';
import { test } from 'node:test';
import { faultsOf } from './estimate.ts';
import type { EstimateRow } from './estimate.ts';
import { estimated, samples } from './fit-estimate.ts';

const row = (memory: number | null, time: number): EstimateRow => ({ name: 'one', shape: '', memory: { estimated: 1e9, measured: memory }, time: { estimated: 1, measured: time } });

test('15% of memory and 30% of time are allowed, either way', () => {
  assert.deepEqual(faultsOf([row(1.1e9, 1.4), row(0.88e9, 0.78)], false), []);
  assert.deepEqual(faultsOf([row(1.2e9, 1.5)], false), ['memory of one off by −17%', 'time of one off by −33%']);
  assert.deepEqual(faultsOf([row(0.8e9, 0.7)], false), ['memory of one off by +25%', 'time of one off by +43%']);
  assert.deepEqual(faultsOf([row(0.8e9, 0.7)], true), ['memory of one off by +25%']);
  assert.deepEqual(faultsOf([row(null, 1)], true), ['memory of one not measured']);
});

test('the fitted shares are within 30% of every step that was measured', () => {
  const all = samples();
  assert.ok(all.length > 15, `${all.length} samples`);
  for (const sample of all) {
    const off = estimated(sample) / sample.seconds - 1;
    assert.ok(Math.abs(off) < 0.3, `${sample.name}: ${off}`);
  }
});
