import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { schemaOf } from './dispatch.ts';
import * as ops from './ops.ts';
import { tensor } from './tensor.ts';
import type { Tensor } from './tensor.ts';

test('this libtorch has every op that ops.ts names', () => {
  const source = readFileSync(new URL('./ops.ts', import.meta.url), 'utf8');
  const names = [...source.matchAll(/'((?:aten|mkldnn)::[^']+)'/g)].map((match) => match[1]!);
  assert.ok(names.length > 50);
  for (const name of names) assert.ok(schemaOf(name).startsWith(name), name);
});

const x = tensor([1, 2, 3, 4, 5, 6], [2, 3]);
const y = tensor([6, 5, 4, 3, 2, 1], [2, 3]);
const v = tensor([4, 1, 9]);
const ids = (...values: number[]): Tensor => tensor(values, [values.length], 'int64');
const copy = (): Tensor => ops.clone(x);
const { log, exp, sqrt, sin, cos } = Math;

/** What a call gives: shape, elements in row-major order, and the dtype where it is not float32. */
const cases: [call: string, result: () => Tensor, shape: number[], elements: number[], dtype?: string][] = [
  ['zeros', () => ops.zeros([2, 1]), [2, 1], [0, 0]],
  ['full', () => ops.full([2], 1, 'int64'), [2], [1, 1], 'int64'],
  ['full of infinity', () => ops.full([1], -Infinity), [1], [-Infinity]],
  ['arange', () => ops.arange(2, 5), [3], [2, 3, 4], 'int64'],
  ['zerosLike', () => ops.zerosLike(ids(1, 2)), [2], [0, 0], 'int64'],
  ['clone', () => ops.clone(v), [3], [4, 1, 9]],
  ['to', () => ops.to(tensor([1.9, -1.9]), 'int32'), [2], [1, -1], 'int32'],
  ['view', () => ops.view(x, [3, -1]), [3, 2], [1, 2, 3, 4, 5, 6]],
  ['reshape', () => ops.reshape(ops.transpose(x, 0, 1), [6]), [6], [1, 4, 2, 5, 3, 6]],
  ['permute', () => ops.permute(x, [1, 0]), [3, 2], [1, 4, 2, 5, 3, 6]],
  ['transpose', () => ops.transpose(x, -1, 0), [3, 2], [1, 4, 2, 5, 3, 6]],
  ['unsqueeze', () => ops.unsqueeze(v, 0), [1, 3], [4, 1, 9]],
  ['squeeze', () => ops.squeeze(ops.unsqueeze(v, 1), 1), [3], [4, 1, 9]],
  ['expand', () => ops.expand(ops.unsqueeze(v, 0), [2, -1]), [2, 3], [4, 1, 9, 4, 1, 9]],
  ['narrow', () => ops.narrow(x, 1, 1, 2), [2, 2], [2, 3, 5, 6]],
  ['cat', () => ops.cat([x, y], 0), [4, 3], [1, 2, 3, 4, 5, 6, 6, 5, 4, 3, 2, 1]],
  ['stack', () => ops.stack([v, v], 1), [3, 2], [4, 4, 1, 1, 9, 9]],
  ['split', () => ops.split(x, [1, 2], 1)[1]!, [2, 2], [2, 3, 5, 6]],
  ['repeatInterleave', () => ops.repeatInterleave(v, 2, 0), [6], [4, 4, 1, 1, 9, 9]],
  ['indexSelect', () => ops.indexSelect(x, 1, ids(2, 0)), [2, 2], [3, 1, 6, 4]],
  ['gather', () => ops.gather(x, 1, ops.view(ids(2, 0), [2, 1])), [2, 1], [3, 4]],
  ['scatter', () => ops.scatter(x, 1, ops.view(ids(2, 0), [2, 1]), tensor([8, 9], [2, 1])), [2, 3], [1, 2, 8, 9, 5, 6]],
  ['embedding', () => ops.embedding(x, ids(1, 1, 0)), [3, 3], [4, 5, 6, 4, 5, 6, 1, 2, 3]],
  ['where', () => ops.where(ops.greater(x, 3), x, y), [2, 3], [6, 5, 4, 4, 5, 6]],
  ['maskedFill', () => ops.maskedFill(v, ops.greater(v, 3), -Infinity), [3], [-Infinity, 1, -Infinity]],
  ['add', () => ops.add(x, y), [2, 3], [7, 7, 7, 7, 7, 7]],
  ['add with alpha', () => ops.add(v, v, -0.5), [3], [2, 0.5, 4.5]],
  ['addScalar', () => ops.addScalar(v, 0.5), [3], [4.5, 1.5, 9.5]],
  ['sub', () => ops.sub(x, y), [2, 3], [-5, -3, -1, 1, 3, 5]],
  ['mul', () => ops.mul(x, v), [2, 3], [4, 2, 27, 16, 5, 54]],
  ['mulScalar', () => ops.mulScalar(v, -2), [3], [-8, -2, -18]],
  ['div', () => ops.div(v, tensor([2])), [3], [2, 0.5, 4.5]],
  ['divScalar', () => ops.divScalar(v, 2), [3], [2, 0.5, 4.5]],
  ['neg', () => ops.neg(v), [3], [-4, -1, -9]],
  ['exp', () => ops.exp(tensor([0, 1])), [2], [1, exp(1)]],
  ['log', () => ops.log(v), [3], [log(4), 0, log(9)]],
  ['square', () => ops.square(v), [3], [16, 1, 81]],
  ['rsqrt', () => ops.rsqrt(v), [3], [1 / 2, 1, 1 / 3]],
  ['cos', () => ops.cos(v), [3], [cos(4), cos(1), cos(9)]],
  ['sin', () => ops.sin(v), [3], [sin(4), sin(1), sin(9)]],
  ['silu', () => ops.silu(tensor([-1, 2])), [2], [-1 / (1 + exp(1)), 2 / (1 + exp(-2))]],
  ['minimum', () => ops.minimum(x, y), [2, 3], [1, 2, 3, 3, 2, 1]],
  ['maximum', () => ops.maximum(x, y), [2, 3], [6, 5, 4, 4, 5, 6]],
  ['clamp', () => ops.clamp(v, 2, 5), [3], [4, 2, 5]],
  ['clamp from above', () => ops.clamp(v, null, 5), [3], [4, 1, 5]],
  ['greater', () => ops.greater(v, 4), [3], [0, 0, 1], 'bool'],
  ['less', () => ops.less(v, 4), [3], [0, 1, 0], 'bool'],
  ['notEqual', () => ops.notEqual(v, 4), [3], [0, 1, 1], 'bool'],
  ['greaterEqual', () => ops.greaterEqual(v, tensor([4])), [3], [1, 0, 1], 'bool'],
  ['lessTensor', () => ops.lessTensor(v, tensor([4])), [3], [0, 1, 0], 'bool'],
  ['logicalAnd', () => ops.logicalAnd(tensor([true, true, false]), tensor([true, false, false])), [3], [1, 0, 0], 'bool'],
  ['logicalOr', () => ops.logicalOr(tensor([true, true, false]), tensor([true, false, false])), [3], [1, 1, 0], 'bool'],
  ['logicalNot', () => ops.logicalNot(tensor([true, false])), [2], [0, 1], 'bool'],
  ['sum', () => ops.sum(x), [], [21]],
  ['sumOver', () => ops.sumOver(x, [1], true), [2, 1], [6, 15]],
  ['mean', () => ops.mean(x, [0]), [3], [2.5, 3.5, 4.5]],
  ['amax', () => ops.amax(x, [1]), [2], [3, 6]],
  ['argmax', () => ops.argmax(y, 1), [2], [0, 0], 'int64'],
  ['logsumexp', () => ops.logsumexp(tensor([0, 0, -Infinity]), [0]), [], [log(2)]],
  ['softmax', () => ops.softmax(tensor([0, log(3)]), 0), [2], [0.25, 0.75]],
  ['logSoftmax', () => ops.logSoftmax(tensor([0, log(3)]), 0), [2], [log(0.25), log(0.75)]],
  ['cumsum', () => ops.cumsum(x, 1), [2, 3], [1, 3, 6, 4, 9, 15]],
  ['norm', () => ops.norm(x), [], [sqrt(91)]],
  ['sort values', () => ops.sort(v, 0, true)[0], [3], [9, 4, 1]],
  ['sort indices', () => ops.sort(v, 0, true)[1], [3], [2, 0, 1], 'int64'],
  // The first entry above the value: an equal one is passed over.
  ['searchsorted', () => ops.searchsorted(tensor([0.25, 0.5, 1]), tensor([0, 0.25, 0.3, 1])), [4], [0, 1, 1, 3], 'int64'],
  ['matmul', () => ops.matmul(x, ops.transpose(y, 0, 1)), [2, 2], [28, 10, 73, 28]],
  ['bmm', () => ops.bmm(ops.unsqueeze(x, 0), ops.view(v, [1, 3, 1])), [1, 2, 1], [33, 75]],
  ['linear', () => ops.linear(v, x, tensor([100, 200])), [2], [133, 275]],
  ['linear without bias', () => ops.linear(v, x), [2], [33, 75]],
  ['add_', () => ops.add_(copy(), y), [2, 3], [7, 7, 7, 7, 7, 7]],
  ['mulScalar_', () => ops.mulScalar_(ops.clone(v), 2), [3], [8, 2, 18]],
  ['mul_', () => ops.mul_(ops.clone(v), v), [3], [16, 1, 81]],
  ['sub_', () => ops.sub_(ops.clone(v), v), [3], [0, 0, 0]],
  ['divScalar_', () => ops.divScalar_(ops.clone(v), 2), [3], [2, 0.5, 4.5]],
  ['exp_', () => ops.exp_(tensor([0, 1])), [2], [1, exp(1)]],
  ['copy_', () => ops.copy_(ids(1, 2, 3), v), [3], [4, 1, 9], 'int64'],
  ['zero_', () => ops.zero_(ops.clone(v)), [3], [0, 0, 0]],
  ['maskedFill_', () => ops.maskedFill_(ops.clone(v), ops.greater(v, 3), 0), [3], [0, 1, 0]],
  ['indexAdd_', () => ops.indexAdd_(copy(), 0, ids(1, 1), y), [2, 3], [1, 2, 3, 13, 12, 11]],
  ['scatterAdd_', () => ops.scatterAdd_(copy(), 1, ops.view(ids(0, 2), [2, 1]), tensor([10, 20], [2, 1])), [2, 3], [11, 2, 3, 4, 5, 26]],
  ['addmm_', () => ops.addmm_(tensor([1, 1, 1, 1], [2, 2]), x, ops.transpose(y, 0, 1)), [2, 2], [29, 11, 74, 29]],
];

