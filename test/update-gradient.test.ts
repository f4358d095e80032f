/**
 * The gradient of one update against the slope of its loss, written out in plain numbers over log-probabilities of whole
 * rows in which nothing tells a prompt from a completion.
 */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { updatePolicy } from '../src/grpo/policy-update.ts';
import type { UpdateSettings } from '../src/grpo/policy-update.ts';
import type { Group } from '../src/grpo/types.ts';
import { disposeDecoder } from '../src/model/decoder.ts';
import type { Decoder } from '../src/model/decoder.ts';
import { disposeBatch, packTrees } from '../src/model/packed-batch.ts';
import { noGrad } from '../src/tensor/autograd.ts';
import { add_, mulScalar } from '../src/tensor/ops.ts';
import { normals } from '../src/tensor/random.ts';
import { scope } from '../src/tensor/scope.ts';
import { tensor } from '../src/tensor/tensor.ts';
import { AdamW } from '../src/training/optimizers/adamw.ts';
import { scoreBatch } from '../src/training/update.ts';
import { takeGradients } from './fixtures/model/gradients.ts';
import type { Gradients } from './fixtures/model/gradients.ts';
import { tinyDecoder } from './fixtures/model/tiny-decoder.ts';
import { meanOf } from './toy.ts';

const temperature = 0.7;
const beta = 0.3;
const epsilon = 0.1;
const epsilonHigh = 0.3;
const settings: UpdateSettings = {
  loss: { lossType: 'dapo', beta, epsilon, epsilonHigh },
  temperature,
  maskTruncatedCompletions: false,
  limit: { rows: 2 },
  checkpoint: false,
  maxGradNorm: null,
  lossScale: null,
  learningRate: 0,
  dropout: { seed: 0, step: 0 },
};

/** Of each group: length of the prompt; length, advantage and end of each completion. */
const shapes: [prompt: number, completions: [length: number, advantage: number, end: 'stop' | 'length'][]][] = [
  [4, [[3, 1.4, 'stop'], [6, -0.9, 'length'], [1, -0.5, 'stop']]],
  [2, [[5, 0.8, 'stop'], [2, -0.8, 'stop']]],
];

let decoder: Decoder;
let groups: Group[];

/** Log-probabilities of the completion, each token given all before it. */
async function logprobsOf(prompt: readonly number[], completion: readonly number[]): Promise<number[]> {
  const [first, ...rest] = [...prompt, ...completion];
  const batch = packTrees([{ prompt: [first!], completions: [rest] }], decoder.config.contextLength);
  const { logprobs } = await scoreBatch(decoder, batch, temperature);
  disposeBatch(batch);
  return Array.from(logprobs.slice(-completion.length));
}

before(async () => {
  decoder = tinyDecoder({ trained: true });
  const token = (place: number) => (place * 17 + 3) % 37;
  groups = shapes.map(([promptLength, completions], g) => ({
    prompt: { index: g, row: {}, source: '', text: '', ids: Array.from({ length: promptLength }, (_, i) => token(11 * g + i)) },
    rollouts: completions.map(([length, , finishReason], i) => ({
      ids: Array.from({ length }, (_, t) => token(5 * g + 29 * i + t * t + 1)),
      text: '',
      finishReason,
      logprobs: new Float32Array(length),
    })),
    rewards: completions.map(() => ({})),
    reward: completions.map(() => 0),
    advantages: completions.map(([, advantage]) => advantage),
  }));
  // Old ratios on both sides of both bounds, and a reference as far away.
  let stream = 0;
  for (const { prompt, rollouts } of groups) {
    for (const rollout of rollouts) {
      const now = await logprobsOf(prompt.ids, rollout.ids);
      const off = () => normals(now.length, 0.25, 3, stream++).map((noise, t) => now[t]! + noise);
      Object.assign(rollout, { oldLogprobs: off(), refLogprobs: off() });
    }
  }
});
after(() => disposeDecoder(decoder));

