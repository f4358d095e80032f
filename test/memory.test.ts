/** A long run holds what a short one does. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { ownFolder, toyModel } from './toy.ts';

const folder = ownFolder();
const program = fileURLToPath(new URL('programs/thousand-steps.ts', import.meta.url));

// The young generation is kept small, so that its growth does not look like the run's.
test('1,000 updates: no tensor more, and memory flat within 2%', { timeout: 110_000 }, async () => {
  const model = await toyModel(folder);
  const child = spawnSync(process.execPath, ['--expose-gc', '--max-semi-space-size=1', '--import', 'tsx', program, model, join(folder, 'run')], { encoding: 'utf8' });
  assert.equal(child.status, 0, child.stderr);
  const { seen, after } = JSON.parse(child.stdout) as { seen: { step: number; liveTensors: number; rss: number }[]; after: number };
  assert.deepEqual(seen.map(({ step }) => step), [200, 400, 600, 800, 1000]);
  assert.deepEqual(new Set(seen.map(({ liveTensors }) => liveTensors)).size, 1, `live tensors ${seen.map(({ liveTensors }) => liveTensors)}`);
  assert.equal(after, 0);
  // The garbage collector of JavaScript makes single readings swing by a percent or two.
  const [first, last] = [Math.max(seen[0]!.rss, seen[1]!.rss), Math.min(...seen.slice(2).map(({ rss }) => rss))];
  assert.ok(last <= 1.02 * first, `memory went from ${first} to ${last} bytes: ${seen.map(({ rss }) => rss)}`);
});