for (const [call, result, shape, elements, dtype = 'float32'] of cases) {
  test(`${call}: hand-computed`, () => {
    const got = result();
    assert.deepEqual([got.shape, got.dtype], [shape, dtype]);
    const values = Array.from(got.toArray(), Number);
    assert.equal(values.length, elements.length);
    values.forEach((value, i) => {
      const wanted = elements[i]!;
      assert.ok(value === wanted || Math.abs(value - wanted) <= 2e-7 * Math.max(1, Math.abs(wanted)), `element ${i}: ${value}, not ${wanted}`);
    });
  });
}

test('empty has a shape and a dtype, and contents of no meaning', () => {
  const made = ops.empty([2, 3], 'float16');
  assert.deepEqual([made.shape, made.dtype, made.device], [[2, 3], 'float16', 'cpu']);
});

test('contiguous and detach share memory; clone does not', () => {
  const source = tensor([1, 2]);
  const [same, cut, own] = [ops.contiguous(source), ops.detach(source), ops.clone(source)];
  ops.zero_(source);
  assert.deepEqual([same, cut, own].map((t) => Array.from(t.toArray(), Number)), [[0, 0], [0, 0], [1, 2]]);
});

function near(got: Tensor, wanted: number[]): void {
  const values = Array.from(got.toArray(), Number);
  assert.equal(values.length, wanted.length);
  wanted.forEach((number, i) => assert.ok(Math.abs(values[i]! - number) < 1e-5, `${values.join(', ')}`));
}

