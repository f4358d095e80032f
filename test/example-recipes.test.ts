/** The recipes of the examples, through the command line, on the tiny model: the code path of the real runs. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { ownFolder, toyModel } from './toy.ts';

const folder = ownFolder();
const tsrl = fileURLToPath(new URL('../bin/tsrl.js', import.meta.url));
const recipeOf = (name: string) => fileURLToPath(new URL(`../examples/${name}/recipe.ts`, import.meta.url));

/** Rewards of each recipe, and the weights that it leaves. */
const expected = {
  'gsm8k-zh': { rewards: ['mark', 'format', 'digit', 'length', 'correctness'], weights: 'adapter_model.safetensors', settings: { numGenerations: 4, adamBeta2: 0.99, maxGradNorm: 0.1, lrSchedulerType: 'cosine', klCorrection: false } },
  gsm8k: { rewards: ['correctness', 'tags'], weights: 'model.safetensors', settings: { epsilon: 0.1, weightDecay: 0.01, gradientCheckpointing: true, lossType: 'grpo' } },
  'tldr-200': { rewards: ['length'], weights: 'model.safetensors', settings: { temperature: 0.8, lossType: 'bnpo', promptTooLong: 'truncateLeft', numGenerations: 8 } },
  countdown: { rewards: ['countdown'], weights: 'model.safetensors', settings: { beta: 0.001, maxGradNorm: 1 } },
};

test('every example but length-smoltldr, which has tests of its own, is run here', () => {
  const examples = readdirSync(new URL('../examples/', import.meta.url), { withFileTypes: true }).filter((entry) => entry.isDirectory()).map(({ name }) => name);
  assert.deepEqual(examples.sort(), [...Object.keys(expected), 'length-smoltldr'].sort());
});

for (const [name, { rewards, weights, settings }] of Object.entries(expected)) {
  test(`examples/${name} in smoke mode trains and saves`, async () => {
    const env = { ...process.env, TSRL_SMOKE: '1', TSRL_SMOKE_MODEL: await toyModel(folder), OMP_NUM_THREADS: '1' };
    const result = spawnSync(process.execPath, [tsrl, 'run', recipeOf(name), '--output-dir', join(folder, name), '--threads', '1', '--json'], { encoding: 'utf8', env });
    assert.equal(result.status, 0, result.stderr);
    const summary = JSON.parse(result.stdout) as { status: string; steps: number; model: string };
    assert.deepEqual([summary.status, summary.steps], ['finished', 2]);
    assert.ok(readFileSync(join(summary.model, weights)).length > 0);
    const config = JSON.parse(readFileSync(join(folder, name, 'config.json'), 'utf8')) as Record<string, unknown>;
    for (const [option, value] of Object.entries(settings)) assert.deepEqual(config[option], value, option);
    const [sample] = readFileSync(join(folder, name, 'samples', 'step-000001.jsonl'), 'utf8').split('\n');
    assert.deepEqual(Object.keys((JSON.parse(sample!) as { rewards: object }).rewards), rewards);
  });
}
