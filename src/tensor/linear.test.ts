/** `linear` against its plain twin, `aten::linear`: values and gradients, for products on either side of the border between the two kernels. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { grad } from './autograd.ts';
import { op } from './dispatch.ts';
import * as ops from './ops.ts';
import { scope } from './scope.ts';
import type { DType, Tensor } from './tensor.ts';

const plain = op<typeof ops.linear>('aten::linear');
/** Numbers that look random: sin of the squares. */
const random = (shape: number[], stream: number, dtype: DType = 'float32') =>
  ops.to(ops.view(ops.sin(ops.mulScalar(ops.square(ops.arange(1, 1 + shape.reduce((a, b) => a * b, 1), 'float64')), 1.234 + stream)), shape), dtype);
/** A matrix whose columns lie together in memory. */
const columnsTogether = (shape: [number, number], stream: number) => ops.transpose(ops.contiguous(ops.transpose(random(shape, stream), 0, 1)), 0, 1);

/** Largest difference, relative to the largest element. */
function difference(a: Tensor, b: Tensor): number {
  assert.deepEqual(a.shape, b.shape);
  const [x, y] = [a.toArray(), b.toArray()].map((values) => Float64Array.from(values, Number)) as [Float64Array, Float64Array];
  const most = y.reduce((max, value) => Math.max(max, Math.abs(value)), 0);
  return x.reduce((max, value, i) => Math.max(max, Math.abs(value - y[i]!)), 0) / most;
}

/** y, and the gradients of Σ dy·y, of one of the two. */
function run(linear: typeof ops.linear, x: Tensor, w: Tensor, b: Tensor | null, tracked: readonly Tensor[]): Tensor[] {
  const y = linear(x, w, b);
  const dy = ops.view(ops.sin(ops.arange(0, y.length, y.dtype)), y.shape);
  return [y, ...grad([ops.sum(ops.mul(y, dy))], [...tracked]).map((gradient) => gradient!)];
}

const cases: Record<string, () => { x: Tensor; w: Tensor; b: Tensor | null }> = {
  'a product too small for oneDNN': () => ({ x: random([3, 8], 1), w: random([5, 8], 2), b: random([5], 3) }),
  'a big product': () => ({ x: random([300, 256], 1), w: random([320, 256], 2), b: null }),
  'a big product with a bias': () => ({ x: random([300, 256], 1), w: random([320, 256], 2), b: random([320], 3) }),
  'one row against a big weight': () => ({ x: random([1, 4096], 1), w: random([4100, 4096], 2), b: null }),
  'columns together in x and in w': () => ({ x: columnsTogether([300, 256], 1), w: columnsTogether([320, 256], 2), b: null }),
  'rows cut out of a bigger tensor': () => ({ x: ops.narrow(random([300, 512], 1), 1, 100, 256), w: ops.narrow(random([400, 256], 2), 0, 40, 320), b: null }),
  'more axes than two': () => ({ x: random([10, 30, 256], 1), w: random([320, 256], 2), b: random([320], 3) }),
  'float64': () => ({ x: random([300, 256], 1, 'float64'), w: random([320, 256], 2, 'float64'), b: null }),
};

for (const [name, make] of Object.entries(cases)) {
  test(`${name}: value and gradients of the plain twin`, () => {
    scope(() => {
      const { x, w, b } = make();
      const tracked = [x, w, ...(b ? [b] : [])].map((part) => ops.detach(part).requiresGrad_());
      const arguments_ = [tracked[0]!, tracked[1]!, tracked[2] ?? null, tracked] as const;
      const [ours, twin] = [run(ops.linear, ...arguments_), run(plain, ...arguments_)];
      assert.equal(ours.length, 1 + tracked.length);
      ours.forEach((part, i) => assert.ok(difference(part, twin[i]!) < (x.dtype === 'float64' ? 1e-13 : 5e-6), `part ${i}: ${difference(part, twin[i]!)}`));
    });
  });
}

test('only what is tracked gets a gradient', () => {
  scope(() => {
    const [x, w] = [random([300, 256], 1).requiresGrad_(), random([320, 256], 2)];
    const [, dx] = run(ops.linear, x, w, null, [x]);
    assert.ok(difference(dx!, run(plain, x, w, null, [x])[1]!) < 2e-6);
    assert.equal(w.grad, null);
    assert.ok(!ops.linear(random([300, 256], 1), w).requiresGrad);
  });
});

test('a second walk back adds to the gradient of the weight that is there, and one for chosen gradients leaves it alone', () => {
  scope(() => {
    const after = (linear: typeof ops.linear) => {
      const w = random([320, 256], 2).requiresGrad_();
      const loss = (stream: number) => ops.sum(ops.square(linear(random([300, 256], stream), w)));
      loss(1).backward();
      loss(4).backward();
      const present = w.grad!;
      const [chosen] = grad([loss(5)], [w]);
      loss(6).backward();
      assert.equal(difference(w.grad!, present), 0, 'the gradient is added up in the memory where it is');
      return [w.grad!, chosen!];
    };
    const [ours, twin] = [after(ops.linear), after(plain)];
    ours.forEach((part, i) => assert.ok(difference(part, twin[i]!) < 5e-6, `${i}: ${difference(part, twin[i]!)}`));
  });
});

test('a second derivative exists', () => {
  scope(() => {
    const [x, w] = [random([300, 256], 1).requiresGrad_(), random([320, 256], 2).requiresGrad_()];
    const second = (linear: typeof ops.linear) => {
      const [dx] = grad([ops.sum(ops.square(linear(x, w)))], [x], [null], { createGraph: true });
      return grad([ops.sum(ops.square(dx!))], [w])[0]!;
    };
    assert.ok(difference(second(ops.linear), second(plain)) < 5e-6);
  });
});

test('shapes that do not fit are refused by name', () => {
  scope(() => assert.throws(() => ops.linear(random([300, 256], 1), random([320, 255], 2)), /tsrl::linear/));
});

test('c += aᵀ·b is its plain twin, for shapes that no block divides and for columns cut out of a matrix', () => {
  scope(() => {
    for (const [m, n, k] of [[64, 192, 256], [131, 200, 300], [1, 1, 1], [700, 33, 5], [16, 576, 513], [97, 47, 300], [13, 31, 140], [12, 20, 257]] as const) {
      const [a, b, c] = [ops.narrow(random([k, m + 3], 1), 1, 2, m), random([k, n], 2), random([m, n], 3)];
      const twin = ops.addmm(ops.to(c, 'float64'), ops.transpose(ops.to(a, 'float64'), 0, 1), ops.to(b, 'float64'), 1, 1);
      assert.ok(difference(ops.addTransposedProduct_(c, a, b), twin) < 2e-6, `${m} × ${n} × ${k}`);
    }
    const [x, y] = [random([4, 3], 1), random([4, 5], 2)];
    assert.throws(() => ops.addTransposedProduct_(random([3, 4], 3), x, y), /a \[k, m\], b \[k, n\] and c \[m, n\]/);
    assert.throws(() => ops.addTransposedProduct_(ops.transpose(random([5, 3], 3), 0, 1), x, y), /c in one piece/);
  });
});