test('attention: softmax(q·kᵀ·scale + mask)·v, and causal', () => {
  const query = tensor([1, 0, 0, 1], [1, 1, 2, 2]);
  const key = tensor([1, 0, 0, 1], [1, 1, 2, 2]);
  const value = tensor([1, 10], [1, 1, 2, 1]);
  // Scores are log 3 on the diagonal and 0 beside it: weights 3/4 and 1/4.
  const scale = log(3);
  near(ops.scaledDotProductAttention(query, key, value, { scale }), [3.25, 7.75]);
  near(ops.scaledDotProductAttention(query, key, value, { scale, causal: true }), [1, 7.75]);
  const mask = tensor([true, true, true, false], [2, 2]);
  near(ops.scaledDotProductAttention(query, key, value, { scale, mask }), [3.25, 1]);
});

test('a weight in panels gives what the plain linear gives, whatever the number of rows, inputs and outputs', () => {
  const waves = (rows: number, columns: number, step: number) => tensor(Float32Array.from({ length: rows * columns }, (_, i) => ((i * step) % 101) / 101 - 0.5), [rows, columns]);
  for (const [rows, inputs, outputs] of [[1, 1, 1], [4, 64, 96], [16, 769, 33], [29, 1000, 70], [40, 576, 64]] as const) {
    const [input, weight, bias] = [waves(rows, inputs, 53), waves(outputs, inputs, 37), tensor(Float32Array.from({ length: outputs }, (_, i) => i / 96))];
    const panels = ops.packPanels(weight);
    for (const offset of [null, bias]) {
      const got = ops.panelProduct(input, panels, outputs, offset);
      assert.deepEqual(got.shape, [rows, outputs]);
      const worst = ops.sub(got, ops.linear(input, weight, offset)).toArray() as Float32Array;
      assert.ok(worst.every((error) => Math.abs(error) < 3e-5), `${rows} × ${inputs} × ${outputs}`);
    }
    // A row does not depend on how many others there are, but for the order in which a narrow tile adds up.
    const alone = ops.sub(ops.panelProduct(ops.narrow(input, 0, rows - 1, 1), panels, outputs, null), ops.narrow(ops.panelProduct(input, panels, outputs, null), 0, rows - 1, 1)).toArray() as Float32Array;
    assert.ok(alone.every((error) => Math.abs(error) < 3e-5));
  }
  assert.throws(() => ops.panelProduct(waves(2, 64, 3), ops.packPanels(waves(96, 64, 3)), 97, null), /as many outputs as the panels hold/);
  assert.throws(() => ops.panelProduct(waves(2, 63, 3), ops.packPanels(waves(96, 64, 3)), 96, null), /x \[n, in\] and panels/);
});

test('a packed weight gives what the plain linear gives', () => {
  const weight = tensor(Float32Array.from({ length: 96 * 64 }, (_, i) => ((i * 37) % 101) / 101 - 0.5), [96, 64]);
  const input = tensor(Float32Array.from({ length: 4 * 64 }, (_, i) => ((i * 53) % 97) / 97 - 0.5), [4, 64]);
  const bias = tensor(Float32Array.from({ length: 96 }, (_, i) => i / 96));
  const packed = ops.packLinearWeight(weight, 4);
  for (const offset of [null, bias]) {
    const got = ops.packedLinear(input, packed, offset);
    assert.deepEqual(got.shape, [4, 96]);
    const worst = ops.sub(got, ops.linear(input, weight, offset)).toArray() as Float32Array;
    assert.ok(worst.every((error) => Math.abs(error) < 1e-5));
  }
});
