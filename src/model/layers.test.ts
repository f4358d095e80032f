import assert from 'node:assert/strict';
import { test } from 'node:test';
import { scope } from '../tensor/scope.ts';
import { tensor } from '../tensor/tensor.ts';
import { rmsNorm } from './layers.ts';

function close(got: ArrayLike<number | bigint>, wanted: readonly number[], tolerance = 1e-6): void {
  assert.equal(got.length, wanted.length);
  wanted.forEach((value, i) => assert.ok(Math.abs(Number(got[i]) - value) < tolerance, `at ${i}: ${got[i]} is not ${value}`));
}

test('rmsNorm by hand: [3, 4] has the mean square 12.5', () => {
  scope(() => {
    const root = Math.sqrt(12.5 + 0.5);
    close(rmsNorm(tensor([3, 4, 0, 0], [2, 2]), tensor([2, -1]), 0.5).toArray(), [(2 * 3) / root, -4 / root, 0, 0]);
  });
});

test('rmsNorm of half precision squares in float32: 300² is beyond float16', () => {
  scope(() => {
    const normed = rmsNorm(tensor([300, 300], [1, 2], 'float16'), tensor([1, 1], [2], 'float16'), 1e-5);
    assert.equal(normed.dtype, 'float16');
    close(normed.toArray(), [1, 1]);
  });
});

test('the styles of a norm by hand, in half precision: where the weight is rounded shows', () => {
  scope(() => {
    const x = tensor([3, 4], [1, 2]);
    const root = Math.sqrt(12.5);
    close(rmsNorm(x, tensor([2, -1]), 0, 'wide').toArray(), [6 / root, -4 / root]);
    close(rmsNorm(x, tensor([2, -1]), 0, 'offset').toArray(), [9 / root, 0]);
    // 1 + 2⁻⁹ is no bfloat16: in half precision the offset would be lost.
    const tiny = rmsNorm(tensor([1, 1], [1, 2], 'bfloat16'), tensor([0.5 ** 9, 0.5 ** 7], [2], 'bfloat16'), 0, 'offset');
    assert.equal(tiny.dtype, 'bfloat16');
    close(tiny.toArray(), [1, 1 + 0.5 ** 7]);
    // x̂ = 4/√12.5 = 1.1314 is 1.1328 in bfloat16: three times that is 3.3984, halfway between two bfloat16s, and goes up; 3·1.1314 goes down.
    const half = (style: 'plain' | 'wide') => rmsNorm(tensor([3, 4], [1, 2], 'bfloat16'), tensor([1, 3], [2], 'bfloat16'), 0, style).toArray()[1];
    assert.equal(half('plain'), 3.40625);
    assert.equal(half('wide'), 3.390625);
  });
});
