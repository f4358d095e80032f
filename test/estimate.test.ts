/** `tsrl estimate` on the toy: what it says is what the run then does, and no weight is read for it. */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { before, describe, test } from 'node:test';
import { main } from '../src/cli/main.ts';
import { estimateRun } from '../src/grpo/estimate.ts';
import type { RunEstimate } from '../src/grpo/estimate.ts';
import { grpo } from '../src/grpo/trainer.ts';
import { initModel } from '../src/model/init.ts';
import { ownFolder, silent, toyModel, toyOptions } from './toy.ts';

const folder = ownFolder();
let model: string;
before(async () => {
  model = await toyModel(folder);
});

const roof = { gemmGflops: 100, memoryGbs: 20 };
const measure = async () => roof;

async function cli(args: readonly string[]): Promise<{ code: number; out: string; err: string }> {
  let [out, err] = ['', ''];
  const code = await main(args, { out: (text) => void (out += text), err: (text) => void (err += text), readAll: async () => '', lines: async function* () {}, cwd: folder });
  return { code, out, err };
}

describe('an estimate', () => {
  test('plans what the run plans, and counts its steps', async () => {
    const options = toyOptions(model, join(folder, 'run'), { maxSteps: 2, beta: 0.1 });
    const { plan, memory, time, lengths } = await estimateRun(options, { measure });
    await grpo(options, silent).run();
    const config = JSON.parse(readFileSync(join(folder, 'run', 'config.json'), 'utf8')) as Record<string, unknown>;
    assert.deepEqual([config['plan'], config['estimatedPeakBytes'], config['totalSteps']], [plan, memory.peak, time.steps]);
    assert.equal(memory.parts.reference, memory.parts.weights);
    assert.ok(time.parts.scoring > 0);
    assert.equal(time.run, 2 * time.step);
    // Prompts `say 0` to `say 31` of 5 or 6 bytes.
    assert.deepEqual([lengths.longestPrompt, lengths.longestCompletion, lengths.meanCompletion], [6, 8, 8]);
    assert.ok(Math.abs(lengths.meanPrompt - (10 * 5 + 22 * 6) / 32) < 1e-9);
    assert.ok(Math.abs(time.tokensPerSecond - (32 * (lengths.meanPrompt + 8)) / time.step) < 1e-6);
  });

  test('shorter completions take less time and the same memory', async () => {
    const options = toyOptions(model, join(folder, 'none'));
    const [long, short] = await Promise.all([8, 2].map((completionTokens) => estimateRun(options, { measure, completionTokens })));
    assert.ok(short!.time.step < long!.time.step);
    assert.equal(short!.memory.peak, long!.memory.peak);
  });

  test('needs no weights', async () => {
    const bare = join(folder, 'bare');
    await initModel(bare, { like: model, layers: 1, hidden: 32 });
    const before = await estimateRun(toyOptions(bare, join(folder, 'none')), { measure });
    await truncate(join(bare, 'model.safetensors'), 0);
    assert.deepEqual((await estimateRun(toyOptions(bare, join(folder, 'none')), { measure })).memory.parts, before.memory.parts);
  });

  test('passes over ℓold and the reference are counted', async () => {
    const more = await estimateRun(toyOptions(model, join(folder, 'none'), { beta: 0.1, numIterations: 2 }), { measure });
    const once = await estimateRun(toyOptions(model, join(folder, 'none'), { beta: 0.1 }), { measure });
    // Two passes over a round that serves two updates, against one over a round that serves one.
    assert.ok(Math.abs(more.time.parts.scoring - once.time.parts.scoring) < 1e-12);
    assert.ok(Math.abs(more.time.parts.rollout - once.time.parts.rollout / 2) < 1e-12);
  });
});

describe('the command', () => {
  const file = () => {
    const path = join(folder, 'rows.jsonl');
    writeFileSync(path, '{"prompt":"one"}\n{"prompt":"two"}\n');
    return path;
  };
  const flags = () => ['estimate', '--model', model, '--dataset', file(), '--reward', 'length:50', '--prompts-per-step', '1', '--max-completion-length', '4'];

  test('prints text, or the record', async () => {
    const { code, out } = await cli(flags());
    assert.equal(code, 0);
    assert.match(out, /^Memory at the peak: 0\.\d+ GB, of [\d.]+ GB \(.*\)\n {2}all the time\n/);
    assert.match(out, /Time of the run: [\d.]+ s for 2 steps/);
    const record = JSON.parse((await cli([...flags(), '--json', '--completion-tokens', '2'])).out) as RunEstimate;
    assert.equal(record.lengths.meanCompletion, 2);
    assert.ok(record.time.roof.gemmGflops > 0);
  });

  test('takes a recipe', async () => {
    const recipe = join(folder, 'recipe.mjs');
    writeFileSync(recipe, `export default ${JSON.stringify({ model, dataset: file(), rewards: { length: 'length:50' }, promptsPerStep: 2, maxCompletionLength: 4 })};`);
    const { code, out } = await cli(['estimate', recipe, '--max-steps', '1', '--json']);
    assert.deepEqual([code, (JSON.parse(out) as RunEstimate).time.steps], [0, 1]);
  });

  test('refuses what cannot stay below the limit, whatever this machine has', async () => {
    const { code, err } = await cli([...flags(), '--max-memory', '100MB']);
    assert.equal(code, 1);
    assert.match(err, /Expected `maxMemory` to hold the run, got 0\.100 GB for an estimated 0\.\d+ GB in its smallest parts/);
    // A limit beyond this machine's memory is one of another machine.
    assert.equal((JSON.parse((await cli([...flags(), '--max-memory', '900TB', '--json'])).out) as RunEstimate).memory.limit.bytes, 9e14);
  });

  test('wrong usage', async () => {
    assert.equal((await cli([...flags(), '--completion-tokens', '0'])).code, 2);
    assert.equal((await cli([...flags(), '--max-memory', 'much'])).code, 2);
    assert.equal((await cli(['estimate'])).code, 2);
  });
});
