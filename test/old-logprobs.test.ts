/** ℓold of every update is what the policy gave when it sampled, however many updates a round serves. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { before, test } from 'node:test';
import type { GrpoOptions } from '../src/grpo/option-schema.ts';
import { grpo } from '../src/grpo/trainer.ts';
import { ownFolder, silent, toyModel, toyOptions } from './toy.ts';

const folder = ownFolder();
let model: string;
before(async () => {
  model = await toyModel(folder);
});

const rounds: Record<string, Partial<GrpoOptions>> = {
  'one update': {},
  'two passes': { numIterations: 2 },
  'two updates': { stepsPerGeneration: 2 },
  'two updates, two passes, with a reference': { numIterations: 2, stepsPerGeneration: 2, beta: 0.02 },
};

for (const [name, more] of Object.entries(rounds)) {
  test(`${name} per round: the samplers' log-probabilities and ℓold agree in all of them`, async () => {
    const perRound = (more.numIterations ?? 1) * (more.stepsPerGeneration ?? 1);
    const terms: number[] = [];
    for await (const { step, metrics, groups } of grpo(toyOptions(model, join(folder, name.replaceAll(/\W/g, '-')), { maxSteps: 3 * perRound, ...more }), silent)) {
      assert.ok(metrics['sampling/sampling_logp_difference/max']! < 1e-4, `update ${step}: ${metrics['sampling/sampling_logp_difference/max']}`);
      const tokens = groups.flatMap(({ rollouts }) => rollouts).reduce((total, { ids }) => total + ids.length, 0);
      const onPolicy = -groups.flatMap(({ rollouts, advantages }) => rollouts.map(({ ids }, g) => ids.length * advantages[g]!)).reduce((a, b) => a + b, 0) / tokens;
      terms.push(Math.abs(metrics.policy_loss! - onPolicy));
    }
    // In the first update of a round the policy is still the one that sampled: the policy term is the mean of −Â.
    terms.forEach((off, i) => (i % perRound === 0 ? assert.ok(off < 1e-5, `update ${i + 1}: ${off}`) : assert.ok(off > 1e-4, `update ${i + 1}: ${off}`)));
  });
}
