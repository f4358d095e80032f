/** What a run leaves on disk, however it ends. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { before, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { grpo } from '../src/grpo/trainer.ts';
import { loadModel } from '../src/language-model.ts';
import type { LanguageModel } from '../src/language-model.ts';
import type { PhaseSummary } from '../src/run/profile.ts';
import { liveTensors } from '../src/tensor/scope.ts';
import { letters, ownFolder, rows, silent, toyModel, toyOptions } from './toy.ts';

const folder = ownFolder();
let model: string;
before(async () => {
  model = await toyModel(folder);
});

const json = (...path: string[]): Record<string, unknown> => JSON.parse(readFileSync(join(...path), 'utf8')) as Record<string, unknown>;
const lines = (...path: string[]): Record<string, unknown>[] =>
  readFileSync(join(...path), 'utf8').trim().split('\n').map((line) => JSON.parse(line) as Record<string, unknown>);

/** Log-probabilities of a fixed completion. */
async function probe(loaded: LanguageModel): Promise<number[]> {
  const scored = await loaded.logprobs([[1, 2, 3]], [[97, 98, 258]]);
  const values = Array.from(scored.logprobs.toArray(), Number);
  for (const part of Object.values(scored)) part.dispose();
  return values;
}

test('a finished run: config, metrics, samples, checkpoints, final model, state', async () => {
  const run = join(folder, 'finished');
  const trainer = grpo(toyOptions(model, run, { maxSteps: 5, saveSteps: 2, saveTotalLimit: 1, beta: 0.01, logCompletions: true, runName: 'toy', topK: 50 }), silent);
  let live: number[] = [];
  for await (const { step } of trainer) {
    if (step < 5) continue;
    await trainer.save(join(folder, 'live'));
    const copy = await loadModel(join(folder, 'live'));
    live = await probe(copy);
    copy.dispose();
  }
  assert.deepEqual(readdirSync(run).sort(), ['checkpoints', 'config.json', 'final', 'metrics.jsonl', 'samples', 'state.json']);

  const config = json(run, 'config.json');
  assert.equal(config.runName, 'toy');
  assert.equal(config.epsilon, 0.2, 'defaults are written out');
  assert.equal(config.totalSteps, 5);
  assert.deepEqual(Object.keys(config.plan as object).sort(), ['checkpoint', 'decodingCopies', 'limit', 'slots']);
  assert.match(JSON.stringify(config.rewards), /letter/);

  const metrics = lines(run, 'metrics.jsonl');
  assert.deepEqual(metrics.map(({ step }) => step), [1, 2, 3, 4, 5]);
  const names = [
    'step', 'epoch', 'loss', 'policy_loss', 'kl', 'entropy', 'grad_norm', 'learning_rate', 'num_tokens', 'reward', 'reward_std', 'rewards/letter/mean',
    'rewards/letter/std', 'rewards/letter/errors', 'reward_errors', 'frac_reward_zero_std', 'completions/mean_length', 'completions/min_length',
    'completions/max_length', 'completions/clipped_ratio', 'clip_ratio/low_mean', 'clip_ratio/low_min', 'clip_ratio/high_mean', 'clip_ratio/high_max',
    'clip_ratio/region_mean', 'sampling/sampling_logp_difference/mean', 'sampling/sampling_logp_difference/max', 'sampling/truncation_logp_difference/mean',
    'step_time', 'time/rollout', 'time/reward', 'time/reward/letter', 'time/reference', 'time/update', 'time/other', 'tokens_per_second', 'memory_peak_gb',
  ];
  for (const name of names) assert.equal(typeof metrics[0]![name], 'number', name);

  assert.equal(readdirSync(join(run, 'samples')).length, 5);
  const samples = lines(run, 'samples', 'step-000001.jsonl');
  assert.equal(samples.length, 32);
  const wanted = ['step', 'group', 'sample', 'prompt', 'completion', 'rewards', 'reward', 'advantage', 'finishReason', 'promptIds', 'completionIds', 'row'];
  for (const name of wanted) assert.ok(name in samples[0]!, name);
  assert.equal((samples[0]!.rewards as { letter: number }).letter, letters(samples[0]!.completion as string));

  assert.deepEqual(readdirSync(join(run, 'checkpoints')), ['step-000004']);
  const checkpoint = await loadModel(join(run, 'checkpoints', 'step-000004'));
  assert.equal((await checkpoint.generate('a', { maxNewTokens: 2, temperature: 0 })).completions.length, 1);
  checkpoint.dispose();
  const final = await loadModel(join(run, 'final'));
  assert.deepEqual(await probe(final), live);
  final.dispose();

  const state = json(run, 'state.json');
  assert.deepEqual([state.status, state.reason, state.step], ['finished', null, 5]);
  await trainer.save(join(folder, 'after'));
  assert.deepEqual(readFileSync(join(folder, 'after', 'model.safetensors')), readFileSync(join(run, 'final', 'model.safetensors')));
});

test('while it runs the state says so and a second run is refused', async () => {
  const run = join(folder, 'running');
  for await (const _ of grpo(toyOptions(model, run, { maxSteps: 1 }), silent)) {
    assert.equal(json(run, 'state.json').status, 'running');
    await assert.rejects(async () => grpo(toyOptions(model, run, { maxSteps: 1, overwrite: true }), silent).run(), { message: /running|in use|another/ });
  }
});

