import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { evaluationSchema } from '../src/eval/evaluation-options.ts';
import { evaluationDocument, evaluationFile } from '../scripts/evaluation-docs.ts';

test('the tables of docs/evaluation.md are what the schema says, each option once', async () => {
  const found = await readFile(evaluationFile, 'utf8');
  assert.equal(found, evaluationDocument(found), 'run `npx tsx scripts/evaluation-docs.ts`');
  const options = found.slice(found.indexOf('## Options'));
  const names = [...options.matchAll(/^\| `(\w+)` \|/gm)].map(([, name]) => name);
  assert.deepEqual(names.sort(), Object.keys(evaluationSchema.shape).sort());
});
