/** Numbers of TRL 1.16.0 in float64 on one hand-made batch: loss to 1e-6, gradients to 1e-5. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { tensor } from '../../tensor/tensor.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import { grpoLoss } from './index.ts';
import type { LossBatch, LossOptions } from './index.ts';

const matrix = (values: number[]): Tensor => tensor(values, [2, 3], 'float64');

function batch(): LossBatch & { entropy: Tensor } {
  return {
    logprobs: matrix([-0.5, -1, -2, -0.7, -0.2, -9]).requiresGrad_(),
    oldLogprobs: matrix([-0.9, -0.8, -2.5, -0.5, -0.6, -9]),
    refLogprobs: matrix([-0.6, -1.2, -1.5, -0.7, -0.5, -9]),
    entropy: matrix([0.5, 1.5, 0.9, 0.2, 2, 3]),
    advantages: tensor([1, -0.5], [2], 'float64'),
    mask: tensor([1, 1, 1, 1, 1, 0], [2, 3]),
    normaliser: { rows: 2, tokens: 5 },
  };
}

interface Golden {
  loss: number;
  gradient?: number[];
  /** Replaces parts of the batch. */
  batch?: Partial<LossBatch>;
}

const dapo = [0, -0.16375, 0, 0.08187, 0.14918, 0];

const rows: [name: string, options: LossOptions, golden: Golden][] = [
  ['dapo', { lossType: 'dapo' }, { loss: -0.412691, gradient: dapo }],
  ['bnpo', { lossType: 'bnpo' }, { loss: -0.412691, gradient: dapo }],
  ['grpo token', { lossType: 'grpo' }, { loss: -0.247636, gradient: [0, -0.13646, 0, 0.10234, 0.18648, 0] }],
  ['grpo sequence', { lossType: 'grpo', importanceSampling: 'sequence' }, { loss: -0.323707, gradient: [0, 0, 0, 0.13815, 0.13815, 0] }],
  ['dr_grpo token', { lossType: 'dr_grpo' }, { loss: -0.257932, gradient: [0, -0.10234, 0, 0.05117, 0.09324, 0] }],
  ['dr_grpo sequence', { lossType: 'dr_grpo', importanceSampling: 'sequence' }, { loss: -0.311854, gradient: [0, 0, 0, 0.06907, 0.06907, 0] }],
  ['dapo sequence', { importanceSampling: 'sequence' }, { loss: -0.498966, gradient: [0, 0, 0, 0.11052, 0.11052, 0] }],
  ['cispo token', { lossType: 'cispo' }, { loss: 0.885269, gradient: [-0.29836, -0.16375, -0.32974, 0.08187, 0.14918, 0] }],
  ['cispo sequence', { lossType: 'cispo', importanceSampling: 'sequence' }, { loss: 0.784496, gradient: [-0.25256, -0.25256, -0.25256, 0.11052, 0.11052, 0] }],
  ['sapo token', { lossType: 'sapo' }, { loss: -0.640963, gradient: [-0.23419, -0.13534, -0.24779, 0.10142, 0.17458, 0] }],
  ['sapo sequence', { lossType: 'sapo', importanceSampling: 'sequence' }, { loss: -0.628194, gradient: [-0.20687, -0.20687, -0.20687, 0.13773, 0.13773, 0] }],
  ['luspo token', { lossType: 'luspo' }, { loss: -1.031727, gradient: [0, -0.40937, 0, 0.20468, 0.37296, 0] }],
  ['luspo sequence', { lossType: 'luspo', importanceSampling: 'sequence' }, { loss: -1.247415, gradient: [0, 0, 0, 0.27629, 0.27629, 0] }],
  ['vespo', { lossType: 'vespo' }, { loss: 0.030295, gradient: [-0.03875, -0.03875, -0.03875, 0.11702, 0.11702, 0] }],
  ['gmpo', { lossType: 'gmpo' }, { loss: -0.334409, gradient: [-0.20357, -0.20357, 0, 0.13815, 0.13815, 0] }],
  ['KL corrected', { beta: 0.1 }, { loss: -0.406118, gradient: [0.00298, -0.16047, -0.01649, 0.08187, 0.15813, 0] }],
  ['KL uncorrected', { beta: 0.1, klCorrection: false }, { loss: -0.408428, gradient: [0.0019, -0.16012, -0.01297, 0.08187, 0.15437, 0] }],
  [
    'KL corrected, sequence',
    { lossType: 'grpo', importanceSampling: 'sequence', beta: 0.1 },
    { loss: -0.318953, gradient: [0.00321, 0.00502, -0.01244, 0.13871, 0.14587, 0] },
  ],
  ['delta', { delta: 1.3 }, { loss: -0.431873, gradient: [0, -0.16375, 0, 0.08187, 0, 0] }],
  ['off-policy mask', { offPolicyMaskThreshold: -0.2 }, { loss: -0.643746, gradient: [0, -0.16375, 0, 0, 0, 0] }],
  ['top entropy', { topEntropyQuantile: 0.5 }, { loss: -0.254564, gradient: [0, -0.16375, 0, 0, 0.14918, 0] }],
  ['entropy bonus', { entropyCoef: 0.1 }, { loss: -0.514691, gradient: dapo }],
  [
    // exp(ℓold − ℓsampler) summed over a row: 2 for the first; 9 for the second, which is above the bound.
    'sampler weights 2 and 0',
    { samplerCorrection: { mode: 'sequenceMask', max: 3 } },
    {
      loss: -1.287492,
      gradient: [0, -0.32749, 0, 0, 0, 0],
      batch: { samplerLogprobs: matrix([-0.9 - Math.log(2), -0.8, -2.5, -0.5, -0.6 - Math.log(9), Number.NaN]) },
    },
  ],
  ['half the tokens', {}, { loss: -0.825381, gradient: dapo.map((value) => 2 * value), batch: { normaliser: { rows: 2, tokens: 2.5 } } }],
  [
    'twice the rows',
    { lossType: 'grpo' },
    { loss: -0.123818, gradient: [0, -0.06823, 0, 0.05117, 0.09324, 0], batch: { normaliser: { rows: 4, tokens: 5 } } },
  ],
  [
    'a token of a tool does not count',
    {},
    {
      loss: -0.311181,
      gradient: [0, 0, 0, 0.10234, 0.18648, 0],
      batch: { mask: tensor([1, 0, 1, 1, 1, 0], [2, 3], 'bool'), normaliser: { rows: 2, tokens: 4 } },
    },
  ],
];

