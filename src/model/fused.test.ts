/** The fused ops between the products (float32 on a CPU) against their plain twins in float64: values and gradients. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { grad } from '../tensor/autograd.ts';
import { native } from '../tensor/binding.ts';
import * as ops from '../tensor/ops.ts';
import { scope } from '../tensor/scope.ts';
import { tensor } from '../tensor/tensor.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { gatedUnit, rmsNorm } from './layers.ts';
import { rotaryTables, rotate } from './rope.ts';

/** Numbers that look random, and are float32s: sin of the squares. */
const random = (shape: number[], stream: number, size = 1) =>
  ops.view(ops.mulScalar(ops.to(ops.sin(ops.mulScalar(ops.square(ops.arange(1, 1 + shape.reduce((a, b) => a * b, 1), 'float64')), 1.234 + stream)), 'float32'), size), shape);

interface Case {
  inputs: () => Tensor[];
  run: (inputs: Tensor[]) => Tensor;
  tolerance?: number;
}

const rotary = (x: Tensor, width: number) => {
  const { cos, sin } = rotaryTables(x.size(0), { theta: 100, width, scaling: null }, 'float32');
  return rotate(x, { cos: ops.to(cos, x.dtype), sin: ops.to(sin, x.dtype) });
};

const unitThenLinear = (gate: Tensor, up: Tensor, weight: Tensor, bias: Tensor | null, activation: 'silu' | 'geluTanh') =>
  ops.isFused(gate) ? ops.gatedLinear(gate, up, weight, bias, activation === 'geluTanh') : ops.linear(gatedUnit(gate, up, activation), weight, bias);

const cases: Record<string, Case> = {
  'norm of rows': { inputs: () => [random([131, 576], 1), random([576], 2)], run: ([x, w]) => rmsNorm(x!, w!, 1e-5) },
  'norm of a width that no vector divides': { inputs: () => [random([3, 37], 1), random([37], 2)], run: ([x, w]) => rmsNorm(x!, w!, 1e-5) },
  'norm with an offset': { inputs: () => [random([70, 40], 1), random([40], 2)], run: ([x, w]) => rmsNorm(x!, w!, 1e-6, 'offset') },
  'norm of the heads of a cut out': { inputs: () => [random([20, 9, 64], 1), random([64], 2)], run: ([x, w]) => rmsNorm(ops.narrow(x!, 1, 2, 5), w!, 1e-6) },
  'norm of tiny numbers': { inputs: () => [random([5, 64], 1, 1e-4), random([64], 2)], run: ([x, w]) => rmsNorm(x!, w!, 1e-5), tolerance: 2e-6 },
  'silu': { inputs: () => [random([40, 150], 1, 8), random([40, 150], 2)], run: ([g, u]) => gatedUnit(g!, u!, 'silu') },
  'silu of both halves of one product': {
    inputs: () => [random([40, 300], 1, 4)],
    run: ([x]) => {
      const [g, u] = ops.split(x!, [150, 150], -1);
      return gatedUnit(g!, u!, 'silu');
    },
  },
  'gelu': { inputs: () => [random([40, 150], 1, 5), random([40, 150], 2)], run: ([g, u]) => gatedUnit(g!, u!, 'geluTanh'), tolerance: 3e-6 },
  'silu and the product behind it': {
    inputs: () => [random([300, 256], 1, 8), random([300, 256], 2), random([320, 256], 3), random([320], 4)],
    run: ([g, u, w, b]) => unitThenLinear(g!, u!, w!, b!, 'silu'),
    tolerance: 3e-6,
  },
  'gelu of both halves of one product, and the product behind it': {
    inputs: () => [random([300, 300], 1, 5), random([380, 150], 2)],
    run: ([x, w]) => {
      const [g, u] = ops.split(x!, [150, 150], -1);
      return unitThenLinear(g!, u!, w!, null, 'geluTanh');
    },
    tolerance: 3e-6,
  },
  'whole heads turned': { inputs: () => [random([33, 9, 64], 1)], run: ([x]) => rotary(x!, 64) },
  'parts of heads turned, the rest as it is': { inputs: () => [random([7, 3, 20], 1)], run: ([x]) => rotary(x!, 12) },
  'heads cut out of a product': { inputs: () => [random([33, 15, 64], 1)], run: ([x]) => rotary(ops.split(x!, [9, 6], 1)[0]!, 64) },
};

/** y, and the gradients of Σ dy·y. */
function valueAndGradients(inputs: readonly Tensor[], run: (inputs: Tensor[]) => Tensor): Tensor[] {
  const tracked = inputs.map((x) => ops.detach(x).requiresGrad_());
  const y = run(tracked);
  const dy = ops.view(ops.sin(ops.arange(0, y.length, y.dtype)), y.shape);
  return [y, ...grad([ops.sum(ops.mul(y, dy))], tracked).map((gradient) => gradient!)];
}

const numbers = (x: Tensor): number[] => [...x.toArray()].map(Number);

/** Largest difference, relative to the largest element. */
function difference(a: Tensor, b: Tensor): number {
  assert.deepEqual(a.shape, b.shape);
  const [x, y] = [numbers(a), numbers(b)];
  const most = y.reduce((max, value) => Math.max(max, Math.abs(value)), 0);
  return x.reduce((max, value, i) => Math.max(max, Math.abs(value - y[i]!)), 0) / most;
}

for (const [name, { inputs, run, tolerance = 1e-6 }] of Object.entries(cases)) {
  test(`${name}: value and gradients of the plain twin`, () => {
    scope(() => {
      const fused = inputs();
      const plain = fused.map((x) => ops.to(x, 'float64'));
      assert.deepEqual([...fused.map(ops.isFused), ...plain.map(ops.isFused)], [...fused.map(() => true), ...plain.map(() => false)]);
      const twins = valueAndGradients(plain, run);
      valueAndGradients(fused, run).forEach((part, i) => assert.ok(difference(part, twins[i]!) < tolerance, `part ${i}: ${difference(part, twins[i]!)}`));
    });
  });

  test(`${name}: the same bits from one thread and from two`, () => {
    const threads = native().getThreads();
    try {
      const [one, two] = [1, 2].map((count) => {
        native().setThreads(count);
        return scope(() => valueAndGradients(inputs(), run).map((part) => part.toArray()));
      });
      assert.deepEqual(one, two);
    } finally {
      native().setThreads(threads);
    }
  });
}

test('a gate far from zero neither overflows nor loses its slope', () => {
  scope(() => {
    for (const activation of ['silu', 'geluTanh'] as const) {
      const [y, dg] = valueAndGradients([tensor([-200, -90, 0, 90, 200], [1, 5]), tensor([1, 1, 1, 1, 1], [1, 5])], ([g, u]) => gatedUnit(g!, u!, activation));
      const values = numbers(y!);
      assert.ok(values.every((value, i) => Math.abs(value - [0, 0, 0, 90, 200][i]!) < 1e-30), `${values}`);
      const slopes = numbers(dg!).map((slope, i) => (i === 0 ? 0 : slope / Math.sin(i)));
      assert.ok(slopes.every((slope, i) => Math.abs(slope - [0, 0, 0.5, 1, 1][i]!) < 1e-6), `${slopes}`);
    }
  });
});

test('a second derivative is refused', () => {
  scope(() => {
    const x = random([4, 8], 1).requiresGrad_();
    assert.throws(() => grad([ops.sum(rmsNorm(x, random([8], 2), 1e-5))], [x], [null], { createGraph: true }), /no second derivative/);
  });
});
