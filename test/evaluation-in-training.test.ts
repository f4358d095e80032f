/** Evaluation during a run: its figures, its samples, the best checkpoint, and that training does not notice it. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, test } from 'node:test';
import type { GrpoOptions } from '../src/grpo/option-schema.ts';
import { grpo } from '../src/grpo/trainer.ts';
import type { SampleRecord } from '../src/run/samples.ts';
import { capture, letters, meanOf, ownFolder, silent, toyModel, toyOptions } from './toy.ts';

const folder = ownFolder();
let model: string;
before(async () => {
  model = await toyModel(folder);
});

const heldOut = Array.from({ length: 5 }, (_, i) => ({ prompt: `held out ${i}`, held: true }));

function options(name: string, more: Partial<GrpoOptions> = {}): GrpoOptions {
  return toyOptions(model, join(folder, name), { maxSteps: 4, evalDataset: heldOut, evalSteps: 2, ...more });
}

const metricsOf = (name: string): Record<string, number>[] =>
  readFileSync(join(folder, name, 'metrics.jsonl'), 'utf8').trim().split('\n').map((line) => JSON.parse(line) as Record<string, number>);
const samplesOf = (name: string, step: number): SampleRecord[] =>
  readFileSync(join(folder, name, 'samples', 'eval', `step-${String(step).padStart(6, '0')}.jsonl`), 'utf8').trim().split('\n').map((line) => JSON.parse(line) as SampleRecord);
const checkpointsOf = (name: string): string[] => readdirSync(join(folder, name, 'checkpoints')).sort();
const stateOf = (name: string) => JSON.parse(readFileSync(join(folder, name, 'state.json'), 'utf8')) as { status: string; best?: unknown };

/** A reward that scores held-out rows as a list says, by the updates done, and others by their letters. */
const scripted = (values: Readonly<Record<number, number>>): GrpoOptions['rewards'] => ({
  letter: ({ row, step, completion }) => (row['held'] ? values[step]! : letters(completion.text)),
});

test('figures and samples of its own rows and its own G, before the first update too, and the console says so', async () => {
  const { stream, text } = capture();
  const heard: [number, number][] = [];
  const trainer = grpo(
    options('figures', { maxSteps: 5, evalOnStart: true, numGenerationsEval: 3, logCompletions: true, callbacks: [{ onEvaluate: ({ step, metrics }) => void heard.push([step, metrics['eval/reward']!]) }] }),
    { stream },
  );
  const yielded: Record<string, number>[] = [];
  for await (const step of trainer) yielded.push(step.metrics);
  const metrics = metricsOf('figures');
  assert.deepEqual(metrics.map(({ step }) => step), [0, 1, 2, 3, 4, 5]);
  assert.deepEqual(metrics.filter((row) => 'eval/reward' in row).map(({ step }) => step), [0, 2, 4, 5]);
  assert.deepEqual(Object.keys(metrics[0]!).filter((name) => !name.startsWith('eval/')), ['step', 'epoch']);
  assert.equal(yielded[1]!['eval/reward'], metrics[2]!['eval/reward']);
  assert.deepEqual(heard, [0, 2, 4, 5].map((step) => [step, metrics[step]!['eval/reward']]));
  for (const step of [0, 2, 4, 5]) {
    const samples = samplesOf('figures', step);
    assert.equal(samples.length, 15);
    assert.deepEqual([...new Set(samples.map(({ prompt }) => prompt))], heldOut.map(({ prompt }) => prompt));
    const rewards = samples.map(({ completion }) => letters(completion));
    assert.ok(Math.abs(metrics[step]!['eval/reward']! - meanOf(rewards)) < 1e-12);
    assert.ok(Math.abs(metrics[step]!['eval/rewards/letter/mean']! - meanOf(rewards)) < 1e-12);
    assert.equal(metrics[step]!['eval/completions/mean_length'], meanOf(samples.map(({ completionIds }) => completionIds.length)));
    assert.ok(metrics[step]!['eval/runtime']! > 0);
  }
  assert.match(text(), /^evaluation after 0 updates: reward \d/m);
  assert.deepEqual(readdirSync(join(folder, 'figures', 'samples')).sort(), ['eval', ...[1, 2, 3, 4, 5].map((step) => `step-00000${step}.jsonl`)]);
  // The folder is a run's in all its parts: it can be replaced.
  await grpo(options('figures', { overwrite: true, maxSteps: 1, evalSteps: 1 }), silent).run();
  assert.ok(!existsSync(join(folder, 'figures', 'samples')));
});

