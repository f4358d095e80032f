import assert from 'node:assert/strict';
import { test } from 'node:test';
import { tensor } from '../../tensor/tensor.ts';
import { samplerDifference, samplerRatio } from './sampler-correction.ts';
import type { SamplerCorrectionMode } from './options.ts';

const oldLogprobs = tensor([-0.5, -1, -1.3, -1.9], [2, 2], 'float64');
const samplerLogprobs = tensor([-1, -2, -1, Number.NaN], [2, 2], 'float64');

test('a token the sampler has no log-probability for has the difference 0 and is known as such', () => {
  const { difference, unknown } = samplerDifference(oldLogprobs, samplerLogprobs);
  [0.5, 1, -0.3, 0].forEach((wanted, i) => assert.ok(Math.abs(Number(difference.toArray()[i]) - wanted) < 1e-12));
  assert.deepEqual([...unknown.toArray()], [0, 0, 0, 1]);
});

// TRL 1.16.0 with the bounds 0.8 and 3; e^1.5 is above, e^−0.3 below.
const wanted: Record<SamplerCorrectionMode, number[]> = {
  tokenTruncate: [1.64872, Math.E, 0.8, 1],
  tokenMask: [1.64872, Math.E, 0, 1],
  sequenceTruncate: [3, 0.8],
  sequenceMask: [0, 0],
};

for (const [mode, values] of Object.entries(wanted) as [SamplerCorrectionMode, number[]][]) {
  test(`${mode} as TRL`, () => {
    const ratio = samplerRatio(samplerDifference(oldLogprobs, samplerLogprobs).difference, { mode, min: 0.8, max: 3 });
    assert.deepEqual(ratio.shape, mode.startsWith('token') ? [2, 2] : [2, 1]);
    const got = [...ratio.toArray()].map(Number);
    values.forEach((value, i) => assert.ok(Math.abs(got[i]! - value) < 1e-5, `${got}`));
  });

  test(`${mode} without bounds changes nothing`, () => {
    const got = [...samplerRatio(samplerDifference(oldLogprobs, samplerLogprobs).difference, { mode, min: null, max: null }).toArray()].map(Number);
    const free = mode.startsWith('token') ? [0.5, 1, -0.3, 0] : [1.5, -0.3];
    free.forEach((value, i) => assert.ok(Math.abs(got[i]! - Math.exp(value)) < 1e-12));
  });
}