/** (1/tokens)·Σ [ −min(ρÂ, clip(ρ)Â) + β·ρ·(eˣ − x − 1) ] over the counted rows, x = ℓref − ℓθ. */
async function lossByHand(maskTruncated: boolean): Promise<number> {
  const losses: number[] = [];
  for (const { prompt, rollouts, advantages } of groups) {
    for (const [i, { ids, oldLogprobs, refLogprobs, finishReason }] of rollouts.entries()) {
      if (maskTruncated && finishReason === 'length') continue;
      const logprobs = await logprobsOf(prompt.ids, ids);
      logprobs.forEach((logprob, t) => {
        const ratio = Math.exp(logprob - oldLogprobs![t]!);
        const clipped = Math.min(Math.max(ratio, 1 - epsilon), 1 + epsilonHigh);
        const x = refLogprobs![t]! - logprob;
        losses.push(-Math.min(ratio * advantages[i]!, clipped * advantages[i]!) + beta * ratio * (Math.exp(x) - x - 1));
      });
    }
  }
  return meanOf(losses);
}

async function gradientOf(changes: Partial<UpdateSettings>): Promise<{ gradients: Gradients; loss: number }> {
  let gradients: Gradients = new Map();
  const optimizer = { step: () => void (gradients = takeGradients(decoder)), zeroGrad: () => undefined, dispose: () => undefined };
  const { metrics } = await updatePolicy(decoder, optimizer, groups, { ...settings, ...changes });
  return { gradients, loss: metrics.loss! };
}

/** Moves every weight along a direction. */
function move(direction: Gradients, step: number): void {
  for (const [name, weight] of decoder.trained) {
    scope(() => noGrad(() => add_(weight, mulScalar(tensor(direction.get(name)!, weight.shape), step))));
  }
}

const dot = (a: Gradients, b: Gradients) => [...a].reduce((total, [name, values]) => total + values.reduce((sum, value, i) => sum + value * b.get(name)![i]!, 0), 0);

for (const maskTruncatedCompletions of [false, true]) {
  test(`loss and gradient of an update are those of the loss written out${maskTruncatedCompletions ? ', cut off completions masked' : ''}`, async () => {
    const { gradients, loss } = await gradientOf({ maskTruncatedCompletions });
    const byHand = await lossByHand(maskTruncatedCompletions);
    assert.ok(Math.abs(loss - byHand) < 1e-5, `loss ${loss}, by hand ${byHand}`);
    const directions = [gradients, ...[1, 2].map((seed): Gradients => new Map([...decoder.trained].map(([name, weight], i) => [name, normals(weight.length, 1, seed, i)])))];
    for (const [i, direction] of directions.entries()) {
      // Far enough for float32, near enough that the loss stays smooth.
      const step = 2e-3 / Math.sqrt(dot(direction, direction));
      move(direction, step);
      const ahead = await lossByHand(maskTruncatedCompletions);
      move(direction, -2 * step);
      const behind = await lossByHand(maskTruncatedCompletions);
      move(direction, step);
      const [slope, wanted] = [(ahead - behind) / (2 * step), dot(gradients, direction)];
      const scale = Math.sqrt(dot(gradients, gradients) * dot(direction, direction));
      assert.ok(Math.abs(slope - wanted) < 2e-3 * scale, `direction ${i}: slope ${slope / scale}, gradient ${wanted / scale}`);
    }
  });
}

test('nothing of one update is left in the gradient of the next', async () => {
  const optimizer = new AdamW([...decoder.trained.values()]);
  const norms: number[] = [];
  for (let i = 0; i < 2; i++) norms.push((await updatePolicy(decoder, optimizer, groups, settings)).metrics.grad_norm!);
  optimizer.dispose();
  assert.ok(norms[0]! > 0.1);
  assert.equal(norms[1], norms[0]);
});
