import assert from 'node:assert/strict';
import { test } from 'node:test';
import { InputError, TensorError } from '../errors.ts';
import { isLoaded } from './binding.ts';
import { dispatch } from './dispatch.ts';
import * as ops from './ops.ts';
import { tensor, tensorFromBytes } from './tensor.ts';
import type { DType, TensorArray } from './tensor.ts';

// First of all tests: whatever makes a tensor comes later.
test('importing the modules does not load the addon, the first tensor does', () => {
  assert.equal(isLoaded(), false);
  assert.throws(() => tensor([1], [2]), InputError);
  assert.equal(isLoaded(), false);
  tensor([1]).dispose();
  assert.equal(isLoaded(), true);
});

const words = (bytes: Uint8Array): Uint16Array => new Uint16Array(bytes.slice().buffer);

/** Equal as numbers are, with -0 unlike 0 and NaN like NaN. */
function assertSame(got: TensorArray, wanted: TensorArray): void {
  assert.equal(got.constructor, wanted.constructor);
  assert.equal(got.length, wanted.length);
  for (let i = 0; i < wanted.length; i++) assert.ok(Object.is(got[i], wanted[i]), `element ${i}: ${got[i]}, not ${wanted[i]}`);
}

const floats = [0, -0, 1, -1.5, 1 / 3, Infinity, -Infinity, Number.NaN, Number.MIN_VALUE, 2 ** -149, 2 ** -1022, Number.MAX_VALUE];
const typed: [DType, TensorArray][] = [
  ['float64', Float64Array.from(floats)],
  ['float32', Float32Array.from([...floats.slice(0, 8), 2 ** -149, 2 ** -126, 3.4028234663852886e38])],
  ['int64', BigInt64Array.of(0n, -1n, 2n ** 63n - 1n, -(2n ** 63n), 9007199254740993n)],
  ['int32', Int32Array.of(0, -1, 2 ** 31 - 1, -(2 ** 31))],
  ['uint8', Uint8Array.of(0, 1, 128, 255)],
];

for (const [dtype, values] of typed) {
  test(`${dtype} goes in and comes out bit by bit`, () => {
    const x = tensor(values);
    assert.equal(x.dtype, dtype);
    assert.deepEqual(x.shape, [values.length]);
    assertSame(x.toArray(), values);
    assert.deepEqual(x.toBytes(), new Uint8Array(values.buffer));
    assertSame(tensorFromBytes(x.toBytes(), x.shape, dtype).toArray(), values);
  });
}

test('bool goes in as booleans or numbers, is stored as 0 and 1, and comes out so', () => {
  assert.equal(tensor([true, false]).dtype, 'bool');
  assert.deepEqual(tensor([true, false, true]).toArray(), Uint8Array.of(1, 0, 1));
  assert.deepEqual(tensor(true).toArray(), Uint8Array.of(1));
  // Every non-zero counts, as in libtorch.
  assert.deepEqual(tensor([0, 2, -0, Number.NaN, -1], [5], 'bool').toBytes(), Uint8Array.of(0, 1, 0, 1, 1));
  assert.deepEqual(tensor(Uint8Array.of(0, 2, 255), [3], 'bool').toBytes(), Uint8Array.of(0, 1, 1));
  assert.deepEqual(tensor(BigInt64Array.of(0n, 256n), [2], 'bool').toBytes(), Uint8Array.of(0, 1));
  assert.throws(() => tensorFromBytes(Uint8Array.of(0, 2), [2], 'bool'), /Expected `bytes` to be 0 or 1/);
});

test('all 65,536 halves widen to the number their bits say', () => {
  const all = Uint16Array.from({ length: 65536 }, (_, i) => i);
  const bytes = new Uint8Array(all.buffer);
  const bfloat16 = new Float32Array(Uint32Array.from(all, (word) => word << 16).buffer);
  assertSame(tensorFromBytes(bytes, [65536], 'bfloat16').toArray(), bfloat16);
  const float16 = Float32Array.from(all, (word) => {
    const [sign, exponent, fraction] = [word >> 15 ? -1 : 1, (word >> 10) & 31, word & 1023];
    if (exponent === 31) return fraction ? Number.NaN : sign * Infinity;
    return exponent === 0 ? sign * fraction * 2 ** -24 : sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
  });
  assertSame(tensorFromBytes(bytes, [65536], 'float16').toArray(), float16);
});

