/** The example's own recipe, through the command line, on the tiny model: the code path of the real run. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { ownFolder, toyModel } from './toy.ts';

const folder = ownFolder();
const tsrl = fileURLToPath(new URL('../bin/tsrl.js', import.meta.url));
const recipe = fileURLToPath(new URL('../examples/length-smoltldr/recipe.ts', import.meta.url));

test('examples/length-smoltldr in smoke mode trains and saves', async () => {
  const model = await toyModel(folder);
  const env = { ...process.env, TSRL_SMOKE: '1', TSRL_SMOKE_MODEL: model };
  const result = spawnSync(process.execPath, [tsrl, 'run', recipe, '--output-dir', join(folder, 'run'), '--json'], { encoding: 'utf8', env });
  assert.equal(result.status, 0, result.stderr);
  const summary = JSON.parse(result.stdout) as { status: string; steps: number; model: string };
  assert.equal(summary.status, 'finished');
  assert.equal(summary.steps, 2);
  assert.ok(readFileSync(join(summary.model, 'adapter_model.safetensors')).length > 0);
});

test('its dry run shows the prompt, a group and the rewards, and writes nothing', async () => {
  const model = await toyModel(folder);
  const env = { ...process.env, TSRL_SMOKE: '1', TSRL_SMOKE_MODEL: model };
  const result = spawnSync(process.execPath, [tsrl, 'run', recipe, '--dry-run', '--json'], { encoding: 'utf8', env, cwd: folder });
  assert.equal(result.status, 0, result.stderr);
  const report = JSON.parse(result.stdout) as { prompt: { text: string }; completions: { rewards: { length: number }; text: string }[] };
  assert.match(report.prompt.text, /TL;DR:$/);
  assert.equal(report.completions.length, 4);
  for (const { rewards, text } of report.completions) assert.equal(rewards.length, -Math.abs(50 - [...text].length));
});
