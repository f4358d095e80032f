import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DisposedTensorError, InputError, TensorError } from '../errors.ts';
import { dispatch, op, schemaOf } from './dispatch.ts';
import { fusedAdamW_ } from './ops.ts';
import { liveTensors, scope } from './scope.ts';
import { Tensor, tensor } from './tensor.ts';

/** The elements of a result that is a tensor. */
function elements(value: unknown): unknown[] {
  assert.ok(value instanceof Tensor);
  return Array.from<unknown>(value.toArray());
}

const x = tensor([1, 2, 3, 4], [2, 2]);

test('the schema of an op, as libtorch prints it', () => {
  assert.equal(schemaOf('aten::mm'), 'aten::mm(Tensor self, Tensor mat2) -> Tensor');
});

test('op() gives an op a typed face', () => {
  const mm = op<(a: Tensor, b: Tensor) => Tensor>('aten::mm');
  assert.deepEqual(elements(mm(x, x)), [7, 10, 15, 22]);
});

test('optional tensors: given, null, left out', () => {
  const [row, weight, bias] = [tensor([1, 1], [1, 2]), tensor([1, 2, 3, 4], [2, 2]), tensor([10, 20])];
  assert.deepEqual(elements(dispatch('aten::linear', [row, weight, bias])), [13, 27]);
  assert.deepEqual(elements(dispatch('aten::linear', [row, weight, null])), [3, 7]);
  assert.deepEqual(elements(dispatch('aten::linear', [row, weight, undefined])), [3, 7]);
  assert.deepEqual(elements(dispatch('aten::linear', [row, weight])), [3, 7]);
});

test('lists of tensors, empty ones too', () => {
  assert.deepEqual(elements(dispatch('aten::cat', [[x, x], 1])), [1, 2, 1, 2, 3, 4, 3, 4]);
  assert.deepEqual((dispatch('aten::_foreach_neg', [[x]]) as Tensor[]).map(elements), [[-1, -2, -3, -4]]);
  assert.throws(() => dispatch('aten::cat', [[], 0]), /non-empty list/);
});

test('lists of optional tensors', () => {
  const columns = tensor([1, 0], [2], 'int64');
  assert.deepEqual(elements(dispatch('aten::index.Tensor', [x, [null, columns]])), [2, 1, 4, 3]);
  assert.deepEqual(elements(dispatch('aten::index.Tensor', [x, [columns]])), [3, 4, 1, 2]);
  assert.deepEqual(elements(dispatch('aten::index_put_', [dispatch('aten::clone', [x]), [columns, columns], tensor([8, 9])])), [9, 2, 3, 8]);
});

test('lists of integers; a fixed-size one takes one number for all', () => {
  const image = tensor([...Array(16).keys()], [1, 1, 4, 4]);
  const pooled = [2.5, 4.5, 10.5, 12.5];
  assert.deepEqual(elements(dispatch('aten::avg_pool2d', [image, 2])), pooled);
  assert.deepEqual(elements(dispatch('aten::avg_pool2d', [image, [2, 2], [2, 2]])), pooled);
  assert.deepEqual(elements(dispatch('aten::avg_pool2d', [image, [2, 2], []])), pooled);
  assert.deepEqual(elements(dispatch('aten::sum.dim_IntList', [x, 0])), [4, 6]);
  assert.deepEqual(elements(dispatch('aten::sum.dim_IntList', [x, null])), [10]);
  assert.deepEqual(elements(dispatch('aten::sum.dim_IntList', [x, [0, 1], true])), [10]);
  assert.deepEqual((dispatch('aten::view', [x, [4n, 1]]) as Tensor).shape, [4, 1]);
  assert.throws(() => dispatch('aten::view', [x, 4]), /expected `size` to be an array, got 4/);
});

test('lists of floats, booleans and scalars, given and left out', () => {
  const image = tensor([1, 3], [1, 1, 2]);
  assert.deepEqual(elements(dispatch('aten::upsample_nearest1d.vec', [image, null, [2]])), [1, 1, 3, 3]);
  assert.deepEqual(elements(dispatch('aten::upsample_nearest1d.vec', [image, [3], null])), [1, 1, 3]);
  const scaled = dispatch('aten::_foreach_mul.ScalarList', [[x, x], [2, 0.5]]) as Tensor[];
  assert.deepEqual(scaled.map(elements), [[2, 4, 6, 8], [0.5, 1, 1.5, 2]]);
  const [gradient, , bias] = dispatch('aten::convolution_backward', [
    tensor([1, 1], [1, 1, 2]), tensor([1, 2], [1, 1, 2]), tensor([3], [1, 1, 1]), [1], [1], [0], [1], false, [0], 1, [true, false, true],
  ]) as (Tensor | null)[];
  assert.deepEqual([gradient, bias].map(elements), [[3, 3], [2]]);
});

