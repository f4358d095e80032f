/** Whatever the variant, the toy's reward climbs. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { before, test } from 'node:test';
import type { GrpoOptions } from '../src/grpo/option-schema.ts';
import { grpo } from '../src/grpo/trainer.ts';
import { batch } from '../src/rewards/reward.ts';
import { letters, meanOf, ownFolder, rows, silent, toyModel, toyOptions } from './toy.ts';

const folder = ownFolder();
let model: string;
before(async () => {
  model = await toyModel(folder);
});

const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

/** What each variant changes about the toy run. */
const variants: Record<string, Partial<GrpoOptions>> = {
  'lossType grpo': { lossType: 'grpo' },
  'lossType dapo': { lossType: 'dapo' },
  'lossType bnpo with micro-batches of rows': { lossType: 'bnpo', microBatch: { rows: 12 } },
  'lossType dr_grpo without scaling': { lossType: 'dr_grpo', scaleRewards: 'none' },
  'lossType cispo': { lossType: 'cispo' },
  'lossType sapo': { lossType: 'sapo' },
  'lossType gmpo': { lossType: 'gmpo', numIterations: 2 },
  'lossType luspo': { lossType: 'luspo', importanceSampling: 'sequence', maxGradNorm: 1 },
  'lossType vespo': { lossType: 'vespo', numIterations: 2 },
  'normalizeThenSum (GDPO)': { rewardAggregation: 'normalizeThenSum' },
  'the most uncertain half of the tokens': { topEntropyQuantile: 0.5 },
  'an off-policy mask': { offPolicyMaskThreshold: 0.1, numIterations: 2 },
  'sampler correction': { samplerCorrection: { mode: 'tokenTruncate', max: 2 } },
  'dynamic sampling': { dynamicSampling: true },
  'sequence ratio (GSPO)': { lossType: 'grpo', importanceSampling: 'sequence', epsilon: 3e-2, numIterations: 2 },
  'KL in the loss': { beta: 0.02 },
  'KL in the reward': { beta: 0.02, klPlacement: 'reward' },
  'leave one out': { advantage: 'leaveOneOut', scaleRewards: 'none' },
  'scaled by the round': { scaleRewards: 'batch' },
  'μ = 2': { numIterations: 2 },
  'two updates per round': { stepsPerGeneration: 2 },
  'a token budget and recomputation': { microBatch: { tokens: 100 }, gradientCheckpointing: true },
  'an async reward': {
    rewards: {
      letter: async ({ completion }) => {
        await pause(1);
        return letters(completion.text);
      },
    },
  },
  'a batch reward': { rewards: { letter: batch((samples) => samples.map(({ completion }) => letters(completion.text))) } },
  'several rewards with weights': {
    rewards: { letter: ({ completion }) => letters(completion.text), short: ({ completion }) => -completion.ids.length },
    rewardWeights: { letter: 1, short: 0.01 },
  },
  'a reward that does not always apply': {
    rewards: {
      letter: ({ completion }) => letters(completion.text),
      even: ({ completion, row }) => ((row.id as number) % 2 === 0 ? letters(completion.text) : null),
    },
  },
  'AdamW with 8 bits': { optim: 'adamw_8bit' },
  SGD: { optim: 'sgd', learningRate: 0.1 },
  Adafactor: { optim: 'adafactor' },
  Lion: { optim: 'lion' },
  Muon: { optim: 'muon' },
  'a schedule with warm-up and a minimum': { lrSchedulerType: 'warmup_stable_decay', warmupRatio: 0.1, lrDecayRatio: 0.5, lrMinRatio: 0.1 },
  'messages through the chat template': { prompt: (row) => [{ role: 'user', content: String(row.prompt) }] },
};

for (const [name, more] of Object.entries(variants)) {
  test(`the reward climbs: ${name}`, async () => {
    const { rewards, steps, status } = await grpo(toyOptions(model, join(folder, name.replaceAll(/\W/g, '-')), more), silent).run();
    assert.equal(status, 'finished');
    assert.equal(steps, 40);
    const [first, last] = [meanOf(rewards.slice(0, 5)), meanOf(rewards.slice(-5))];
    // By chance one letter in 256 is an a: about 0.03 of 8.
    assert.ok(first < 1 && last > first + 1, `from ${first} to ${last}`);
  });
}

test('the cut into micro-batches does not change the first gradient', async () => {
  const cuts: GrpoOptions['microBatch'][] = ['auto', { rows: 3 }, { tokens: 64 }];
  const runs = await Promise.all(cuts.map((microBatch, i) => grpo(toyOptions(model, join(folder, `cut-${i}`), { maxSteps: 1, microBatch, threads: 1 }), silent)).map(async (trainer) => {
    for await (const { metrics } of trainer) return metrics;
    throw new Error('no step');
  }));
  for (const metrics of runs) {
    assert.ok(metrics.grad_norm! > 0);
    assert.ok(Math.abs(metrics.grad_norm! - runs[0]!.grad_norm!) < 1e-5 * runs[0]!.grad_norm!, `${metrics.grad_norm} against ${runs[0]!.grad_norm}`);
  }
});

test('rows that come one by one train too', async () => {
  async function* stream() {
    for (let i = 0; ; i++) yield rows[i % rows.length]!;
  }
  const { steps } = await grpo(toyOptions(model, join(folder, 'stream'), { dataset: stream(), maxSteps: 3 }), silent).run();
  assert.equal(steps, 3);
});
