import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import * as ops from '../../tensor/ops.ts';
import { keep, liveTensors, scope } from '../../tensor/scope.ts';
import { tensor } from '../../tensor/tensor.ts';
import type { DType, Tensor } from '../../tensor/tensor.ts';
import { AdamW } from './adamw.ts';
import { optimizers } from './make-optimizer.ts';
import type { TrainedTensors } from './make-optimizer.ts';
import { MasterWeights, needsMaster } from './master-weights.ts';
import { stochasticBfloat16 } from './stochastic-rounding.ts';

interface Case {
  dtype: 'bfloat16' | 'float16';
  settings: { beta1: number; beta2: number; weightDecay: number };
  shapes: number[][];
  start: number[][];
  steps: { learningRate: number; gradients: number[][]; weights: number[][] }[];
}

const { masters } = JSON.parse(readFileSync(new URL('../../../test/fixtures/torch/precision.json', import.meta.url), 'utf8')) as { masters: Case[] };

const numbers = (x: Tensor): number[] => Array.from(x.toArray(), Number);
const nearest = { rounding: 'nearest', seed: 0 } as const;
const adamw = ({ vocabulary, hidden }: TrainedTensors) => new AdamW([...vocabulary, ...hidden]);

/** Numbers that differ from element to element, of some size. */
const varied = (shape: readonly number[], dtype: DType, phase = 1): Tensor => tensor(Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => Math.sin(i * i + phase)), shape, dtype);

/** Runs a step with these gradients. */
async function step(optimizer: MasterWeights, weights: readonly Tensor[], gradients: readonly (Tensor | null)[], rate: number): Promise<void> {
  weights.forEach((weight, i) => (weight.grad = gradients[i]!));
  await optimizer.step(rate);
  optimizer.zeroGrad();
}

describe('AdamW over float32 copies, as torch steps it', () => {
  for (const { dtype, settings, shapes, start, steps } of masters) {
    test(`${dtype}: every weight after each of ${steps.length} steps`, async () => {
      const weights = start.map((values, p) => tensor(values, shapes[p], dtype).requiresGrad_());
      const optimizer = new MasterWeights({ vocabulary: [], hidden: weights }, ({ hidden }) => new AdamW(hidden, settings), nearest);
      for (const { learningRate, gradients, weights: wanted } of steps) {
        await step(optimizer, weights, gradients.map((values, p) => tensor(values, shapes[p])), learningRate);
        assert.deepEqual(weights.map(numbers), wanted);
      }
      optimizer.dispose();
    });
  }

  test('without copies the same steps are lost', async () => {
    const { shapes, start, steps } = masters[0]!;
    const weights = start.map((values, p) => tensor(values, shapes[p], 'bfloat16'));
    const optimizer = new AdamW(weights);
    for (const { learningRate, gradients } of steps) {
      weights.forEach((weight, p) => (weight.grad = tensor(gradients[p]!, shapes[p], 'bfloat16')));
      await optimizer.step(learningRate);
    }
    const moved = (now: number[][]) => now.flatMap((values, p) => values.filter((value, i) => value !== start[p]![i])).length;
    assert.ok(moved(weights.map(numbers)) < moved(steps.at(-1)!.weights) / 2);
  });
});

const settings = { adamBeta1: 0.9, adamBeta2: 0.99, adamEpsilon: 1e-8, momentum: 0.9, weightDecay: 0.1 };

describe('every named optimizer', () => {
  for (const [name, { make }] of Object.entries(optimizers)) {
    test(`${name}: weights are the rounded steps in float32; a float32 tensor beside them steps as it is`, async () => {
      const shapes = [[70, 64], [5], [6, 4]];
      const dtypes = ['bfloat16', 'bfloat16', 'float32'] as const;
      const before = liveTensors();
      const weights = shapes.map((shape, i) => varied(shape, dtypes[i]!));
      const twins = weights.map((weight) => keep(scope(() => ops.clone(ops.to(weight, 'float32')))));
      const optimizer = new MasterWeights({ vocabulary: weights.slice(2), hidden: weights.slice(0, 2) }, (tensors) => make(tensors, settings), nearest);
      const plain = make({ vocabulary: twins.slice(2), hidden: twins.slice(0, 2) }, settings);
      // A copy of each element of 16 bits, beside what the optimizer says of itself.
      assert.equal(optimizer.stateBytes, plain.stateBytes! + 4 * (70 * 64 + 5));
      for (let i = 0; i < 5; i++) {
        const gradients = shapes.map((shape) => varied(shape, 'float32', i));
        twins.forEach((twin, p) => (twin.grad = gradients[p]!));
        await step(optimizer, weights, gradients, 1e-3);
        await plain.step(1e-3);
        for (const gradient of gradients) gradient.dispose();
        scope(() => assert.deepEqual(weights.map(numbers), twins.map((twin, p) => numbers(ops.to(twin, dtypes[p]!)))));
      }
      optimizer.dispose();
      plain.dispose();
      for (const one of [...weights, ...twins]) one.dispose();
      assert.equal(liveTensors(), before);
    });
  }
});