test('the policy is what changes between two evaluations, not the random numbers', async () => {
  await grpo(options('still', { evalOnStart: true, learningRate: 0, logCompletions: true }), silent).run();
  const texts = [0, 2, 4].map((step) => samplesOf('still', step).map(({ completion }) => completion));
  assert.deepEqual(texts[1], texts[0]);
  assert.deepEqual(texts[2], texts[0]);
});

for (const [what, more] of [
  ['full fine-tuning, two passes and a reference', { numIterations: 2, beta: 0.02 }],
  ['an adapter with dropout, rows drawn again', { lora: { r: 4, dropout: 0.1 }, dynamicSampling: true, stepsPerGeneration: 2, promptsPerStep: 2 }],
] as const) {
  test(`training is the same bit for bit with and without evaluation: ${what}`, async () => {
    const timed = /^(time\/.*|step_time|tokens_per_second|memory_peak_gb|eval\/.*)$/;
    const trainedBy = async (name: string, evaluation: Partial<GrpoOptions>) => {
      await grpo(toyOptions(model, join(folder, name), { maxSteps: 4, logCompletions: true, ...more, ...evaluation }), silent).run();
      const samples = join(folder, name, 'samples');
      return {
        metrics: metricsOf(name).filter(({ step }) => step! > 0).map((row) => Object.fromEntries(Object.entries(row).filter(([key]) => !timed.test(key)))),
        samples: readdirSync(samples).filter((file) => file.endsWith('.jsonl')).sort().map((file) => readFileSync(join(samples, file), 'utf8')),
        weights: readdirSync(join(folder, name, 'final')).filter((file) => file.endsWith('.safetensors')).map((file) => readFileSync(join(folder, name, 'final', file))),
      };
    };
    const name = what.split(' ').join('-');
    const without = await trainedBy(`without-${name}`, {});
    assert.ok(without.metrics.length === 4 && without.samples.length === 4 && without.weights.length === 1);
    assert.deepEqual(await trainedBy(`with-${name}`, { evalDataset: heldOut, evalSteps: 1, evalOnStart: true, numGenerationsEval: 3, metricForBestModel: 'reward', saveTotalLimit: 1 }), without);
    assert.equal(metricsOf(`with-${name}`).filter((row) => 'eval/reward' in row).length, 5);
  });
}

test('the best checkpoint stays beside the newest ones, and state and summary name it', async () => {
  const summary = await grpo(options('best', { maxSteps: 8, saveSteps: 2, saveTotalLimit: 1, rewards: scripted({ 2: 1, 4: 5, 6: 3, 8: 4 }), metricForBestModel: 'reward' }), silent).run();
  assert.deepEqual(checkpointsOf('best'), ['step-000004', 'step-000008']);
  const best = { step: 4, metric: 'eval/reward', value: 5 };
  assert.deepEqual(stateOf('best').best, best);
  assert.deepEqual(summary.best, { ...best, folder: join(folder, 'best', 'checkpoints', 'step-000004') });
});

test('less may be better; a better one is saved without saveSteps, and takes the place of the best before', async () => {
  const less = { rewards: scripted({ 1: 7, 2: 5, 3: 5, 4: 6 }), evalSteps: 1, metricForBestModel: 'eval_rewards/letter/mean', greaterIsBetter: false, saveTotalLimit: 1 };
  const summary = await grpo(options('less', less), silent).run();
  assert.deepEqual(checkpointsOf('less'), ['step-000002']);
  assert.deepEqual([summary.best!.step, summary.best!.value], [2, 5]);
});