test('rounding to halves: ties to even, subnormals, overflow, signed zero', () => {
  const cases: [DType, number, number][] = [
    ['bfloat16', 1 + 2 ** -8, 0x3f80],
    ['bfloat16', 1 + 2 ** -8 + 2 ** -20, 0x3f81],
    ['bfloat16', 1 + 3 * 2 ** -8, 0x3f82],
    ['bfloat16', 3.4028234663852886e38, 0x7f80],
    ['bfloat16', -3.3895313892515355e38, 0xff7f],
    ['bfloat16', 2 ** -133, 0x0001],
    ['bfloat16', 2 ** -134, 0x0000],
    ['bfloat16', 3 * 2 ** -134, 0x0002],
    ['bfloat16', -0, 0x8000],
    ['bfloat16', -Infinity, 0xff80],
    ['float16', 1 + 2 ** -11, 0x3c00],
    ['float16', 1 + 2 ** -11 + 2 ** -20, 0x3c01],
    ['float16', 1 + 3 * 2 ** -11, 0x3c02],
    ['float16', 65504, 0x7bff],
    ['float16', 65519.99, 0x7bff],
    ['float16', 65520, 0x7c00],
    ['float16', 2 ** -14, 0x0400],
    ['float16', 2 ** -14 - 2 ** -24, 0x03ff],
    ['float16', 2 ** -14 - 2 ** -26, 0x0400],
    ['float16', 2 ** -24, 0x0001],
    ['float16', 2 ** -25, 0x0000],
    ['float16', -3 * 2 ** -25, 0x8002],
    ['float16', -0, 0x8000],
    ['float16', -Infinity, 0xfc00],
  ];
  for (const [dtype, value, word] of cases) {
    for (const data of [[value], Float32Array.of(value), Float64Array.of(value)]) {
      assert.equal(words(tensor(data, [1], dtype).toBytes())[0], word, `${dtype} of ${value}`);
    }
  }
  for (const dtype of ['bfloat16', 'float16'] as const) assertSame(tensor([Number.NaN], [1], dtype).toArray(), Float32Array.of(Number.NaN));
});

test('random floats round to the nearest half, as the cast of libtorch does', () => {
  const count = 100_000;
  let state = 7;
  const bits = Uint32Array.from({ length: count }, () => (state = Math.imul(state, 1664525) + 1013904223));
  const values = new Float32Array(bits.buffer);
  for (const dtype of ['bfloat16', 'float16'] as const) {
    const got = tensor(values, [count], dtype);
    assertSame(got.toArray(), ops.to(tensor(values), dtype).toArray());
    // Nearest: no neighbour is closer, and among two as close the even one was taken.
    const stored = words(got.toBytes());
    const back = got.toArray() as Float32Array;
    const neighbours = [-1, 1].map(
      (by) => tensorFromBytes(new Uint8Array(stored.map((word) => word + by).buffer), [count], dtype).toArray() as Float32Array,
    );
    let compared = 0;
    for (let i = 0; i < count; i++) {
      const value = values[i]!;
      if (!Number.isFinite(value) || !Number.isFinite(back[i]!)) continue;
      const distance = Math.abs(back[i]! - value);
      for (const neighbour of neighbours) {
        const other = Math.abs(neighbour[i]! - value);
        // Below zero of either sign the words wrap to the other sign: such a neighbour is NaN or far.
        if (Number.isNaN(other)) continue;
        assert.ok(distance < other || (distance === other && stored[i]! % 2 === 0), `${dtype} of ${value}`);
        compared++;
      }
    }
    assert.ok(compared > count / 2, `${compared} comparisons`);
  }
});

test('a number[] makes float32, rounded once; other dtypes on request', () => {
  const x = tensor([0.1, 2 ** 24 + 1, 1e-46]);
  assert.equal(x.dtype, 'float32');
  assertSame(x.toArray(), Float32Array.of(Math.fround(0.1), 2 ** 24, 0));
  assertSame(tensor([0.1], [1], 'float64').toArray(), Float64Array.of(0.1));
  assertSame(tensor([1, -2], [2], 'int64').toArray(), BigInt64Array.of(1n, -2n));
  assertSame(tensor(BigInt64Array.of(3n), [1], 'float32').toArray(), Float32Array.of(3));
  assertSame(tensor(Float32Array.of(3), [1], 'int32').toArray(), Int32Array.of(3));
  assertSame(tensor([true, false], [2], 'float32').toArray(), Float32Array.of(1, 0));
  assert.deepEqual(ops.zeros([2]).dtype, 'float32');
});

test('a tensor copies: a window of a buffer goes in, and later writes stay out', () => {
  const source = Float32Array.of(9, 1, 2, 9);
  const x = tensor(source.subarray(1, 3));
  source.fill(0);
  const out = x.toArray() as Float32Array;
  out.fill(5);
  x.toBytes().fill(7);
  assertSame(x.toArray(), Float32Array.of(1, 2));
  const bytes = new Uint8Array(12).subarray(3, 11);
  new DataView(bytes.buffer).setFloat32(7, 2, true);
  assertSame(tensorFromBytes(bytes, [2], 'float32').toArray(), Float32Array.of(0, 2));
});

