/** What must not change the gradient of an update: how it is cut for memory, how trees share prompts, the order of groups. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { LossOptions } from '../src/grpo/loss/index.ts';
import { updatePolicy } from '../src/grpo/policy-update.ts';
import type { UpdateSettings } from '../src/grpo/policy-update.ts';
import { recordLogprobs } from '../src/grpo/token-scores.ts';
import type { Group } from '../src/grpo/types.ts';
import { copyDecoder } from '../src/model/copies.ts';
import { disposeDecoder } from '../src/model/decoder.ts';
import type { Decoder } from '../src/model/decoder.ts';
import { noGrad } from '../src/tensor/autograd.ts';
import { add_ } from '../src/tensor/ops.ts';
import { normals } from '../src/tensor/random.ts';
import { liveTensors, scope } from '../src/tensor/scope.ts';
import { tensor } from '../src/tensor/tensor.ts';
import { distance, takeGradients } from './fixtures/model/gradients.ts';
import type { Gradients } from './fixtures/model/gradients.ts';
import { tinyDecoder } from './fixtures/model/tiny-decoder.ts';

const all = { rows: 1000 };
const settings: UpdateSettings = {
  loss: {},
  temperature: 0.9,
  maskTruncatedCompletions: false,
  limit: all,
  checkpoint: false,
  maxGradNorm: null,
  lossScale: null,
  learningRate: 1,
  dropout: { seed: 0, step: 0 },
};

/** Lengths of the prompt, and of its completions with their advantages. */
const shapes: [prompt: number, completions: [length: number, advantage: number][]][] = [
  [5, [[3, 1.2], [7, -0.4], [1, -0.8]]],
  [2, [[4, 0.5], [4, -0.5]]],
  [9, [[2, -1], [6, 0.3], [5, 0.7], [3, 0]]],
];

const token = (place: number) => (place * 17 + 3) % 37;

function makeGroups(): Group[] {
  return shapes.map(([promptLength, completions], g) => ({
    prompt: { index: g, row: {}, source: '', text: '', ids: Array.from({ length: promptLength }, (_, i) => token(11 * g + i)) },
    rollouts: completions.map(([length], i) => ({
      ids: Array.from({ length }, (_, t) => token(5 * g + 29 * i + t * t + 1)),
      text: '',
      finishReason: i === 1 ? 'length' : 'stop',
      logprobs: new Float32Array(length),
    })),
    rewards: completions.map(() => ({})),
    reward: completions.map(() => 0),
    advantages: completions.map(([, advantage]) => advantage),
  }));
}

let policy: Decoder;
/** Groups whose old and reference log-probabilities come from networks near the policy. */
let groups: Group[];
let liveAtStart: number;

before(async () => {
  liveAtStart = liveTensors();
  policy = tinyDecoder({ trained: true });
  groups = makeGroups();
  for (const [stream, field] of [[1, 'oldLogprobs'], [2, 'refLogprobs']] as const) {
    const near = copyDecoder(policy);
    for (const [i, weight] of [...near.trained.values()].entries()) {
      scope(() => noGrad(() => add_(weight, tensor(normals(weight.length, 0.01, stream, i), weight.shape))));
    }
    await recordLogprobs(near, groups, field, { temperature: settings.temperature, limit: all });
    disposeDecoder(near);
  }
});

after(() => {
  disposeDecoder(policy);
  assert.equal(liveTensors(), liveAtStart);
});

async function update(changes: Partial<UpdateSettings>, from: readonly Group[] = groups): Promise<{ gradients: Gradients; metrics: Record<string, number> }> {
  let gradients: Gradients = new Map();
  const optimizer = {
    step: () => void (gradients = takeGradients(policy)),
    zeroGrad: () => void takeGradients(policy),
    dispose: () => undefined,
  };
  const { metrics, finite } = await updatePolicy(policy, optimizer, from, { ...settings, ...changes });
  assert.ok(finite);
  return { gradients, metrics };
}

/** Each completion as a group of its own, with its prompt repeated. */
const apart = (from: readonly Group[]): Group[] =>
  from.flatMap((group) => group.rollouts.map((rollout, i) => ({ ...group, rollouts: [rollout], advantages: [group.advantages[i]!] })));

const losses: Record<string, LossOptions> = {
  'grpo with KL': { lossType: 'grpo', beta: 0.1 },
  'dapo with KL': { lossType: 'dapo', beta: 0.1, epsilonHigh: 0.28 },
  dr_grpo: { lossType: 'dr_grpo', maxCompletionLength: 7 },
  'grpo with sequence ratios and KL': { lossType: 'grpo', importanceSampling: 'sequence', beta: 0.1 },
  'dapo with sequence ratios': { lossType: 'dapo', importanceSampling: 'sequence' },
};

const cuts: [string, Partial<UpdateSettings>][] = [
  ['micro-batches of 1 row', { limit: { rows: 1 } }],
  ['micro-batches of 2 rows', { limit: { rows: 2 } }],
  ['micro-batches of 3 rows', { limit: { rows: 3 } }],
  ['20 tokens', { limit: { tokens: 20 } }],
  ['50 tokens', { limit: { tokens: 50 } }],
  ['1000 tokens', { limit: { tokens: 1000 } }],
  ['checkpointing', { checkpoint: true }],
  ['checkpointing with micro-batches of 2 rows', { checkpoint: true, limit: { rows: 2 } }],
];