for (const [name, options, golden] of rows) {
  test(`golden: ${name}`, () => {
    const inputs = { ...batch(), ...golden.batch };
    const { loss, metrics } = grpoLoss(inputs, { maxCompletionLength: 4, ...options });
    close(loss.item(), golden.loss, 1e-6);
    assert.equal(metrics['loss'], loss.item());
    if (!golden.gradient) return;
    loss.backward();
    const gradient = [...inputs.logprobs.grad!.toArray()].map(Number);
    gradient.forEach((value, i) => close(value, golden.gradient![i]!, 1e-5));
    assert.equal(gradient[5], 0);
  });
}

test('golden: the entropies get −coef/tokens each', () => {
  const inputs = batch();
  inputs.entropy.requiresGrad_();
  grpoLoss(inputs, { entropyCoef: 0.1 }).loss.backward();
  assert.deepEqual([...inputs.entropy.grad!.toArray()].map((value) => Number(value).toFixed(6)), ['-0.020000', '-0.020000', '-0.020000', '-0.020000', '-0.020000', '0.000000']);
});

test('golden: φ of vespo, and the logged kl, which is the uncorrected k3 whatever the loss uses', () => {
  close(grpoLoss(batch(), { lossType: 'vespo' }).metrics['vespo/phi_seq_mean']!, 0.68198, 1e-5);
  for (const klCorrection of [true, false]) {
    for (const importanceSampling of ['token', 'sequence'] as const) {
      close(grpoLoss(batch(), { beta: 0.1, klCorrection, importanceSampling }).metrics['kl']!, 0.04262, 1e-5);
    }
  }
});

function close(actual: number, wanted: number, tolerance: number): void {
  assert.ok(Math.abs(actual - wanted) <= tolerance, `${actual} is not within ${tolerance} of ${wanted}`);
}