test('a consumer that leaves the loop leaves an interrupted run with its weights', async () => {
  const run = join(folder, 'left');
  const alive = liveTensors();
  for await (const { step } of grpo(toyOptions(model, run), silent)) if (step === 2) break;
  assert.deepEqual([json(run, 'state.json').status, readdirSync(join(run, 'checkpoints'))], ['interrupted', ['step-000002']]);
  assert.ok(!existsSync(join(run, 'final')));
  assert.equal(liveTensors(), alive);
});

test('stop() in the middle of a rollout drops that step and saves', async () => {
  const run = join(folder, 'stopped');
  const trainer = grpo(toyOptions(model, run, { maxCompletionLength: 200, maxSteps: 50 }), silent);
  setTimeout(() => trainer.stop('enough'), 700);
  const summary = await trainer.run();
  assert.equal(summary.status, 'interrupted');
  assert.equal(json(run, 'state.json').reason, 'enough');
  assert.ok(summary.steps < 50);
});

test('callbacks are awaited, in order, and may ask to save and to stop', async () => {
  const run = join(folder, 'callbacks');
  const calls: string[] = [];
  const note = (name: string) => async ({ step }: { step: number }) => {
    await pause(1);
    calls.push(`${name} ${step}`);
  };
  const callbacks = [
    {
      onTrainBegin: note('begin'),
      onStepBegin: note('step'),
      onLog: note('log'),
      onSave: note('save'),
      onTrainEnd: note('end'),
      onStepEnd: async (event: { step: number; save(): void; stop(reason: string): void }) => {
        await note('done')(event);
        if (event.step === 1) event.save();
        if (event.step === 2) event.stop('that will do');
      },
    },
  ];
  const { status, steps } = await grpo(toyOptions(model, run, { callbacks }), silent).run();
  assert.deepEqual([status, steps], ['interrupted', 2]);
  assert.deepEqual(calls, ['begin 0', 'step 0', 'done 1', 'log 1', 'save 1', 'step 1', 'done 2', 'log 2', 'save 2', 'end 2']);
});

test("the caller's model is trained in place and goes on without gradients", async () => {
  const loaded = await loadModel(model);
  const alive = liveTensors();
  const untrained = await probe(loaded);
  await grpo(toyOptions(model, join(folder, 'in-place'), { model: loaded, maxSteps: 2 }), silent).run();
  assert.notDeepEqual(await probe(loaded), untrained);
  assert.ok([...loaded.decoder.trained.values()].every((weight) => !weight.requiresGrad && weight.grad === null));
  assert.equal(liveTensors(), alive);
  loaded.dispose();
});

test('Ctrl-C: the run saves a checkpoint that loads, says interrupted, and ends with 130', async () => {
  const recipe = join(folder, 'recipe.ts');
  const run = join(folder, 'ctrl-c');
  await writeFile(
    recipe,
    `import { recipe } from 'tsrl';
export default recipe({
  model: ${JSON.stringify(model)}, dataset: ${JSON.stringify(rows)}, outputDir: ${JSON.stringify(run)},
  rewards: { letter: ({ completion }) => completion.text.split('a').length - 1 },
  maxSteps: 100000, numTrainEpochs: null, threads: 1, maxCompletionLength: 16,
});
`,
  );
  const child = spawn(process.execPath, [fileURLToPath(new URL('../bin/tsrl.js', import.meta.url)), 'run', recipe], { stdio: ['ignore', 'pipe', 'pipe'] });
  let shown = '';
  child.stderr.on('data', (text: Buffer) => {
    shown += String(text);
    if (shown.includes('step 3/') && !child.killed) child.kill('SIGINT');
  });
  const [code] = (await once(child, 'exit')) as [number];
  assert.equal(code, 130, shown);
  const state = json(run, 'state.json');
  assert.equal(state.status, 'interrupted');
  assert.match(String(state.reason), /SIGINT/);
  const [checkpoint] = readdirSync(join(run, 'checkpoints'));
  const loaded = await loadModel(join(run, 'checkpoints', checkpoint!));
  loaded.dispose();
  assert.equal((json(run, 'config.json').files as { path: string; sha256: string }[])[0]!.sha256.length, 64);
});

test('`profile` writes time and memory of each phase, op by op, and a Chrome trace; `overwrite` removes it again', async () => {
  const outputDir = join(folder, 'profiled');
  await grpo(toyOptions(model, outputDir, { maxSteps: 2, beta: 0.1, profile: true }), silent).run();
  const { updates, phases } = JSON.parse(readFileSync(join(outputDir, 'profile', 'summary.json'), 'utf8')) as { updates: number; phases: PhaseSummary[] };
  assert.equal(updates, 2);
  const phase = (name: string) => phases.find((one) => one.name === name)!;
  for (const name of ['rollout', 'reference', 'update']) {
    assert.ok(phase(name).seconds > 0 && phase(name).opSeconds <= phase(name).seconds && phase(name).peakBytes > 0, name);
  }
  assert.ok(phase('rollout').ops.some(({ name }) => name === 'tsrl::panel_product'));
  assert.ok(phase('update').ops.some(({ name }) => /Backward/.test(name)), 'the backward pass is in it');
  assert.match(readFileSync(join(outputDir, 'profile', 'summary.md'), 'utf8'), /^# Profile of 2 updates/);
  assert.match(readFileSync(join(outputDir, 'profile', 'trace.json'), 'utf8'), /"name":"rollout","ph":"X"/);
  await grpo(toyOptions(model, outputDir, { maxSteps: 1, overwrite: true }), silent).run();
  assert.ok(!existsSync(join(outputDir, 'profile')));
});