test('scalars: integral numbers and bigints are integers, others floats, booleans booleans', () => {
  const whole = tensor([1, 2], [2], 'int32');
  const sum = (value: unknown): [string, unknown[]] => {
    const result = dispatch('aten::add.Scalar', [whole, value]) as Tensor;
    return [result.dtype, elements(result)];
  };
  assert.deepEqual(sum(2), ['int32', [3, 4]]);
  assert.deepEqual(sum(2n), ['int32', [3, 4]]);
  assert.deepEqual(sum(true), ['int32', [2, 3]]);
  assert.deepEqual(sum(0.5), ['float32', [1.5, 2.5]]);
  assert.deepEqual(sum(Infinity), ['float32', [Infinity, Infinity]]);
  assert.deepEqual(sum(Number.NaN), ['float32', [Number.NaN, Number.NaN]]);
  const exact = dispatch('aten::add.Scalar', [tensor([0], [1], 'int64'), 9007199254740993n]);
  assert.deepEqual(elements(exact), [9007199254740993n]);
  const zero = dispatch('aten::mul.Scalar', [tensor([1]), -0]);
  assert.ok(Object.is(elements(zero)[0], -0));
  assert.deepEqual(elements(dispatch('aten::clamp', [x, null, 2])), [1, 2, 2, 2]);
});

test('floats, booleans, strings', () => {
  assert.deepEqual(elements(dispatch('aten::dropout', [x, 0, true])), [1, 2, 3, 4]);
  const exact = elements(dispatch('aten::gelu', [tensor([1])]))[0] as number;
  const tanh = elements(dispatch('aten::gelu', [tensor([1]), 'tanh']))[0] as number;
  // Φ(1), and 0.5·(1 + tanh(√(2/π)·1.044715))
  assert.ok(Math.abs(exact - 0.8413447) < 1e-6, `${exact}`);
  assert.ok(Math.abs(tanh - 0.8411920) < 1e-6, `${tanh}`);
});

test('dtypes and devices by name', () => {
  for (const dtype of ['float64', 'float32', 'bfloat16', 'float16', 'int64', 'int32', 'uint8', 'bool']) {
    const made = dispatch('aten::ones', [[2], dtype, null, 'cpu']) as Tensor;
    assert.deepEqual([made.dtype, made.device, elements(made).map(Number)], [dtype, 'cpu', [1, 1]]);
  }
  assert.equal((dispatch('aten::to.dtype', [x, 'float64']) as Tensor).dtype, 'float64');
  assert.equal((dispatch('aten::sum', [x, 'float64']) as Tensor).dtype, 'float64');
});

test('left-out arguments take the defaults of the schema, also in the middle', () => {
  assert.deepEqual(elements(dispatch('aten::add.Tensor', [x, x])), [2, 4, 6, 8]);
  assert.deepEqual(elements(dispatch('aten::add.Tensor', [x, x, undefined])), [2, 4, 6, 8]);
  assert.deepEqual(elements(dispatch('aten::add.Tensor', [x, x, 10])), [11, 22, 33, 44]);
  assert.deepEqual(elements(dispatch('aten::argsort', [tensor([1, 3, 2]), undefined, true])), [1n, 2n, 0n]);
});

