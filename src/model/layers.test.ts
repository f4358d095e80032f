import assert from 'node:assert/strict';
import { test } from 'node:test';
import { scope } from '../tensor/scope.ts';
import { tensor } from '../tensor/tensor.ts';
import { rmsNorm, rotaryTables, rotate } from './layers.ts';

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

test('rotary tables: position × θ^(−2i/d)', () => {
  scope(() => {
    const { cos, sin } = rotaryTables(3, 4, 100, 'float32');
    assert.deepEqual(cos.shape, [3, 1, 2]);
    close(cos.toArray(), [1, 1, Math.cos(1), Math.cos(0.1), Math.cos(2), Math.cos(0.2)]);
    close(sin.toArray(), [0, 0, Math.sin(1), Math.sin(0.1), Math.sin(2), Math.sin(0.2)]);
  });
});

test('rotate turns the pairs (x₀, x₂) and (x₁, x₃), each head alike', () => {
  scope(() => {
    // A quarter turn of the first pair, none of the second.
    const rotary = { cos: tensor([0, 1], [1, 1, 2]), sin: tensor([1, 0], [1, 1, 2]) };
    close(rotate(tensor([1, 2, 3, 4, 5, 6, 7, 8], [1, 2, 4]), rotary).toArray(), [-3, 2, 1, 4, -7, 6, 5, 8]);
  });
});

test('the product of a rotated query and key depends on their distance alone', () => {
  scope(() => {
    const { cos, sin } = rotaryTables(8, 4, 10, 'float64');
    const row = (x: typeof cos, position: number) => tensor([...x.toArray()].slice(2 * position, 2 * position + 2).map(Number), [1, 1, 2], 'float64');
    const at = (values: number[], position: number) =>
      [...rotate(tensor(values, [1, 1, 4], 'float64'), { cos: row(cos, position), sin: row(sin, position) }).toArray()].map(Number);
    const product = (m: number, n: number) => {
      const [q, k] = [at([1, 2, -1, 0.5], m), at([0.3, -1, 2, 1], n)];
      return q.reduce((sum, x, i) => sum + x * k[i]!, 0);
    };
    // The tables are float32 in any case.
    close([product(5, 2), product(7, 4)], [product(3, 0), product(3, 0)], 1e-5);
    assert.ok(Math.abs(product(5, 2) - product(5, 4)) > 0.1);
  });
});
