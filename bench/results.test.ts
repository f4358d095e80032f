import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { withBenchTable } from '../scripts/bench-docs.ts';
import { newestComplete, saveResult } from './results.ts';
import type { BenchResult } from './results.ts';

const folder = mkdtempSync(join(tmpdir(), 'tsrl-test-'));
after(() => rmSync(folder, { recursive: true, force: true }));

const record = (date: string, complete: boolean): BenchResult => ({
  date,
  commit: 'abc1234',
  machine: { cpu: 'A CPU', cores: 2, memoryGb: 25 },
  versions: { node: 'v20', trl: '1.16.0' },
  model: 'a model',
  rounds: 3,
  steps: 1,
  threads: 2,
  roof: { 1: { gemmGflops: 78, memoryGbs: 12.3 }, 2: { gemmGflops: 118.4, memoryGbs: 20 } },
  rows: [],
  complete,
});

test('the newest complete record is quoted; later ones that are not complete are not', () => {
  assert.equal(newestComplete(join(folder, 'none')), null);
  for (const [date, complete] of [['2026-02-01T10:00:00.000Z', true], ['2026-02-03T10:00:00.000Z', true], ['2026-02-09T10:00:00.000Z', false], ['2026-01-30T10:00:00.000Z', true]] as const) {
    saveResult(record(date, complete), folder);
  }
  assert.equal(newestComplete(folder)!.date, '2026-02-03T10:00:00.000Z');
});

test('the README holds the record between its marks and nothing else changes', () => {
  const empty = 'before\n<!-- bench: written by scripts/bench-docs.ts -->\n<!-- /bench -->\nafter\n';
  const written = withBenchTable(empty, record('2026-02-03T10:00:00.000Z', true));
  assert.match(written, /^before\n<!-- bench: [^\n]* -->\n\n\| work /);
  assert.match(written, /2026-02-03, commit abc1234; A CPU, 2 cores, 25 GB, 2 threads; a model in float32;\nnode v20, trl 1\.16\.0\. Medians of 3 rounds of 1 step,/);
  assert.match(written, /78\.0 GFLOP\/s and 12\.3 GB\/s with 1 thread, 118 GFLOP\/s and 20\.0 GB\/s with 2 threads\.\n\n<!-- \/bench -->\nafter\n$/);
  assert.equal(withBenchTable(written, record('2026-02-03T10:00:00.000Z', true)), written);
  assert.match(withBenchTable(written, null), /<!-- bench: [^\n]*\n\n`npm run bench` measures [^\n]*\n\n<!-- \/bench -->\nafter/);
});

test('a README without marks is an error', () => assert.throws(() => withBenchTable('nothing', null), /Expected README\.md to hold/));
