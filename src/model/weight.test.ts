/** Matrices in blocks against the numbers that Python's `gguf` says they stand for, and their products against those of these numbers. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { grad, noGrad } from '../tensor/autograd.ts';
import { native } from '../tensor/binding.ts';
import * as ops from '../tensor/ops.ts';
import { scope } from '../tensor/scope.ts';
import { tensor, tensorFromBytes } from '../tensor/tensor.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { BLOCK_FORMATS } from '../weights/gguf-blocks.ts';
import type { BlockFormat } from '../weights/gguf-blocks.ts';
import { linearBy, lookUp, transposedBy, BlockMatrix, valuesOf } from './weight.ts';
import { heldFormats } from './read-weights.ts';

const formats = [...BLOCK_FORMATS.values()].filter(({ name }) => heldFormats.has(name));
const fixture = (name: string): unknown => JSON.parse(readFileSync(new URL(`../../test/fixtures/gguf/${name}`, import.meta.url), 'utf8'));
const bytes = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, 'base64'));

/** Numbers that look random, within ±1. */
const random = (shape: number[], stream: number): Tensor =>
  ops.to(ops.view(ops.sin(ops.mulScalar(ops.square(ops.arange(1, 1 + shape.reduce((a, b) => a * b, 1), 'float64')), 1.234 + stream)), shape), 'float32');

/** Blocks of any bits, but for scales of about 2⁻⁴ to 2⁻⁷: float16 0x2800 to 0x2fff. */
function anyBlocks({ name, blockSize, bytesPerBlock }: BlockFormat, rows: number, columns: number): Uint8Array<ArrayBuffer> {
  const blocks = Uint8Array.from({ length: ((rows * columns) / blockSize) * bytesPerBlock }, (_, i) => Math.floor(256 * Math.abs(Math.sin((i + 1) ** 2))));
  const scales: Record<string, number[]> = { F16: [0], Q4_1: [0, 2], Q5_1: [0, 2], Q4_K: [0, 2], Q5_K: [0, 2], Q6_K: [208] };
  for (let at = 0; at < blocks.length; at += bytesPerBlock) {
    if (name === 'BF16') blocks[at + 1] = 0x3d; // 2⁻⁴ or 2⁻³
    else for (const place of scales[name] ?? [0]) blocks[at + place + 1] = 0x28 | (blocks[at + place + 1]! & 7);
  }
  return blocks;
}

function matrixOf(format: BlockFormat, rows: number, columns: number): { matrix: BlockMatrix; values: Tensor } {
  const blocks = anyBlocks(format, rows, columns);
  return {
    matrix: new BlockMatrix(tensorFromBytes(blocks, [rows, blocks.length / rows], 'uint8'), format.name, [rows, columns]),
    values: tensor(format.dequantise(blocks), [rows, columns]),
  };
}

/** Largest difference, relative to the largest element. */
function difference(a: Tensor, b: Tensor): number {
  assert.deepEqual(a.shape, b.shape);
  const [x, y] = [a, b].map((part) => part.toArray() as Float32Array) as [Float32Array, Float32Array];
  return x.reduce((max, value, i) => Math.max(max, Math.abs(value - y[i]!)), 0) / y.reduce((max, value) => Math.max(max, Math.abs(value)), 1e-30);
}

test('blocks of the file stand for what the reader says, bit for bit, edges included', () => {
  const cases = fixture('blocks.json') as { type: string; blocks: string }[];
  assert.equal(formats.length, heldFormats.size);
  for (const { type, blocks } of cases.filter(({ type }) => heldFormats.has(type))) {
    const wanted = BLOCK_FORMATS.get([...BLOCK_FORMATS].find(([, { name }]) => name === type)![0])!.dequantise(bytes(blocks) as Uint8Array<ArrayBuffer>);
    const got = scope(() => ops.blockValues(tensorFromBytes(bytes(blocks), [1, bytes(blocks).length], 'uint8'), type).toBytes());
    assert.deepEqual(got, new Uint8Array(wanted.buffer), type);
  }
});

test('blocks made of numbers are those of Python, bit for bit', () => {
  const { columns, values, blocks } = fixture('quantised.json') as { columns: number; values: string; blocks: Record<string, string> };
  assert.deepEqual(Object.keys(blocks), ['Q4_0', 'Q4_1', 'Q8_0']);
  for (const [type, wanted] of Object.entries(blocks)) {
    const rows = bytes(values).length / 4 / columns;
    const got = scope(() => ops.toBlocks(tensorFromBytes(bytes(values), [rows, columns], 'float32'), type).toBytes());
    assert.deepEqual(got, bytes(wanted), type);
  }
});

