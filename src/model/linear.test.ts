import assert from 'node:assert/strict';
import { test } from 'node:test';
import { scope } from '../tensor/scope.ts';
import { tensor } from '../tensor/tensor.ts';
import { multiply } from './linear.ts';

for (const dtype of ['bfloat16', 'float16'] as const) {
  test(`an adapter in float32 over a weight in ${dtype} computes in float32, and only the sum is rounded`, () => {
    scope(() => {
      // In 16 bits A would be 1 and the sum 0.
      const adapter = { a: tensor([1 + 2 ** -12], [1, 1]), b: tensor([2048], [1, 1]), scale: 2, index: 0, magnitude: null };
      const y = multiply(tensor([1], [1, 1], dtype), { weight: tensor([-4096], [1, 1], dtype), bias: null, adapter });
      assert.deepEqual([y.dtype, y.item()], [dtype, 1]);
      const long = multiply(tensor([1], [1, 1], dtype), { weight: tensor([-4096], [1, 1], dtype), bias: tensor([2], [1], dtype), adapter: { ...adapter, magnitude: tensor([3]) } });
      // DoRA gives the row, whose sum is 1, the length 3.
      assert.deepEqual([long.dtype, long.item()], [dtype, 5]);
    });
  });
}
