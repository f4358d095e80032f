import assert from 'node:assert/strict';
import { test } from 'node:test';
import { scope } from '../tensor/scope.ts';
import { tensor } from '../tensor/tensor.ts';
import { rotaryFrequencies, rotaryTables, rotate } from './rope.ts';

function close(got: ArrayLike<number | bigint>, wanted: readonly number[], tolerance = 1e-6): void {
  assert.equal(got.length, wanted.length);
  wanted.forEach((value, i) => assert.ok(Math.abs(Number(got[i]) - value) < tolerance, `at ${i}: ${got[i]} is not ${value}`));
}

test('rotary tables: position × θ^(−2i/d)', () => {
  scope(() => {
    const { cos, sin } = rotaryTables(3, { theta: 100, width: 4, scaling: null }, 'float32');
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
    const { cos, sin } = rotaryTables(8, { theta: 10, width: 4, scaling: null }, 'float64');
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

test('what is beyond the rotated width passes as it is', () => {
  scope(() => {
    const rotary = { cos: tensor([0], [1, 1, 1]), sin: tensor([1], [1, 1, 1]) };
    close(rotate(tensor([1, 2, 3, 4], [1, 1, 4]), rotary).toArray(), [-2, 1, 3, 4]);
  });
});

const plain = { theta: 10_000, width: 4 }; // frequencies 1 and 0.01

test('linear scaling divides the frequencies', () => {
  close(rotaryFrequencies({ ...plain, scaling: { type: 'linear', factor: 4 } }), [0.25, 0.0025], 1e-12);
});

test('llama3 scaling by hand: 2π·50 tokens are 50 turns of the first pair, half a turn of the second', () => {
  const context = 2 * Math.PI * 50;
  const scaled = (lowFactor: number, highFactor: number) => rotaryFrequencies({ ...plain, scaling: { type: 'llama3', factor: 8, lowFactor, highFactor, context } });
  close(scaled(1, 4), [1, 0.01 / 8], 1e-12);
  close(scaled(0.1, 0.4), [1, 0.01], 1e-12);
  // Half a turn lies a quarter of the way from 0.25 to 1.25.
  close(scaled(0.25, 1.25), [1, 0.25 * 0.01 + (0.75 * 0.01) / 8], 1e-12);
});

test('yarn by hand, without rounding of the pair numbers', () => {
  // A pair i of width 4 turns context/(2π·100^i) times: 10⁴/100^i here, so 10⁴ turns are pair 0 and 10³ turns pair ½.
  const yarn = { type: 'yarn', factor: 4, magnitude: 1, betaFast: 10_000, betaSlow: 10, context: 2 * Math.PI * 10_000 } as const;
  // Up to pair 1½, the second pair is two thirds stretched.
  close(rotaryFrequencies({ ...plain, scaling: { ...yarn, truncate: false } }), [1, ((2 / 3) * 0.01) / 4 + 0.01 / 3], 1e-9);
  // Up to pair 2, one half.
  close(rotaryFrequencies({ ...plain, scaling: { ...yarn, truncate: true } }), [1, (0.5 * 0.01) / 4 + 0.5 * 0.01], 1e-9);
});

test('the magnitude of yarn multiplies both tables', () => {
  scope(() => {
    const scaling = { type: 'yarn', factor: 1, magnitude: 3, betaFast: 32, betaSlow: 1, truncate: true, context: 64 } as const;
    const { cos, sin } = rotaryTables(2, { ...plain, scaling }, 'float32');
    close(cos.toArray(), [3, 3, 3 * Math.cos(1), 3 * Math.cos(0.01)]);
    close(sin.toArray(), [0, 0, 3 * Math.sin(1), 3 * Math.sin(0.01)]);
  });
});

test('wide tables turn half precision in float32', () => {
  scope(() => {
    const tables = rotaryTables(2, { theta: 100, width: 2, scaling: null, wide: true }, 'bfloat16');
    assert.equal(tables.cos.dtype, 'float32');
    const x = tensor([3, 5, 3, 5], [2, 1, 2], 'bfloat16');
    const turned = rotate(x, tables);
    assert.equal(turned.dtype, 'bfloat16');
    // 3·cos 1 − 5·sin 1 = −2.58645 and 5·cos 1 + 3·sin 1 = 5.22592, each rounded once; rounding on the way gives others.
    close([...turned.toArray()].slice(2).map(Number), [-2.59375, 5.21875]);
    const narrow = rotate(x, rotaryTables(2, { theta: 100, width: 2, scaling: null }, 'bfloat16'));
    close([...narrow.toArray()].slice(2).map(Number), [-2.5625, 5.1875]);
  });
});
