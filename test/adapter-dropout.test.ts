/** Dropout of an adapter: in updates alone, the same however an update is cut, and what it is by hand. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { UpdateSettings } from '../src/grpo/policy-update.ts';
import { updatePolicy } from '../src/grpo/policy-update.ts';
import type { Group } from '../src/grpo/types.ts';
import { disposeDecoder } from '../src/model/decoder.ts';
import type { Decoder } from '../src/model/decoder.ts';
import { multiply } from '../src/model/linear.ts';
import { adaptDecoder, createAdapter } from '../src/model/lora.ts';
import type { LoraSettings } from '../src/model/lora.ts';
import { noGrad } from '../src/tensor/autograd.ts';
import * as ops from '../src/tensor/ops.ts';
import { normals } from '../src/tensor/random.ts';
import { liveTensors, scope } from '../src/tensor/scope.ts';
import { tensor } from '../src/tensor/tensor.ts';
import { distance, takeGradients } from './fixtures/model/gradients.ts';
import type { Gradients } from './fixtures/model/gradients.ts';
import { tinyDecoder } from './fixtures/model/tiny-decoder.ts';
import { linearBy } from '../src/model/weight.ts';

const lora: LoraSettings = { r: 2, alpha: 4, dropout: 0.3, targetModules: 'all-linear', modulesToSave: [], useRslora: false, useDora: false, initLoraWeights: 'kaiming' };
const settings: UpdateSettings = {
  loss: { lossType: 'grpo' },
  temperature: 1,
  maskTruncatedCompletions: false,
  limit: { rows: 1000 },
  checkpoint: false,
  maxGradNorm: null,
  lossScale: null,
  learningRate: 1,
  dropout: { seed: 42, step: 3 },
};

const groups: Group[] = [[5, 3, 7, 1], [2, 4, 4]].map(([prompt, ...completions], g) => ({
  prompt: { index: g, row: {}, source: '', text: '', ids: Array.from({ length: prompt! }, (_, i) => (11 * g + 7 * i) % 37) },
  rollouts: completions.map((length, i) => ({ ids: Array.from({ length }, (_, t) => (5 * g + 29 * i + 3 * t) % 37), text: '', finishReason: 'stop', logprobs: new Float32Array(length) })),
  rewards: completions.map(() => ({})),
  reward: completions.map(() => 0),
  advantages: completions.map((_, i) => 1 - i),
}));

let base: Decoder;
let liveAtStart: number;
before(() => {
  liveAtStart = liveTensors();
  base = tinyDecoder();
});
after(() => {
  disposeDecoder(base);
  assert.equal(liveTensors(), liveAtStart);
});

/** An adapted network whose B are not zero. */
function adapted(changes: Partial<LoraSettings> = {}): Decoder {
  const decoder = adaptDecoder(createAdapter(base, 'tiny', { ...lora, ...changes }, 1));
  for (const [i, [name, weight]] of [...decoder.trained].entries()) {
    if (name.includes('lora_B')) {
      scope(() => {
        noGrad(() => ops.copy_(weight, tensor(normals(weight.length, 0.2, 9, i), weight.shape)));
      });
    }
    weight.requiresGrad_();
  }
  return decoder;
}

async function gradientOf(decoder: Decoder, changes: Partial<UpdateSettings> = {}, from: readonly Group[] = groups): Promise<Gradients> {
  let gradients: Gradients = new Map();
  const optimizer = { step: () => void (gradients = takeGradients(decoder)), zeroGrad: () => undefined, dispose: () => undefined };
  await updatePolicy(decoder, optimizer, from, { ...settings, ...changes });
  return gradients;
}

for (const useDora of [false, true]) {
  test(`what is dropped does not depend on the cut of the update${useDora ? ' (DoRA)' : ''}`, async () => {
    const decoder = adapted({ useDora });
    const whole = await gradientOf(decoder);
    for (const changes of [{ limit: { rows: 1 } }, { limit: { rows: 2 } }, { limit: { tokens: 12 } }, { checkpoint: true }, { checkpoint: true, limit: { rows: 2 } }]) {
      const far = distance(whole, await gradientOf(decoder, changes));
      assert.ok(far < 1e-5, `${JSON.stringify(changes)}: ${far}`);
    }
    for (const dropout of [{ seed: 43, step: 3 }, { seed: 42, step: 4 }]) assert.ok(distance(whole, await gradientOf(decoder, { dropout })) > 0.05);
    disposeDecoder(decoder);
  });
}

test('without dropout seed and step mean nothing', async () => {
  const decoder = adapted({ dropout: 0 });
  assert.equal(distance(await gradientOf(decoder), await gradientOf(decoder, { dropout: { seed: 1, step: 1 } })), 0);
  disposeDecoder(decoder);
});

test('over many updates the change that the adapter makes is the whole one', () => {
  const decoder = adapted();
  const { o } = decoder.layers[0]!;
  scope(() =>
    noGrad(() => {
      const x = tensor(normals(o.weight.size(1), 1, 3, 0), [1, o.weight.size(1)]);
      const plain = ops.sub(multiply(x, o), linearBy(x, o.weight, o.bias));
      const rows = 4000;
      const keys = tensor(Array.from({ length: rows }, (_, i) => i), [rows], 'int64');
      const many = ops.expand(x, [rows, x.size(1)]);
      const dropped = multiply(many, o, (seen) => ops.mul(seen, ops.randomMask(keys, seen.size(1), 1, 1, 0.7)));
      const mean = ops.mean(ops.sub(dropped, linearBy(many, o.weight, o.bias)), [0]);
      const [got, wanted] = [mean.toArray(), plain.toArray()].map((values) => Array.from(values, Number));
      const size = Math.max(...wanted!.map(Math.abs));
      got!.forEach((value, i) => assert.ok(Math.abs(value - wanted![i]!) < 0.1 * size, `${value} is not ${wanted![i]}`));
    }),
  );
  disposeDecoder(decoder);
});

test('DoRA by hand: what is dropped keeps its old length', () => {
  scope(() => {
    // W = [[3, 4]], B·A = [[0, 1]], s = 2: W + s·B·A = [3, 6], of length √45; the magnitude gives it length 9.
    const adapter = { a: tensor([0, 1], [1, 2]), b: tensor([1], [1, 1]), scale: 2, index: 0, magnitude: tensor([9]) };
    const map = { weight: tensor([3, 4], [1, 2]), bias: tensor([0.5]), adapter };
    const x = tensor([1, 2], [1, 2]);
    const g = 9 / Math.sqrt(45);
    assert.ok(Math.abs(multiply(x, map).item() - (g * 15 + 0.5)) < 1e-5);
    // The second input dropped, the first doubled: x' = [2, 0]; x·W = 11, x'·W = 6, x'·(BA)ᵀ = 0.
    const dropped = multiply(x, map, (seen) => ops.mul(seen, tensor([2, 0], [1, 2]))).item();
    assert.ok(Math.abs(dropped - (11 + (g - 1) * 6 + 0.5)) < 1e-5, `${dropped}`);
  });
});
