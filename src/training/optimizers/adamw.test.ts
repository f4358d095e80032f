import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { liveTensors } from '../../tensor/scope.ts';
import { tensor } from '../../tensor/tensor.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import { AdamW } from './adamw.ts';

const { adamw } = JSON.parse(readFileSync(new URL('../../../test/fixtures/torch/training.json', import.meta.url), 'utf8')) as {
  adamw: {
    beta1: number;
    beta2: number;
    epsilon: number;
    weightDecay: number;
    start: number[][];
    steps: { learningRate: number; gradients: (number[] | null)[]; parameters: number[][] }[];
  };
};

const shapes = [[3, 4], [5], [2, 2]];
const numbers = (x: Tensor): number[] => [...x.toArray()].map(Number);

// Whole tensors, pieces of several tensors, and pieces smaller than a tensor.
for (const sliceElements of [undefined, 7, 1]) {
  test(`five steps of torch.optim.AdamW, ${sliceElements ?? 'all'} elements at once`, async () => {
    const { start, steps, ...options } = adamw;
    const parameters = start.map((values, p) => tensor(values, shapes[p], 'float64').requiresGrad_());
    const optimizer = new AdamW(parameters, { ...options, ...(sliceElements && { sliceElements }) });
    for (const step of steps) {
      step.gradients.forEach((gradient, p) => (parameters[p]!.grad = gradient && tensor(gradient, shapes[p], 'float64')));
      await optimizer.step(step.learningRate);
      step.parameters.forEach((wanted, p) => numbers(parameters[p]!).forEach((value, i) => assert.ok(Math.abs(value - wanted[i]!) < 1e-12, `parameter ${p}: ${value} is not ${wanted[i]}`)));
    }
  });
}

test('by hand: the first step moves each element by the rate, against its gradient', async () => {
  const parameter = tensor([1, 2, 3], [3], 'float64').requiresGrad_();
  parameter.grad = tensor([0.5, -7, 0], [3], 'float64');
  await new AdamW([parameter], { epsilon: 1e-30 }).step(0.1);
  [0.9, 2.1, 3].forEach((wanted, i) => assert.ok(Math.abs(numbers(parameter)[i]! - wanted) < 1e-12, `${numbers(parameter)[i]} is not ${wanted}`));
});

test('matrices decay, vectors and scalars do not', async () => {
  const parameters = [tensor([2], [1, 1], 'float64'), tensor([2], [1], 'float64'), tensor(2, [], 'float64')].map((p) => p.requiresGrad_());
  for (const parameter of parameters) parameter.grad = tensor(new Float64Array(1), parameter.shape);
  await new AdamW(parameters, { weightDecay: 0.5 }).step(0.1);
  assert.deepEqual(parameters.map((parameter) => parameter.item()), [2 * (1 - 0.1 * 0.5), 2, 2]);
});

test('zeroGrad drops gradients; a step without any changes nothing', async () => {
  const parameter = tensor([1, 2], [2, 1], 'float32').requiresGrad_();
  parameter.grad = tensor([1, 1], [2, 1]);
  const optimizer = new AdamW([parameter], { weightDecay: 0.1 });
  optimizer.zeroGrad();
  assert.equal(parameter.grad, null);
  await optimizer.step(1);
  assert.deepEqual(numbers(parameter), [1, 2]);
});

test('state is allocated once and freed by dispose', async () => {
  const parameter = tensor([1, 2, 3], [3], 'float32').requiresGrad_();
  parameter.grad = tensor([1, 1, 1]);
  const before = liveTensors();
  const optimizer = new AdamW([parameter]);
  assert.equal(liveTensors(), before + 2);
  assert.equal(optimizer.stateBytes, 24);
  for (let i = 0; i < 20; i++) await optimizer.step(0.1);
  assert.equal(liveTensors(), before + 2);
  optimizer.dispose();
  assert.equal(liveTensors(), before);
});

test('the event loop turns between slices', async () => {
  const parameter = tensor(new Float32Array(4), [4]).requiresGrad_();
  parameter.grad = tensor(new Float32Array(4).fill(1), [4]);
  let turned = false;
  setImmediate(() => (turned = true));
  await new AdamW([parameter], { sliceElements: 2 }).step(0.1);
  assert.ok(turned);
});

test('refused: decays outside [0, 1), negative epsilon or weight decay', () => {
  for (const options of [{ beta1: 1 }, { beta2: -0.1 }, { epsilon: -1 }, { weightDecay: Number.NaN }, { sliceElements: 0 }]) {
    assert.throws(() => new AdamW([], options), new RegExp(`Expected \`${Object.keys(options)[0]}\` to be`));
  }
});
