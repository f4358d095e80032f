import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { zeros } from '../tensor/ops.ts';
import { liveTensors } from '../tensor/scope.ts';
import { tensor } from '../tensor/tensor.ts';
import type { DType, Tensor } from '../tensor/tensor.ts';
import { clipGradNorm } from './gradient-norm.ts';

const { clipping } = JSON.parse(readFileSync(new URL('../../test/fixtures/torch/training.json', import.meta.url), 'utf8')) as {
  clipping: { maxNorm: number; before: number[][]; norm: number; after: number[][] }[];
};

function parameter(gradient: number[], dtype: DType = 'float64'): Tensor {
  const made = zeros([gradient.length], dtype).requiresGrad_();
  made.grad = tensor(gradient, [gradient.length], dtype);
  return made;
}

const gradients = (parameters: Tensor[]): number[][] => parameters.map(({ grad }) => [...grad!.toArray()].map(Number));

for (const { maxNorm, before, norm, after } of clipping) {
  test(`norm and gradients of torch with the limit ${maxNorm}`, async () => {
    const parameters = before.map((gradient) => parameter(gradient));
    assert.ok(Math.abs((await clipGradNorm(parameters, maxNorm)) - norm) < 1e-12);
    gradients(parameters).forEach((values, p) => values.forEach((value, i) => assert.ok(Math.abs(value - after[p]![i]!) < 1e-12)));
  });
}

test('by hand: 3 and 4 make 5, the limit 2.5 halves them; null only measures', async () => {
  const parameters = [parameter([3]), zeros([2]).requiresGrad_(), parameter([4])];
  assert.equal(await clipGradNorm(parameters, null), 5);
  assert.equal(await clipGradNorm(parameters, 2.5), 5);
  assert.equal(parameters[1]!.grad, null);
  for (const [i, wanted] of [[0, 1.5], [2, 2]] as const) assert.ok(Math.abs(parameters[i]!.grad!.item() - wanted) < 1e-6);
});

test('a scale is taken out of norm and gradients, before the limit and without one', async () => {
  const scaled = () => [parameter([3 * 1024]), parameter([4 * 1024])];
  for (const [limit, wanted] of [[null, [3, 4]], [10, [3, 4]], [2.5, [1.5, 2]]] as const) {
    const parameters = scaled();
    assert.equal(await clipGradNorm(parameters, limit, 1024), 5);
    gradients(parameters).forEach(([value], i) => assert.ok(Math.abs(value! - wanted[i]!) < 1e-6, `${value}`));
  }
});

test('a norm that is not finite is reported and nothing is scaled', async () => {
  const parameters = [parameter([1, 2]), parameter([Number.NaN]), parameter([Infinity])];
  assert.ok(Number.isNaN(await clipGradNorm(parameters, 1)));
  assert.deepEqual(gradients(parameters), [[1, 2], [Number.NaN], [Infinity]]);
  assert.equal(await clipGradNorm([parameter([1]), parameter([Infinity])], 1), Infinity);
});

test('half precision is measured in float32', async () => {
  // 1024 times 1: bfloat16 sums of squares would stick at 256.
  assert.equal(await clipGradNorm([parameter(Array.from({ length: 1024 }, () => 1), 'bfloat16')], null), 32);
});

test('a limit of 0 is refused, and no tensor is left behind', async () => {
  const parameters = [parameter([3, 4])];
  await assert.rejects(clipGradNorm(parameters, 0), /`maxGradNorm` to be above 0, or null for no clipping, got 0/);
  const before = liveTensors();
  await clipGradNorm(parameters, 1);
  assert.equal(liveTensors(), before);
});
