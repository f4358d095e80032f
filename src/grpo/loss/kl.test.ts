import assert from 'node:assert/strict';
import { test } from 'node:test';
import { tensor } from '../../tensor/tensor.ts';
import { grad } from '../../tensor/autograd.ts';
import { sum } from '../../tensor/ops.ts';
import { klEstimators } from './kl.ts';
import type { KlEstimator } from './options.ts';

// x = ℓref − ℓθ = ln 2, 0, −ln 2
const x = [Math.LN2, 0, -Math.LN2];

const wanted: Record<KlEstimator, { values: number[]; slopes: number[] }> = {
  k1: { values: [-Math.LN2, 0, Math.LN2], slopes: [-1, -1, -1] },
  k2: { values: [Math.LN2 ** 2 / 2, 0, Math.LN2 ** 2 / 2], slopes: x },
  k3: { values: [1 - Math.LN2, 0, Math.LN2 - 0.5], slopes: [1, 0, -0.5] },
};

for (const [name, { values, slopes }] of Object.entries(wanted) as [KlEstimator, { values: number[]; slopes: number[] }][]) {
  test(`${name} and its slope`, () => {
    const input = tensor(x, [3], 'float64').requiresGrad_();
    const kl = klEstimators[name](input);
    const [slope] = grad([sum(kl)], [input]);
    values.forEach((value, i) => assert.ok(Math.abs(Number(kl.toArray()[i]) - value) < 1e-12));
    slopes.forEach((value, i) => assert.ok(Math.abs(Number(slope!.toArray()[i]) - value) < 1e-12));
  });
}