// Rows of 2304: a tile takes 56 of them, so that the last is cut; 300 inputs take the product across the border to oneDNN.
const shapes: readonly [n: number, out: number, columns: number][] = [[1, 7, 256], [5, 131, 2304], [300, 131, 2304], [0, 7, 256]];

for (const format of formats) {
  test(`${format.name}: products and gradients are those of the numbers to 1e-5`, () => {
    for (const [n, out, columns] of shapes) {
      scope(() => {
        const { matrix, values } = matrixOf(format, out, columns);
        const [x, twin] = [random([n, columns], 1).requiresGrad_(), random([n, columns], 1).requiresGrad_()];
        const bias = random([out], 2);
        const [y, wanted] = [linearBy(x, matrix, bias), ops.linear(twin, values, bias)];
        assert.ok(difference(y, wanted) < 1e-5, `${n}: ${difference(y, wanted)}`);
        const dy = random([n, out], 3);
        const [dx] = grad([y], [x], [dy]);
        const [twinDx] = grad([wanted], [twin], [dy]);
        assert.ok(difference(dx!, twinDx!) < 1e-5, `${n}: ${difference(dx!, twinDx!)}`);
        assert.ok(difference(transposedBy(dy, matrix), ops.matmul(dy, values)) < 1e-5);
      });
    }
  });
}

test('threads share the rows: the same numbers for any number of them', () => {
  const of = (threads: number) => {
    native().setThreads(threads);
    return scope(() => {
      const { matrix } = matrixOf(formats.find(({ name }) => name === 'Q4_1')!, 131, 2304);
      const values = valuesOf(matrix);
      return [values.toBytes(), ops.toBlocks(values, 'Q8_0').toBytes()];
    });
  };
  const before = native().getThreads();
  const [one, three] = [of(1), of(3)];
  native().setThreads(before);
  assert.deepEqual(three, one);
});

test('rows are looked up, and the whole is given, as the numbers are', () => {
  scope(() => {
    const { matrix, values } = matrixOf(formats.find(({ name }) => name === 'Q5_K')!, 40, 512);
    const ids = tensor([39, 0, 7, 7], [4], 'int64');
    assert.deepEqual(lookUp(matrix, ids).toArray(), ops.indexSelect(values, 0, ids).toArray());
    assert.deepEqual(valuesOf(matrix).toArray(), values.toArray());
    assert.deepEqual([matrix.length, matrix.size(0), matrix.size(1)], [40 * 512, 40, 512]);
  });
});

test('the input alone is differentiable, once, and what does not fit is refused', () => {
  scope(() => {
    const { matrix } = matrixOf(formats.find(({ name }) => name === 'Q8_0')!, 3, 64);
    const x = random([2, 64], 1).requiresGrad_();
    assert.throws(() => matrix.blocks.requiresGrad_(), /floating/);
    assert.throws(() => grad([ops.sum(ops.square(linearBy(x, matrix)))], [x], [null], { createGraph: true }), /no derivative of this product/);
    assert.throws(() => transposedBy(random([2, 3], 1).requiresGrad_(), matrix), /no derivative of this product/);
    assert.ok(!noGrad(() => linearBy(x, matrix)).requiresGrad);
    assert.throws(() => linearBy(random([2, 32], 1), matrix), /as long as those of the matrix/);
    assert.throws(() => linearBy(ops.to(x, 'float64'), matrix), /float32/);
    assert.throws(() => ops.blockLinear(x, matrix.blocks, 'Q9_0'), /known here, got Q9_0/);
    assert.throws(() => ops.blockLinear(x, ops.narrow(matrix.blocks, 1, 0, 67), 'Q8_0'), /contiguous/);
    assert.throws(() => ops.blockLinear(x, ops.contiguous(ops.narrow(matrix.blocks, 1, 0, 67)), 'Q8_0'), /whole blocks/);
    assert.throws(() => ops.toBlocks(random([2, 40], 1), 'Q8_0'), /whole blocks/);
    assert.throws(() => ops.toBlocks(random([2, 256], 1), 'Q4_K'), /Q4_0, Q4_1 or Q8_0/);
  });
});
