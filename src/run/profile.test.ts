import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { Profile, summaryText } from './profile.ts';
import type { ProfiledOp } from './profile.ts';

const op = (name: string, start: number, duration: number, more: Partial<ProfiledOp> = {}): ProfiledOp => ({ name, start, duration, self: duration, bytes: 0, ...more });

/** Gives these lists, one per call. */
const giving = (...lists: ProfiledOp[][]) => () => ({ ops: lists.shift() ?? [], peakBytes: 5e8 });

test('calls, own time, total and mean of every op, phase by phase; what ran between phases is other', () => {
  const profile = new Profile('unused', giving([op('copy', 5, 2), op('linear', 10, 30, { self: 10, bytes: 8 }), op('mm', 12, 20), op('linear', 50, 10)], [op('mm', 200, 100)]));
  profile.phase('rollout', 10, 110);
  profile.phase('update', 110, 410);
  const [update, rollout, other] = profile.summary;
  assert.deepEqual([update!.name, rollout!.name, other!.name], ['update', 'rollout', 'other']);
  assert.deepEqual(rollout!.ops, [
    { name: 'linear', calls: 2, selfSeconds: 0.02, totalSeconds: 0.04, meanMicroseconds: 20_000, bytes: 8 },
    { name: 'mm', calls: 1, selfSeconds: 0.02, totalSeconds: 0.02, meanMicroseconds: 20_000, bytes: 0 },
  ]);
  assert.deepEqual([rollout!.seconds, rollout!.opSeconds, rollout!.peakBytes], [0.1, 0.04, 5e8]);
  assert.deepEqual([update!.seconds, other!.seconds], [0.3, 0.002]);
  const text = summaryText(profile.summary, 1);
  assert.match(text, /\| update \| 0\.30 \| 74\.6% \| 33\.3% \| 0\.50 \|/);
  assert.match(text, /\| `linear` \| 2 \| 0\.020 \| 20\.0% \| 0\.040 \| 20000\.0 \| 0\.00 \|/);
});

test('a phase may have a million ops', () => {
  const profile = new Profile('unused', giving(Array.from({ length: 1_000_000 }, (_, i) => op('mm', i, 1))));
  profile.phase('update', 0, 1e6);
  assert.equal(profile.summary[0]!.ops[0]!.calls, 1_000_000);
});

test('the trace holds phases and ops of the first updates, can be read at any time, and skips the shortest ops', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'tsrl-test-'));
  const profile = new Profile(join(folder, 'profile'), giving(...Array.from({ length: 5 }, (_, i) => [op('mm', 100 * i, 20), op('short', 100 * i + 30, 0.001)])));
  for (let update = 0; update < 5; update++) {
    profile.phase('update', 100 * update, 100 * update + 50);
    await profile.write();
  }
  const text = readFileSync(join(folder, 'profile', 'trace.json'), 'utf8');
  const events = JSON.parse(`${text.slice(0, -2)}]`) as { name: string; ts: number; dur: number }[];
  assert.deepEqual(events.map(({ name }) => name), ['update', 'mm', 'update', 'mm', 'update', 'mm']);
  assert.deepEqual([events[3]!.ts, events[3]!.dur], [100_000, 20_000]);
  const summary = JSON.parse(readFileSync(join(folder, 'profile', 'summary.json'), 'utf8')) as { updates: number };
  assert.equal(summary.updates, 5);
  rmSync(folder, { recursive: true });
});