function same(a: Gradients, b: Gradients): void {
  const far = distance(a, b);
  assert.ok(far < 1e-5, `${far}`);
}

for (const [name, loss] of Object.entries(losses)) {
  for (const masked of [false, true]) {
    test(`${name}${masked ? ', cut off completions masked' : ''}: the gradient and the metrics are those of one batch`, async () => {
      const whole = await update({ loss, maskTruncatedCompletions: masked });
      assert.equal(whole.gradients.size, policy.trained.size);
      const check = async (what: string, changes: Partial<UpdateSettings>, from = groups) => {
        const { gradients, metrics } = await update({ loss, maskTruncatedCompletions: masked, ...changes }, from);
        same(whole.gradients, gradients);
        assert.deepEqual(Object.keys(metrics).sort(), Object.keys(whole.metrics).sort(), what);
        for (const [key, value] of Object.entries(metrics)) {
          const wanted = whole.metrics[key]!;
          assert.ok(Math.abs(value - wanted) <= 2e-5 * Math.max(1, Math.abs(wanted)), `${what}: ${key} ${value} is not ${wanted}`);
        }
      };
      for (const [what, changes] of cuts) await check(what, changes);
      await check('prompts repeated', {}, apart(groups));
      await check('prompts repeated, 2 rows', { limit: { rows: 2 } }, apart(groups));
      await check('groups reversed', {}, groups.toReversed());
      await check('groups reversed, 20 tokens', { limit: { tokens: 20 } }, groups.toReversed());
    });
  }
}

test('bnpo does depend on the cut: it averages over micro-batches', async () => {
  const [whole, cut] = [await update({ loss: { lossType: 'bnpo' } }), await update({ loss: { lossType: 'bnpo' }, limit: { rows: 2 } })];
  assert.ok(distance(whole.gradients, cut.gradients) > 1e-2);
  // Row by row that is the mean of row means.
  same((await update({ loss: { lossType: 'grpo' } })).gradients, (await update({ loss: { lossType: 'bnpo' }, limit: { rows: 1 } })).gradients);
});

test('an advantage, an old log-probability or the temperature does change it', async () => {
  const whole = await update({});
  const changed = groups.map((group, g) => (g === 0 ? { ...group, advantages: [1.3, -0.4, -0.8] } : group));
  assert.ok(distance(whole.gradients, (await update({}, changed)).gradients) > 1e-3);
  const older = groups.map((group) => ({ ...group, rollouts: group.rollouts.map((rollout) => ({ ...rollout, oldLogprobs: rollout.oldLogprobs!.map((x) => x - 0.02) })) }));
  assert.ok(distance(whole.gradients, (await update({}, older)).gradients) > 1e-3);
  assert.ok(distance(whole.gradients, (await update({ temperature: 1 })).gradients) > 1e-3);
});

/** −Â summed as the loss type says, by hand in float64. */
const byHand: Record<string, [LossOptions, (rows: { length: number; advantage: number }[]) => number]> = {
  grpo: [{ lossType: 'grpo' }, (rows) => -rows.reduce((sum, { advantage }) => sum + advantage, 0) / rows.length],
  dapo: [{ lossType: 'dapo' }, (rows) => -rows.reduce((sum, { advantage, length }) => sum + advantage * length, 0) / rows.reduce((sum, { length }) => sum + length, 0)],
  dr_grpo: [
    { lossType: 'dr_grpo', maxCompletionLength: 7 },
    (rows) => -rows.reduce((sum, { advantage, length }) => sum + advantage * length, 0) / (rows.length * 7),
  ],
};

for (const [name, [loss, wanted]] of Object.entries(byHand)) {
  for (const importanceSampling of ['token', 'sequence'] as const) {
    test(`on-policy first pass, ${name}, ${importanceSampling} ratios: ratio 1, the policy term is the aggregate of −Â, no KL`, async () => {
      const fresh = makeGroups();
      const copy = copyDecoder(policy);
      await recordLogprobs(copy, fresh, 'refLogprobs', { temperature: settings.temperature, limit: { rows: 2 } });
      disposeDecoder(copy);
      const rows = fresh.flatMap(({ rollouts, advantages }) => rollouts.map(({ ids }, i) => ({ length: ids.length, advantage: advantages[i]! })));
      for (const limit of [all, { rows: 2 }, { tokens: 20 }]) {
        // With clip ranges of 0 any ratio but 1 would count as clipped.
        const { metrics } = await update({ loss: { ...loss, importanceSampling, beta: 0.04, epsilon: 0 }, limit }, fresh);
        assert.equal(metrics['clip_ratio/low_mean'], 0);
        assert.equal(metrics['clip_ratio/high_mean'], 0);
        assert.ok(Math.abs(metrics['policy_loss']! - wanted(rows)) < 5e-7, `${metrics['policy_loss']} is not ${wanted(rows)}`);
        assert.ok(Math.abs(metrics['kl']!) < 1e-7, `kl ${metrics['kl']}`);
      }
    });
  }
}
