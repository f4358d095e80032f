import assert from 'node:assert/strict';
import { test } from 'node:test';
import { scope } from '../tensor/scope.ts';
import { tensor } from '../tensor/tensor.ts';
import { attend } from './attention.ts';

for (const [dtype, bits] of [['bfloat16', 8], ['float16', 11]] as const) {
  test(`${dtype}: plain attention scales and takes its softmax in float32`, () => {
    scope(() => {
      // Products that every dtype holds, and a scale that moves them between its numbers.
      const keys = [20, 19, 17, 12];
      const [q, k] = [tensor([1], [1, 1, 1, 1], dtype), tensor(keys, [1, 1, 4, 1], dtype)];
      const v = tensor([1, 0, 0, 0], [1, 1, 4, 1], dtype);
      const weights = keys.map((key) => Math.exp(0.77 * key));
      const wanted = weights[0]! / weights.reduce((sum, weight) => sum + weight, 0);
      const found = attend(q, k, v, { kernel: 'eager', scale: 0.77, cap: null, window: null }, {});
      assert.equal(found.dtype, dtype);
      // One rounding, that of the weight.
      assert.ok(Math.abs(found.item() / wanted - 1) <= 2 ** -bits, `${found.item()}, not ${wanted}`);
    });
  });
}