test('several results, lists of results, undefined results, plain results, none', () => {
  const [values, indices] = dispatch('aten::sort', [tensor([3, 1, 2]), 0, false]) as [Tensor, Tensor];
  assert.deepEqual([values, indices].map(elements), [[1, 2, 3], [1n, 2n, 0n]]);
  assert.deepEqual((dispatch('aten::split_with_sizes', [tensor([1, 2, 3]), [1, 2], 0]) as Tensor[]).map(elements), [[1], [2, 3]]);
  const [, weight] = dispatch('aten::native_layer_norm_backward', [
    x, x, [2], tensor([1.5, 3.5], [2, 1]), tensor([2, 2], [2, 1]), null, null, [true, false, false],
  ]) as (Tensor | null)[];
  assert.equal(weight, null);
  assert.equal(dispatch('aten::is_floating_point', [x]), true);
  assert.equal(dispatch('aten::size.int', [x, 1]), 2);
  assert.equal(dispatch('aten::item', [tensor(2.5)]), 2.5);
  assert.equal(dispatch('aten::item', [tensor(true)]), true);
  const parameter = tensor([1]);
  assert.equal(dispatch('aten::_foreach_add_.Scalar', [[parameter], 2]), undefined);
  assert.deepEqual(elements(parameter), [3]);
});

test('an op in place gives a second tensor over the same memory', () => {
  const before = liveTensors();
  const y = tensor([1, 2]);
  const result = dispatch('aten::add_.Scalar', [y, 1]) as Tensor;
  assert.notEqual(result, y);
  assert.equal(liveTensors() - before, 2);
  dispatch('aten::zero_', [y]);
  assert.deepEqual(elements(result), [0, 0]);
  y.dispose();
  assert.deepEqual(elements(result), [0, 0]);
  result.dispose();
});

test('an op in place inside a scope leaves the tensor of the outside alive', () => {
  const y = tensor([1, 2]);
  const before = liveTensors();
  scope(() => {
    dispatch('aten::mul_.Scalar', [y, 3]);
  });
  assert.equal(liveTensors(), before);
  assert.deepEqual(elements(y), [3, 6]);
});

const tensors = 'float32[2, 2]';
const wrong: [title: string, name: string, args: unknown[], shapes: string[], reason: RegExp][] = [
  ['a number for a tensor', 'aten::mm', [x, 3], [tensors], /expected `mat2` to be a tensor, got 3$/],
  ['a handle for a tensor', 'aten::mm', [x, x.handle], [tensors], /expected `mat2` to be a tensor, got \d+$/],
  ['null for a tensor', 'aten::mm', [x, null], [tensors], /expected `mat2` to be a tensor, got null$/],
  ['an array for a tensor', 'aten::mm', [x, [1, 2]], [tensors], /expected `mat2` to be a tensor, got \[1,2\]$/],
  ['nothing for a tensor', 'aten::mm', [x], [tensors], /expected `mat2` to be given, got nothing$/],
  ['a number for an optional tensor', 'aten::linear', [x, x, 0], [tensors, tensors], /expected `bias` to be a tensor, got 0$/],
  ['a tensor for a list of tensors', 'aten::cat', [x, 0], [tensors], /expected `tensors` to be an array of tensors, got a tensor$/],
  ['a number in a list of tensors', 'aten::cat', [[x, 1], 0], [tensors], /expected `tensors` to be a tensor, got 1$/],
  ['null in a list of tensors', 'aten::cat', [[x, null], 0], [tensors], /expected `tensors` to be a tensor, got null$/],
  ['a tensor for a scalar', 'aten::add.Scalar', [x, x], [tensors, tensors], /expected `other` to be a plain value, got a tensor$/],
  ['text for a scalar', 'aten::add.Scalar', [x, '1'], [tensors], /expected `other` to be a number, a bigint or a boolean, got "1"$/],
  ['a bigint beyond 64 bits', 'aten::add.Scalar', [x, 2n ** 63n], [tensors], /expected `other` to be an integer of 64 bits, got 9223372036854775808$/],
  ['a fraction for an integer', 'aten::transpose.int', [x, 0.5, 1], [tensors], /expected `dim0` to be an integer, got 0.5$/],
  ['infinity for an integer', 'aten::transpose.int', [x, Infinity, 1], [tensors], /expected `dim0` to be an integer, got Infinity$/],
  ['a boolean for an integer', 'aten::transpose.int', [x, true, 1], [tensors], /expected `dim0` to be an integer, got true$/],
  ['a fraction in a list of integers', 'aten::view', [x, [2, 1.5]], [tensors], /expected `size` to be an integer, got 1.5$/],
  ['text for a float', 'aten::dropout', [x, 'half', true], [tensors], /expected `p` to be a number, got "half"$/],
  ['a number for a boolean', 'aten::dropout', [x, 0, 1], [tensors], /expected `train` to be a boolean, got 1$/],
  ['a number for a string', 'aten::gelu', [x, 1], [tensors], /expected `approximate` to be a string, got 1$/],
  ['a string that the op does not know', 'aten::gelu', [x, 'fast'], [tensors], /approximate/],
  ['an unknown dtype', 'aten::to.dtype', [x, 'float8'], [tensors], /expected a dtype of float32, .*, got "float8"$/],
  ['a number for a dtype', 'aten::to.dtype', [x, 6], [tensors], /expected `dtype` to be the name of a dtype, got 6$/],
  ['an unknown device', 'aten::zeros', [[1], null, null, 'moon'], [], /device.*moon/],
  ['a number for a device', 'aten::zeros', [[1], null, null, 0], [], /expected `device` to be the name of a device, got 0$/],
  ['too many arguments', 'aten::mm', [x, x, x], [tensors, tensors, tensors], /expected at most 2 arguments, got 3$/],
  ['shapes that do not fit', 'aten::mm', [x, tensor([1, 2, 3], [3, 1])], [tensors, 'float32[3, 1]'], /mat1 and mat2 shapes cannot be multiplied \(2x2 and 3x1\)$/],
];

