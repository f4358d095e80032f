import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { rewardsDocument, rewardsFile } from '../scripts/reward-docs.ts';
import { rewards } from '../src/rewards/builtin.ts';

test('docs/rewards-library.md is what the record says', async () => {
  assert.equal(await readFile(rewardsFile, 'utf8'), rewardsDocument(), 'run `npx tsx scripts/reward-docs.ts`');
});

test('every reward stands in the docs once, each cell filled', () => {
  const rows = rewardsDocument().split('## Extractions')[0]!.split('\n').filter((line) => line.startsWith('| `'));
  assert.deepEqual(rows.map((line) => /^\| `(\w+)/.exec(line)![1]), Object.keys(rewards));
  for (const line of rows) assert.doesNotMatch(line, /undefined|\[object/);
});
