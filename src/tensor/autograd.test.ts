import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DisposedTensorError, TensorError } from '../errors.ts';
import { grad, noGrad } from './autograd.ts';
import * as ops from './ops.ts';
import { liveTensors, scope } from './scope.ts';
import { tensor } from './tensor.ts';
import type { Tensor } from './tensor.ts';

const leaf = (values: number[]): Tensor => tensor(values).requiresGrad_();
const cube = (x: Tensor): Tensor => ops.mul(ops.square(x), x);
const elements = (x: Tensor | null): number[] | null => x && Array.from(x.toArray(), Number);

/** Checks for an error of ours with the op, the reason and a JavaScript stack. */
const refusedBy = (op: string) => (message: RegExp) => (error: unknown) =>
  error instanceof TensorError && error.data.op === op && message.test(error.message) && /autograd\.test\.ts/.test(error.stack!);

test('backward of a scalar fills and adds up the gradients of leaves', () => {
  const x = leaf([1, 2, 3]);
  assert.equal(x.grad, null);
  ops.sum(ops.square(x)).backward();
  assert.deepEqual(elements(x.grad), [2, 4, 6]);
  ops.sum(ops.square(x)).backward();
  assert.deepEqual(elements(x.grad), [4, 8, 12]);
});

test('backward takes the gradient of the result, of its shape', () => {
  const x = leaf([1, 2, 3]);
  ops.square(x).backward(tensor([1, 0, -1]));
  assert.deepEqual(elements(x.grad), [2, 0, -6]);
  const refused = refusedBy('backward');
  assert.throws(() => ops.square(x).backward(), refused(/grad can be implicitly created only for scalar outputs/));
  // libtorch alone would add this one up over its rows, and spread the next.
  assert.throws(() => ops.square(x).backward(tensor([1, 1, 1, 1, 1, 1], [2, 3])), refused(/expected `gradient` to have the shape \[3\] of its tensor, got \[2, 3\]/));
  assert.throws(() => ops.square(x).backward(tensor([1])), refused(/got \[1\]$/));
  assert.throws(() => tensor(1).backward(), refused(/does not require grad/));
  assert.deepEqual(elements(x.grad), [2, 0, -6]);
});

test('a disposed gradient is named as such', () => {
  const x = leaf([1]);
  const gone = tensor([1]);
  gone.dispose();
  assert.throws(() => ops.square(x).backward(gone), DisposedTensorError);
  assert.throws(() => grad([ops.square(x)], [gone]), DisposedTensorError);
});

test('the graph serves one backward, with retainGraph another', () => {
  const x = leaf([3]);
  const y = ops.sum(ops.square(x));
  y.backward(undefined, { retainGraph: true });
  y.backward();
  assert.deepEqual(elements(x.grad), [12]);
  assert.throws(() => y.backward(), /Trying to backward through the graph a second time/);
});

test('grad(): gradients for chosen inputs, leaving .grad alone; null where an input does not reach', () => {
  const [x, y, far] = [leaf([1, 2]), leaf([3, 4]), leaf([5])];
  const product = ops.mul(x, y);
  const [dx, dy, none] = grad([ops.sum(product), product], [x, y, far], [null, tensor([10, 0])]);
  assert.deepEqual([dx!, dy!, none!].map(elements), [[33, 4], [11, 2], null]);
  assert.deepEqual([x.grad, y.grad], [null, null]);
});

test('grad() through a tensor in the middle of the graph', () => {
  const x = leaf([2]);
  const middle = ops.square(x);
  const [d] = grad([ops.sum(cube(middle))], [middle]);
  assert.deepEqual(elements(d!), [48]);
});

test('grad() refuses what it cannot do, with op, shapes and a JavaScript stack', () => {
  const x = leaf([1, 2]);
  const refused = refusedBy('grad');
  assert.throws(() => grad([ops.square(x)], [x]), refused(/implicitly created only for scalar/));
  assert.throws(() => grad([ops.square(x)], [x], [tensor([1, 1, 1])]), refused(/expected `gradOutputs` to have the shape \[2\] of its tensor, got \[3\]/));
  assert.throws(() => grad([ops.sum(ops.square(x))], [tensor([1])]), refused(/does not require grad/));
  assert.throws(() => grad([ops.square(x), ops.square(x)], [x], [tensor([1, 1])]), refused(/got 2 tensors and 1 gradients/));
});

test('createGraph makes gradients differentiable: second and third order', () => {
  const x = leaf([2, -1]);
  const [first] = grad([ops.sum(cube(x))], [x], [null], { createGraph: true });
  assert.deepEqual(elements(first!), [12, 3]);
  const [second] = grad([ops.sum(first!)], [x], [null], { createGraph: true });
  assert.deepEqual(elements(second!), [12, -6]);
  ops.sum(second!).backward();
  assert.deepEqual(elements(x.grad), [6, 6]);
});

test('createGraph keeps the graph of the first pass as well', () => {
  const x = leaf([2]);
  const y = ops.sum(cube(x));
  grad([y], [x], [null], { createGraph: true });
  assert.deepEqual(elements(grad([y], [x])[0]!), [12]);
});