for (const [title, name, args, shapes, reason] of wrong) {
  test(`refused with op, shapes and a JavaScript stack: ${title}`, () => {
    const before = liveTensors();
    assert.throws(
      () => dispatch(name, args),
      (error) => {
        assert.ok(error instanceof TensorError);
        assert.deepEqual(error.data, { op: name, shapes });
        assert.ok(error.message.startsWith(`${name}(${shapes.join(', ')}): `), error.message);
        assert.match(error.message, reason);
        assert.ok(error.message.length < 600 && !error.message.includes('\n'), error.message);
        assert.match(error.stack!, /dispatch\.test\.ts/);
        assert.doesNotMatch(error.stack!, /\.cpp|\.so/);
        return true;
      },
    );
    assert.equal(liveTensors(), before);
  });
}

test('an unknown op, overload or namespace', () => {
  for (const name of ['aten::nothing', 'aten::add.Nothing', 'none::add', 'add', '']) {
    assert.throws(() => dispatch(name, []), (error) => error instanceof InputError && error.message.includes(`got "${name}"; check namespace, name and overload`));
  }
});

test('a disposed tensor is named as such, with the op and what stood beside it', () => {
  const gone = tensor([1]);
  gone.dispose();
  assert.throws(
    () => dispatch('aten::cat', [[x, gone], 0]),
    (error) => {
      assert.ok(error instanceof DisposedTensorError);
      assert.deepEqual(error.data, { op: 'aten::cat', shapes: [tensors, 'disposed'] });
      return error.message.startsWith('aten::cat(float32[2, 2], disposed): Expected a live tensor');
    },
  );
});

test('the message stays short with many tensors; the data holds all of them', () => {
  const parts = Array.from({ length: 50 }, () => tensor([1]));
  assert.throws(
    () => dispatch('aten::cat', [[...parts, x], 0]),
    (error) => {
      assert.ok(error instanceof TensorError);
      assert.equal((error.data.shapes as string[]).length, 51);
      return error.message.length < 600 && error.message.includes('43 more');
    },
  );
});

test('an op that returns nothing and writes to lists of tensors: one AdamW step', () => {
  const [parameter, gradient, first, second] = [tensor([1, -2]), tensor([0.5, -1]), tensor([0, 0]), tensor([0, 0])];
  const step = tensor(1);
  fusedAdamW_([parameter], [gradient], [first], [second], [step], { learningRate: 0.1, beta1: 0.9, beta2: 0.99, weightDecay: 0.01, epsilon: 1e-8 });
  // θ(1 − lr·wd) − lr·m̂/(√v̂ + ε); after one step m̂/√v̂ is the sign of the gradient.
  const got = parameter.toArray();
  [0.999 - 0.1, -1.998 + 0.1].forEach((wanted, i) => assert.ok(Math.abs((got[i] as number) - wanted) < 1e-6, `${got[i]}`));
  [0.05, -0.1].forEach((wanted, i) => assert.ok(Math.abs((first.toArray()[i] as number) - wanted) < 1e-7));
  [0.0025, 0.01].forEach((wanted, i) => assert.ok(Math.abs((second.toArray()[i] as number) - wanted) < 1e-8));
});
