/** What the variants around the loss do in a run, seen in its records. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { before, test } from 'node:test';
import type { GrpoOptions } from '../src/grpo/option-schema.ts';
import { grpo } from '../src/grpo/trainer.ts';
import { letters, meanOf, ownFolder, rows, silent, toyModel, toyOptions } from './toy.ts';

const folder = ownFolder();
let model: string;
before(async () => {
  model = await toyModel(folder);
});

/** Metrics of every update of a toy run. */
async function metricsOf(name: string, more: Partial<GrpoOptions>): Promise<Record<string, number>[]> {
  const records: Record<string, number>[] = [];
  for await (const { metrics } of grpo(toyOptions(model, join(folder, name), more), silent)) records.push(metrics);
  return records;
}

test('syncRefModel with α = 1 replaces the reference: the KL falls back to 0 after every sync', async () => {
  const options = { beta: 0.01, maxSteps: 8 } as const;
  const kept = await metricsOf('kept', options);
  const synced = await metricsOf('synced', { ...options, syncRefModel: true, refModelSyncSteps: 4, refModelMixupAlpha: 1 });
  assert.ok(kept[4]!.kl! > 1e-4, `kl ${kept[4]!.kl}`);
  // The fifth update is the first after the sync, on-policy, against a reference equal to the policy.
  assert.ok(synced[4]!.kl! < 1e-7, `kl ${synced[4]!.kl}`);
  assert.ok(synced[6]!.kl! > 1e-6, 'and grows again');
});

test('syncRefModel mixes: with α = 0.5 the KL falls but not to 0', async () => {
  const options = { beta: 0.01, maxSteps: 5, syncRefModel: true, refModelSyncSteps: 4 } as const;
  const half = await metricsOf('half', { ...options, refModelMixupAlpha: 0.5 });
  assert.ok(half[4]!.kl! > 1e-7 && half[4]!.kl! < half[3]!.kl!, `kl ${half[3]!.kl} → ${half[4]!.kl}`);
});

test('iterations: each starts with a fresh reference, schedule and optimizer', async () => {
  const records = await metricsOf('iterations', { beta: 0.01, iterations: 3, stepsPerIteration: 4, maxSteps: null, numTrainEpochs: 1, lrSchedulerType: 'linear' });
  assert.equal(records.length, 12);
  assert.deepEqual(
    records.map((record) => Number((record.learning_rate! / 3e-3).toFixed(6))),
    [1, 0.75, 0.5, 0.25, 1, 0.75, 0.5, 0.25, 1, 0.75, 0.5, 0.25],
  );
  for (const start of [0, 4, 8]) assert.ok(records[start]!.kl! < 1e-7, `kl at step ${start + 1}: ${records[start]!.kl}`);
  assert.ok(records[3]!.kl! > 1e-6 && records[7]!.kl! > 1e-6);
});

test('iterations of one epoch each, when stepsPerIteration is left out', async () => {
  const records = await metricsOf('epochs', { beta: 0.01, iterations: 2, maxSteps: null, numTrainEpochs: 1 });
  assert.equal(records.length, (2 * rows.length) / 4);
  assert.ok(records[8]!.kl! < 1e-7);
});

test('an entropy bonus keeps the entropy up', async () => {
  const entropy = async (name: string, entropyCoef: number) => meanOf((await metricsOf(name, { entropyCoef, maxSteps: 30 })).slice(-5).map((record) => record.entropy!));
  const [without, withBonus] = [await entropy('without', 0), await entropy('with', 0.5)];
  assert.ok(withBonus > without + 0.2, `${without} without, ${withBonus} with`);
});

test('an adaptive bonus is 0 in the first update and rises while the entropy is below its target', async () => {
  const records = await metricsOf('adaptive', { adaptiveEntropy: { target: 100, delta: 0.01, max: 0.025 }, maxSteps: 5 });
  assert.deepEqual(records.map((record) => record.entropy_coef), [0, 0.01, 0.02, 0.025, 0.025]);
});

test('dynamic sampling replaces groups whose rewards are all equal', async () => {
  // A third of the rows can never tell its completions apart.
  const rewards = { letter: ({ completion, row }: { completion: { text: string }; row: Record<string, unknown> }) => ((row.id as number) % 3 === 0 ? 1 : completion.text.length % 7) };
  const plain = await metricsOf('plain', { rewards, maxSteps: 6 });
  const dynamic = await metricsOf('dynamic', { rewards, maxSteps: 6, dynamicSampling: true });
  assert.ok(meanOf(plain.map((record) => record.frac_reward_zero_std!)) > 0.1);
  assert.ok(dynamic.every((record) => record.frac_reward_zero_std === 0));
  assert.ok(dynamic.reduce((total, record) => total + record.groups_replaced!, 0) >= 3);
});

test('dynamic sampling gives up after maxResampleRounds and says what is left without spread', async () => {
  const records = await metricsOf('hopeless', { rewards: { same: () => 1 }, maxSteps: 2, dynamicSampling: true, maxResampleRounds: 2 });
  assert.deepEqual(records.map((record) => [record.frac_reward_zero_std, record.groups_replaced]), [[1, 0], [1, 0]]);
});

test('the entropy mask has one threshold per update: the cut into micro-batches does not change the gradient', async () => {
  const rewards = { letter: ({ completion }: { completion: { text: string } }) => letters(completion.text) + completion.text.length / 100 };
  const norms: number[] = [];
  for (const microBatch of ['auto', { rows: 3 }, { tokens: 40 }] as const) {
    const [first] = await metricsOf(`mask-${JSON.stringify(microBatch).replaceAll(/\W/g, '')}`, { rewards, microBatch, topEntropyQuantile: 0.3, entropyCoef: 0.1, maxSteps: 1 });
    norms.push(first!.grad_norm!);
  }
  for (const norm of norms) assert.ok(Math.abs(norm / norms[0]! - 1) < 1e-4, String(norms));
});

test('sampler correction reports the ratio it weighs by: 1, as sampler and trainer are one engine', async () => {
  const [record] = await metricsOf('correction', { samplerCorrection: {}, maxSteps: 1 });
  assert.ok(Math.abs(record!['sampling/importance_sampling_ratio/mean']! - 1) < 1e-4);
});

test('KL in the reward: β·Σ (ℓold − ℓref) is taken from the reward before the baseline', async () => {
  const beta = 0.5;
  let largest = 0;
  const options = toyOptions(model, join(folder, 'kl-in-reward'), { beta, klPlacement: 'reward', numIterations: 2, scaleRewards: 'none', maxSteps: 6 });
  for await (const { groups } of grpo(options, silent)) {
    for (const { rollouts, reward, advantages } of groups) {
      const penalties = rollouts.map(({ oldLogprobs, refLogprobs }) => beta * oldLogprobs!.reduce((sum, logprob, t) => sum + logprob - refLogprobs![t]!, 0));
      const values = reward.map((value, g) => value! - penalties[g]!);
      values.forEach((value, g) => assert.ok(Math.abs(value - meanOf(values) - advantages[g]!) < 1e-6, `${value - meanOf(values)} is not ${advantages[g]}`));
      largest = Math.max(largest, ...penalties.map(Math.abs));
    }
  }
  assert.ok(largest > 0.05, `the penalties matter: at most ${largest}`);
});