test('an evaluation before the first update is no checkpoint, however good', async () => {
  const summary = await grpo(options('start', { maxSteps: 2, evalOnStart: true, rewards: scripted({ 0: 9, 2: 1 }), metricForBestModel: 'reward' }), silent).run();
  assert.deepEqual([summary.best!.step, checkpointsOf('start')], [2, ['step-000002']]);
  assert.ok(!('best' in stateOf('figures')));
});

test('an evaluation without the figure is not the best, and the console says so', async () => {
  const { stream, text } = capture();
  const summary = await grpo(options('missing', { maxSteps: 2, metricForBestModel: 'logged/correct' }), { stream }).run();
  assert.equal(summary.best, null);
  assert.match(text(), /Warning: this evaluation has no `logged\/correct` \(`metricForBestModel`\), so it is not the best; it has eval\/reward, /);
  assert.equal(stateOf('missing').best, null);
});

test('prompts that are too long are left out of the evaluation too, and counted', async () => {
  const { stream, text } = capture();
  const long = [...heldOut, { prompt: 'x'.repeat(40) }];
  await grpo(options('long', { maxSteps: 2, evalDataset: long, promptTooLong: 'skip', maxPromptLength: 20, logCompletions: true }), { stream }).run();
  assert.match(text(), /1 prompts of `evalDataset` have more than 20 tokens and are left out/);
  assert.equal(samplesOf('long', 2).length, 5 * 8);
});

test('a callback may ask for an evaluation', async () => {
  await grpo(options('asked', { maxSteps: 3, evalSteps: null, callbacks: [{ onStepBegin: (event) => (event.step === 1 ? event.evaluate() : undefined) }] }), silent).run();
  assert.deepEqual(metricsOf('asked').filter((row) => 'eval/reward' in row).map(({ step }) => step), [2]);
  const without = grpo(options('asked-without', { evalDataset: null, evalSteps: null, callbacks: [{ onStepBegin: (event) => event.evaluate() }] }), silent);
  await assert.rejects(without.run(), /Expected `evalDataset` to be given where a callback asks/);
});

test('a run that is asked to stop in an evaluation keeps the step before it, and saves', async () => {
  const trainer = grpo(
    options('stopped', {
      rewards: {
        letter: ({ row, completion }) => {
          if (row['held']) trainer.stop('enough');
          return letters(completion.text);
        },
      },
    }),
    silent,
  );
  const summary = await trainer.run();
  assert.deepEqual([summary.status, summary.steps, checkpointsOf('stopped')], ['interrupted', 2, ['step-000002']]);
  assert.deepEqual(metricsOf('stopped').map(({ step }) => step), [1, 2]);
  assert.ok(!('eval/reward' in metricsOf('stopped')[1]!));
});

test('rewards that fail in an evaluation end the run with their name, after the step is written', async () => {
  const failing: GrpoOptions['rewards'] = {
    fragile: ({ row, completion }) => {
      if (row['held']) throw new Error('no answer column');
      return letters(completion.text);
    },
  };
  await assert.rejects(grpo(options('failing', { rewards: failing }), silent).run(), /mend reward `fragile`.*no answer column/s);
  assert.deepEqual(metricsOf('failing').map(({ step }) => step), [1, 2]);
  assert.equal(stateOf('failing').status, 'failed');
});

test('a bad row of evalDataset is found before the first update', async () => {
  await assert.rejects(grpo(options('bad', { evalDataset: [{ prompt: 'a' }, { question: 'b' }] }), silent).run(), /to have the column `prompt`.*row 1 lacks it/);
  assert.ok(!existsSync(join(folder, 'bad')));
});