describe('stochastic rounding', () => {
  test('is drawn by seed, update and tensor; a run that goes on draws on', async () => {
    const run = async (more: { seed?: number; updates?: number }): Promise<number[][]> => {
      const weights = [1, 2].map((phase) => varied([40, 100], 'bfloat16', phase));
      const twins = weights.map((weight) => ops.to(weight, 'float32'));
      const optimizer = new MasterWeights({ vocabulary: [], hidden: weights }, adamw, { rounding: 'stochastic', seed: 5, ...more });
      const gradients = [3, 4].map((phase) => varied([40, 100], 'float32', phase));
      await step(optimizer, weights, gradients, 1e-3);
      optimizer.dispose();
      const plain = new AdamW(twins);
      twins.forEach((twin, i) => (twin.grad = gradients[i]!));
      await plain.step(1e-3);
      const { seed = 5, updates = 0 } = more;
      twins.forEach((twin, i) =>
        scope(() => assert.deepEqual(numbers(weights[i]!), numbers(stochasticBfloat16(ops.view(twin, [-1]), { seed, update: updates + 1, tensor: i, start: 0 })))),
      );
      return weights.map(numbers);
    };
    const [first, again, other, later] = [await run({}), await run({}), await run({ seed: 6 }), await run({ updates: 7 })];
    assert.deepEqual(again, first);
    assert.notDeepEqual(other, first);
    assert.notDeepEqual(later, first);
  });

  test('is refused for float16', () => {
    const weights = [varied([3], 'float16')];
    assert.throws(() => new MasterWeights({ vocabulary: [], hidden: weights }, adamw, { rounding: 'stochastic', seed: 0 }), /Expected `masterRounding` to be 'nearest' for weights in float16/);
  });
});

test('a copy is for 16 bits, and for weights that are elsewhere than their states', () => {
  const on = (dtype: DType, device: string) => ({ dtype, device });
  assert.deepEqual([on('bfloat16', 'cpu'), on('float16', 'cuda:0'), on('float32', 'cpu'), on('float32', 'cuda:0')].map((weight) => needsMaster(weight, null)), [true, true, false, false]);
  assert.deepEqual([on('bfloat16', 'cpu'), on('float32', 'cpu'), on('float32', 'cuda:0')].map((weight) => needsMaster(weight, 'cpu')), [true, false, true]);
});

describe('gradients', () => {
  test('are added up in float32, where bfloat16 would stick', async () => {
    const weight = tensor([1], [1], 'bfloat16').requiresGrad_();
    const add = (times: number) => {
      for (let i = 0; i < times; i++) scope(() => ops.sum(ops.mulScalar(weight, 1)).backward());
    };
    add(400);
    assert.deepEqual(numbers(weight.grad!), [256]);
    weight.grad = null;
    const optimizer = new MasterWeights({ vocabulary: [], hidden: [weight] }, adamw, nearest);
    add(400);
    assert.deepEqual([weight.grad!.dtype, ...numbers(weight.grad!)], ['float32', 400]);
    optimizer.dispose();
    // The weight is as it came.
    assert.deepEqual([weight.grad, weight.gradDType], [null, 'bfloat16']);
  });

  test('a weight without one stays as it is', async () => {
    const weights = [varied([8, 8], 'bfloat16'), varied([8], 'bfloat16')];
    const before = numbers(weights[1]!);
    const optimizer = new MasterWeights({ vocabulary: [], hidden: weights }, adamw, nearest);
    await step(optimizer, weights, [varied([8, 8], 'float32', 2), null], 0.1);
    assert.deepEqual(numbers(weights[1]!), before);
    optimizer.dispose();
  });
});