test('scalars and empty tensors', () => {
  const scalar = tensor(2.5);
  assert.deepEqual([scalar.shape, scalar.length, scalar.item()], [[], 1, 2.5]);
  assertSame(scalar.toArray(), Float32Array.of(2.5));
  const empty = tensor([], [2, 0, 3]);
  assert.deepEqual([empty.dtype, empty.shape, empty.length], ['float32', [2, 0, 3], 0]);
  assertSame(empty.toArray(), new Float32Array());
  assert.deepEqual(tensor([]).shape, [0]);
  assert.deepEqual(tensor(new BigInt64Array()).dtype, 'int64');
  assert.equal(ops.sum(empty).item(), 0);
  assert.equal(tensor(BigInt64Array.of(7n)).item(), 7);
  assert.throws(() => empty.item(), { name: 'TensorError', message: 'Expected one element, got shape [2, 0, 3]; use toArray().' });
});

test('shape, size, device, and bytes of views in row-major order', () => {
  const x = tensor([1, 2, 3, 4, 5, 6], [2, 3]);
  assert.deepEqual([x.shape, x.size(0), x.size(-1), x.device], [[2, 3], 2, 3, 'cpu']);
  assertSame(ops.transpose(x, 0, 1).toArray(), Float32Array.of(1, 4, 2, 5, 3, 6));
  assertSame(ops.narrow(x, 1, 1, 1).toArray(), Float32Array.of(2, 5));
  assertSame(ops.expand(tensor([7], [1, 1]), [2, 2]).toArray(), Float32Array.of(7, 7, 7, 7));
  assert.throws(() => x.size(2), { name: 'InputError', message: /Expected `axis` to be one of the 2 axes, got 2;/ });
});

test('the shape is the one of now, also after an op in place on another tensor over the same memory', () => {
  const x = tensor([1, 2, 3, 4, 5, 6], [2, 3]);
  const same = ops.contiguous(x);
  dispatch('aten::t_', [same]);
  assert.deepEqual(x.shape, [3, 2]);
  assertSame(x.toArray(), Float32Array.of(1, 4, 2, 5, 3, 6));
});

const wrong: [string, () => unknown, RegExp][] = [
  ['a shape with another count', () => tensor([1, 2, 3], [2, 2]), /Expected `shape` to have 3 elements, as the data, got \[2,2\]/],
  ['a negative shape', () => tensor([1, 2], [-1, -2]), /Expected `shape` to be an array of integers, 0 or more/],
  ['a broken shape', () => tensor([1, 2], [0.5, 4]), /Expected `shape` to be an array of integers/],
  ['nested arrays', () => tensor([[1, 2]] as unknown as number[]), /Expected `data` to be a flat array of numbers or booleans, got \[1,2\]/],
  ['text', () => tensor(['1'] as unknown as number[]), /Expected `data` to be a flat array/],
  ['a hole', () => tensor([1, undefined] as unknown as number[]), /Expected `data` to be a flat array/],
  ['a typed array without a dtype', () => tensor(Uint32Array.of(1) as unknown as number[]), /Expected `data` to be numbers, booleans or a typed array/],
  ['an unknown dtype', () => tensor([1], [1], 'int8' as DType), /Expected `dtype` to be one of float64, .* got "int8"/],
  ['a fraction for an integer', () => tensor([1.5], [1], 'int32'), /Expected `data` to be integers that fit int32, got 1.5/],
  ['NaN for an integer', () => tensor([Number.NaN], [1], 'int64'), /Expected `data` to be integers that fit int64, got NaN/],
  ['2^31 for int32', () => tensor([2 ** 31], [1], 'int32'), /integers that fit int32/],
  ['2^63 for int64', () => tensor([2 ** 63], [1], 'int64'), /integers that fit int64/],
  ['-1 for uint8', () => tensor([-1], [1], 'uint8'), /integers that fit uint8/],
  ['a bigint too large', () => tensor(BigInt64Array.of(256n), [1], 'uint8'), /integers that fit uint8, got 256/],
];

for (const [name, make, message] of wrong) {
  test(`refused: ${name}`, () => {
    assert.throws(make, (error) => error instanceof InputError && message.test(error.message));
  });
}

/** Checks for an error of ours with the op, the reason and a JavaScript stack. */
const isOurs = (op: string, message: RegExp) => (error: unknown) =>
  error instanceof TensorError && error.data.op === op && message.test(error.message) && /tensor\.test\.ts/.test(error.stack!);

test('bytes that do not fill the shape, and tensors without bytes, are errors of ours', () => {
  assert.throws(() => tensorFromBytes(new Uint8Array(7), [2], 'float32'), isOurs('tensorFromBytes', /shape needs 8 bytes, got 7/));
  assert.throws(() => tensorFromBytes(new Uint8Array(8), [2], 'int8' as DType), isOurs('tensorFromBytes', /expected a dtype of float32, .* got "int8"/));
  const complex = dispatch('aten::fft_fft', [tensor([1, 2])]) as ReturnType<typeof tensor>;
  assert.throws(() => complex.toArray(), isOurs('toArray', /got "ComplexFloat"/));
  const packed = ops.packLinearWeight(ops.zeros([64, 64]), 4);
  assert.throws(() => packed.toBytes(), isOurs('toBytes', /storage/));
});
