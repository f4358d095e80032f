/** What every named optimizer does. Every tensor of these tests is freed where it was made, because they count the living. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { liveTensors, scope } from '../../tensor/scope.ts';
import { tensor } from '../../tensor/tensor.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import { optimizers } from './make-optimizer.ts';

const numbers = (x: Tensor): number[] => [...x.toArray()].map(Number);
const filled = (shape: readonly number[], value: number): Tensor => tensor(new Float32Array(shape.reduce((a, b) => a * b)).fill(value), shape).requiresGrad_();

/** Of full rank, where every direction of a matrix counts alike. */
const varied = (shape: readonly number[]): Tensor => tensor(Float32Array.from({ length: shape.reduce((a, b) => a * b) }, (_, i) => Math.sin(i * i + 1)), shape).requiresGrad_();
const size = (x: Tensor): number => Math.sqrt(numbers(x).reduce((sum, value) => sum + value * value, 0) / x.length);

const settings = { adamBeta1: 0.9, adamBeta2: 0.99, adamEpsilon: 1e-8, momentum: 0.9, weightDecay: 0 };
const shapes = [[3, 4], [4], [70, 64], [5, 4]];
/** State of these in float32: what it says of itself, worked out. */
const bytes: Record<keyof typeof optimizers, number> = {
  adamw: 8 * 4516,
  // 4480 elements in 17.5 blocks: 18 of 256 bytes and 4 for the scale, twice; 36 elements in full.
  adamw_8bit: 2 * 18 * 260 + 8 * 36,
  sgd: 4 * 4516,
  // Rows, columns and one sum each; of the vector its elements and the sum.
  adafactor: 4 * (3 + 4 + 1 + (4 + 1) + (70 + 64 + 1) + (5 + 4 + 1)),
  lion: 4 * 4516,
  // One number for matrices of layers, two for the embedding (the last) and the vector.
  muon: 4 * (12 + 4480) + 8 * (4 + 20),
};

for (const [name, { make, remembers }] of Object.entries(optimizers)) {
  test(`${name}: the loss falls, the memory is made once and freed, gradients may be missing`, async () => {
    const tensors = shapes.map(varied);
    const sizes = tensors.map(size);
    const before = liveTensors();
    const optimizer = make({ hidden: tensors.slice(0, 3), vocabulary: tensors.slice(3) }, settings);
    const alive = liveTensors();
    assert.equal(optimizer.stateBytes, bytes[name as keyof typeof optimizers]);
    assert.equal(4 * remembers({ hidden: shapes.slice(0, 3), vocabulary: shapes.slice(3) }, settings), bytes[name as keyof typeof optimizers]);
    await optimizer.step(1);
    for (let i = 0; i < 40; i++) {
      // The gradient of Σ x²/2; the second has none.
      scope(() => tensors.forEach((parameter, p) => (parameter.grad = p === 1 ? null : tensor(Float32Array.from(numbers(parameter)), parameter.shape))));
      await optimizer.step(0.02);
      optimizer.zeroGrad();
      assert.ok(tensors.every(({ grad }) => grad === null));
    }
    assert.equal(liveTensors(), alive);
    tensors.forEach((parameter, p) => {
      const share = size(parameter) / sizes[p]!;
      assert.ok(p === 1 ? share === 1 : share < 0.9, `${shapes[p]}: ${share}`);
    });
    optimizer.dispose();
    assert.equal(liveTensors(), before);
    for (const parameter of tensors) parameter.dispose();
  });

  test(`${name}: matrices decay, vectors do not`, async () => {
    const tensors = [filled([64, 70], 2), filled([3], 2)];
    scope(() => tensors.forEach((parameter) => (parameter.grad = tensor(new Float32Array(parameter.length), parameter.shape))));
    const optimizer = make({ hidden: tensors, vocabulary: [] }, { ...settings, momentum: 0, weightDecay: 0.5 });
    await optimizer.step(0.25);
    assert.deepEqual(tensors.map((parameter) => [...new Set(numbers(parameter))]), [[2 * (1 - 0.25 * 0.5)], [2]]);
    for (const disposable of [optimizer, ...tensors]) disposable.dispose();
  });
}

test('sgd without momentum remembers nothing', () => {
  assert.equal(optimizers.sgd.remembers({ hidden: shapes, vocabulary: [] }, { ...settings, momentum: 0 }), 0);
});