test('noGrad records nothing, nests, and restores the mode, after an error too', () => {
  const x = leaf([1]);
  const made = noGrad(() => {
    assert.equal(noGrad(() => ops.square(x)).requiresGrad, false);
    return ops.square(x);
  });
  assert.equal(made.requiresGrad, false);
  assert.throws(
    () =>
      noGrad(() => {
        throw new RangeError('mine');
      }),
    { name: 'RangeError', message: 'mine' },
  );
  assert.equal(ops.square(x).requiresGrad, true);
  noGrad(() => ops.mulScalar_(x, 5));
  assert.deepEqual(elements(x), [5]);
  assert.throws(() => ops.mulScalar_(x, 5), /leaf Variable/);
});

test('noGrad refuses a promise: what follows the first await would be recorded', () => {
  assert.throws(() => noGrad(async () => 1), /^TensorError: Expected `fn` of noGrad\(\) to be synchronous, got one that returns a promise/);
  assert.equal(ops.square(leaf([1])).requiresGrad, true);
});

test('requiresGrad_: on, off, refused for integers', () => {
  const x = tensor([1]);
  assert.equal(x.requiresGrad, false);
  assert.equal(x.requiresGrad_(), x);
  assert.equal(x.requiresGrad, true);
  assert.equal(x.requiresGrad_(false).requiresGrad, false);
  assert.throws(() => tensor([1], [1], 'int64').requiresGrad_(), (error) => error instanceof TensorError && error.data.op === 'requiresGrad_');
  const y = ops.square(x.requiresGrad_());
  assert.throws(() => y.requiresGrad_(false), TensorError);
});

test('detach shares the memory and ends the graph', () => {
  const x = leaf([2]);
  const cut = ops.detach(ops.square(x));
  assert.equal(cut.requiresGrad, false);
  ops.sum(ops.mul(cut, x)).backward();
  assert.deepEqual(elements(x.grad), [4]);
  const shared = ops.detach(x);
  ops.zero_(shared);
  assert.deepEqual(elements(x), [0]);
});

test('a graph cut at every layer and walked back gives the same gradient', () => {
  const w = leaf([3]);
  const x = leaf([2]);
  const hidden = cube(ops.mul(w, x));
  const cut = ops.detach(hidden).requiresGrad_();
  ops.sum(ops.square(cut)).backward();
  hidden.backward(cut.grad!);
  // d/dw (wx)^6 = 6·w^5·x^6
  assert.deepEqual([elements(w.grad), elements(x.grad)], [[6 * 3 ** 5 * 2 ** 6], [6 * 3 ** 6 * 2 ** 5]]);
});

test('grad can be read, set and cleared; a wrong one is refused', () => {
  const x = leaf([1, 2]);
  x.grad = tensor([5, 6]);
  ops.sum(x).backward();
  const view = x.grad!;
  assert.deepEqual(elements(view), [6, 7]);
  ops.mulScalar_(view, 10);
  assert.deepEqual(elements(x.grad), [60, 70]);
  x.grad = null;
  assert.equal(x.grad, null);
  const set = (value: Tensor) => () => {
    x.grad = value;
  };
  assert.throws(set(tensor([1, 2, 3])), /grad\(float32\[2\], float32\[3\]\): expected `grad` to have the shape \[2\] of its tensor, got \[3\]/);
  assert.throws(set(tensor([1, 2], [2], 'float64')), /expected `grad` to be float32, as its tensor takes, got float64/);
  assert.equal(x.grad, null);
});

test('a leaf may take its gradients in another dtype', () => {
  const x = tensor([1, 2], [2], 'bfloat16').requiresGrad_();
  assert.equal(x.gradDType, 'bfloat16');
  assert.equal(x.gradIn_('float32'), x);
  assert.equal(x.gradDType, 'float32');
  for (let i = 0; i < 300; i++) scope(() => ops.sum(x).backward());
  // bfloat16 counts by ones to 256.
  assert.deepEqual([x.grad!.dtype, elements(x.grad)], ['float32', [300, 300]]);
  assert.throws(() => x.gradIn_('bfloat16'), refusedBy('gradIn_')(/expected a leaf without a gradient/));
  assert.throws(() => ops.square(x).gradIn_('float32'), refusedBy('gradIn_')(/expected a leaf without a gradient/));
  x.grad = tensor([1, 1]);
  x.grad = null;
  x.gradIn_('bfloat16');
  assert.throws(() => (x.grad = tensor([1, 1])), /expected `grad` to be bfloat16, as its tensor takes, got float32/);
});

test('backward inside a scope leaves leaves and their gradients alive, and nothing else', () => {
  const x = leaf([1, 2]);
  const before = liveTensors();
  for (let i = 0; i < 100; i++) scope(() => ops.sum(ops.square(x)).backward());
  assert.equal(liveTensors(), before);
  scope(() => assert.deepEqual(elements(x.grad), [200, 400]));
});
