import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { optionSchema } from '../src/grpo/option-schema.ts';
import { optionsDocument, optionsFile } from '../scripts/options-docs.ts';

test('docs/options.md is what the schema says', async () => {
  assert.equal(await readFile(optionsFile, 'utf8'), optionsDocument(), 'run `npx tsx scripts/options-docs.ts`');
});

test('every option of the schema stands in the docs once', () => {
  const names = [...optionsDocument().matchAll(/^\| `(\w+)` \|/gm)].map(([, name]) => name);
  assert.deepEqual([...names].sort(), Object.keys(optionSchema.shape).sort());
});
