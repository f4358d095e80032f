import assert from 'node:assert/strict';
import { test } from 'node:test';
import { InputError } from '../../errors.ts';
import { liveTensors, scope } from '../../tensor/scope.ts';
import { tensor } from '../../tensor/tensor.ts';
import type { DType, Tensor } from '../../tensor/tensor.ts';
import { narrow } from '../../tensor/ops.ts';
import { grpoLoss, lossTypes, mergeSums, metricsOf } from './index.ts';
import type { LossBatch, LossOptions } from './index.ts';

const f64 = (values: number[], shape: number[]): Tensor => tensor(values, shape, 'float64');
const nan = Number.NaN;

/** Four rows of three tokens; the third row counts nothing. */
const figures = {
  logprobs: [-0.5, -1, -2, -0.7, -0.2, -9, -1, -1, -1, -0.3, -2.5, -0.1],
  oldLogprobs: [-0.9, -0.8, -2.5, -0.5, -0.6, -9, -2, -3, -4, -0.2, -1.5, -0.4],
  refLogprobs: [-0.6, -1.2, -1.5, -0.7, -0.5, -9, 0, 0, 0, -0.5, -2, -0.2],
  samplerLogprobs: [-0.8, -0.9, -2.4, -0.5, nan, -9, 0, 0, 0, -0.3, -1.4, -0.5],
  entropy: [0.5, 1.5, 0.9, 0.2, 2, 3, 7, 7, 7, 1, 0.1, 0.6],
  mask: [1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 1, 1],
  advantages: [1, -0.5, 2, -1.5],
};

const normaliser = { rows: 4, tokens: 7, entropyTokens: 4, microBatches: 1 };
const entropyThreshold = 0.9;

function batch(): LossBatch {
  const { advantages, ...matrices } = figures;
  const tensors = Object.fromEntries(Object.entries(matrices).map(([name, values]) => [name, f64(values, [4, 3])])) as unknown as LossBatch;
  tensors.logprobs.requiresGrad_();
  return { ...tensors, advantages: f64(advantages, [4]), normaliser, entropyThreshold };
}

/** Every option at once, so that a leak or a lost part shows wherever it is. */
const everything: LossOptions = {
  beta: 0.1,
  entropyCoef: 0.05,
  topEntropyQuantile: 0.5,
  offPolicyMaskThreshold: 0.3,
  maxCompletionLength: 4,
  samplerCorrection: { mode: 'tokenTruncate', max: 3, min: 0.5 },
};

const pairs = lossTypes.flatMap((lossType) => (['token', 'sequence'] as const).map((importanceSampling) => ({ lossType, importanceSampling })));

const numbers = (x: Tensor): number[] => [...x.toArray()].map(Number);

test('on-policy: the ratio is exactly 1, the loss exactly the aggregate of −Â, the KL 0', () => {
  // Σ −Â·|oᵢ| = −3 + 1 + 3 = 1; row means −1 + 0.5 + 1.5 = 1.
  const wanted = { grpo: 1 / 4, dapo: 1 / 7, bnpo: 1 / 7, dr_grpo: 1 / 16, luspo: 1 / 4, gmpo: 1 / 4 };
  for (const [lossType, value] of Object.entries(wanted) as [keyof typeof wanted, number][]) {
    for (const importanceSampling of ['token', 'sequence'] as const) {
      const inputs = batch();
      const { loss, metrics } = grpoLoss({ ...inputs, oldLogprobs: null, refLogprobs: inputs.logprobs }, { lossType, importanceSampling, beta: 0.1, maxCompletionLength: 4 });
      assert.equal(loss.item(), value, `${lossType} ${importanceSampling}`);
      assert.equal(metrics['policy_loss'], value);
      assert.equal(metrics['kl'], 0);
      assert.equal(metrics['clip_ratio/region_mean'], 0);
    }
  }
});

test('on-policy: each counted token of dapo gets the gradient −Â/n', () => {
  const inputs = batch();
  grpoLoss({ ...inputs, oldLogprobs: null }).loss.backward();
  assert.deepEqual(numbers(inputs.logprobs.grad!), [-1, -1, -1, 0.5, 0.5, 0, 0, 0, 0, 0, 1.5, 1.5].map((value) => value / 7));
});

for (const pair of pairs) {
  test(`what stands in masked positions changes nothing: ${pair.lossType}, ${pair.importanceSampling}`, () => {
    const options = { ...everything, ...pair };
    const plain = batch();
    const wanted = grpoLoss(plain, options);
    wanted.loss.backward();
    for (const junk of [nan, Infinity, -Infinity, -1e30]) {
      const dirty = Object.fromEntries(
        Object.entries(figures).map(([name, values]) => [name, name === 'advantages' || name === 'mask' ? f64(values, name === 'mask' ? [4, 3] : [4]) : f64(soiled(values, junk), [4, 3])]),
      ) as unknown as LossBatch;
      dirty.logprobs.requiresGrad_();
      const got = grpoLoss({ ...dirty, advantages: f64([1, -0.5, junk, -1.5], [4]), normaliser, entropyThreshold }, options);
      got.loss.backward();
      assert.equal(got.loss.item(), wanted.loss.item());
      assert.deepEqual(numbers(dirty.logprobs.grad!), numbers(plain.logprobs.grad!));
      assert.deepEqual(got.metrics, wanted.metrics);
    }
    figures.mask.forEach((counts, i) => counts || assert.equal(numbers(plain.logprobs.grad!)[i], 0));
  });

}

for (const pair of pairs.filter(({ lossType }) => lossType !== 'bnpo')) {
  test(`losses, gradients and sums of the rows add up to those of the update: ${pair.lossType}, ${pair.importanceSampling}`, () => {
    const options = { ...everything, ...pair };
    const whole = batch();
    const wanted = grpoLoss(whole, options);
    wanted.loss.backward();
    const parts = batch();
    const results = [[0, 1], [1, 2], [3, 1]].map(([start, length]) => {
      const part = Object.fromEntries(Object.entries(parts).map(([name, value]) => [name, name === 'normaliser' || name === 'entropyThreshold' ? value : narrow(value as Tensor, 0, start!, length!)]));
      const result = grpoLoss(part as unknown as LossBatch, options);
      result.loss.backward();
      return result;
    });
    near(results.reduce((total, { loss }) => total + loss.item(), 0), wanted.loss.item());
    const gradient = numbers(parts.logprobs.grad!);
    numbers(whole.logprobs.grad!).forEach((value, i) => near(gradient[i]!, value));
    const merged = metricsOf(results.map(({ sums }) => sums).reduce(mergeSums));
    assert.deepEqual(Object.keys(merged).sort(), Object.keys(wanted.metrics).sort());
    for (const [name, value] of Object.entries(wanted.metrics)) near(merged[name]!, value, name);
  });
}

test('bnpo is the token mean of each part, divided by the number of parts', () => {
  const { loss } = grpoLoss({ ...batch(), oldLogprobs: null, normaliser: { ...normaliser, microBatches: 3 } }, { lossType: 'bnpo' });
  assert.equal(loss.item(), 1 / 7 / 3);
});

test('a mask of any dtype counts where it is not 0', () => {
  const wanted = grpoLoss(batch()).loss.item();
  for (const dtype of ['float64', 'float32', 'bfloat16', 'float16', 'int64', 'int32', 'uint8', 'bool'] as DType[]) {
    assert.equal(grpoLoss({ ...batch(), mask: tensor(figures.mask, [4, 3], dtype) }).loss.item(), wanted, dtype);
  }
  assert.equal(grpoLoss({ ...batch(), mask: f64(figures.mask.map((value) => value * -0.3), [4, 3]) }).loss.item(), wanted);
});

test('a batch that counts nothing has the loss 0, the gradient 0 and figures of 0', () => {
  for (const pair of pairs) {
    const inputs = { ...batch(), mask: tensor(figures.mask.map(() => 0), [4, 3]), normaliser: { rows: 0, tokens: 0, entropyTokens: 0 } };
    const { loss, metrics } = grpoLoss(inputs, { ...everything, ...pair });
    loss.backward();
    assert.equal(Math.abs(loss.item()), 0);
    assert.ok(numbers(inputs.logprobs.grad!).every((value) => value === 0));
    assert.ok(Object.values(metrics).every((value) => Math.abs(value) === 0), JSON.stringify(metrics));
  }
});

test('advantages per token: the same value in a row is the same loss, different values weigh their own tokens', () => {
  for (const pair of pairs) {
    const perToken = f64(figures.advantages.flatMap((value) => [value, value, value]), [4, 3]);
    assert.equal(grpoLoss({ ...batch(), advantages: perToken }, { ...everything, ...pair }).loss.item(), grpoLoss(batch(), { ...everything, ...pair }).loss.item());
  }
  const perToken = f64([1, 2, 3, -1, 0, 99, 99, 99, 99, 99, 0.5, 1.5], [4, 3]);
  // −(1 + 2 + 3 − 1 + 0 + 0.5 + 1.5)/7
  assert.equal(grpoLoss({ ...batch(), oldLogprobs: null, advantages: perToken }).loss.item(), -1);
});

test('every floating dtype: half precision is widened, the gradient comes back in its own dtype', () => {
  const wanted = grpoLoss(batch(), everything).loss.item();
  for (const [dtype, lossDtype, tolerance] of [['float32', 'float32', 1e-6], ['bfloat16', 'float32', 0.02], ['float16', 'float32', 0.002]] as const) {
    const logprobs = tensor(figures.logprobs, [4, 3], dtype).requiresGrad_();
    const { loss } = grpoLoss({ ...batch(), logprobs }, everything);
    assert.equal(loss.dtype, lossDtype);
    near(loss.item(), wanted, dtype, tolerance);
    loss.backward();
    assert.equal(logprobs.grad!.dtype, dtype);
  }
});

test('figures are shares of counted tokens, extremes are shares of one row', () => {
  const { metrics } = grpoLoss(batch(), {});
  // ρ: 1.49 0.82 1.65 | 0.82 1.49 | – | 0.37 1.35 with Â 1, −0.5, −1.5: high are two of row 1, low is one of row 4.
  near(metrics['clip_ratio/high_mean']!, 2 / 7);
  near(metrics['clip_ratio/low_mean']!, 1 / 7);
  near(metrics['clip_ratio/region_mean']!, 3 / 7);
  near(metrics['clip_ratio/high_max']!, 2 / 3);
  assert.equal(metrics['clip_ratio/low_min'], 0);
  near(metrics['entropy']!, (0.5 + 1.5 + 0.9 + 0.2 + 2 + 0.1 + 0.6) / 7);
  // |ℓold − ℓsampler| is 0.1 in five tokens, 0 in one, unknown in one.
  near(metrics['sampling/sampling_logp_difference/mean']!, 0.5 / 6);
  near(metrics['sampling/sampling_logp_difference/max']!, 0.1);
  const x = [-0.1, -0.2, 0.5, 0, -0.3, 0.5, -0.1];
  near(metrics['kl']!, x.reduce((total, value) => total + Math.exp(value) - value - 1, 0) / 7);
});

test('the clip figures of sequence ratios weigh rows by their tokens', () => {
  const { metrics } = grpoLoss(batch(), { importanceSampling: 'sequence' });
  // Row ratios e^(0.7/3) with Â 1 (high), e^0.1, e^−0.35 with Â −1.5 (low): 3 and 2 of 7 tokens.
  near(metrics['clip_ratio/high_mean']!, 3 / 7);
  near(metrics['clip_ratio/low_mean']!, 2 / 7);
  assert.equal(metrics['clip_ratio/high_max'], 1);
});

test('figures of the sampler correction: tokens in token modes, rows in sequence modes', () => {
  const token = grpoLoss(batch(), { samplerCorrection: { mode: 'tokenTruncate', max: 1.05 } }).metrics;
  const c = [-0.1, 0.1, -0.1, 0, 0, -0.1, 0.1].map((value) => Math.min(1.05, Math.exp(value)));
  near(token['sampling/importance_sampling_ratio/mean']!, c.reduce((a, b) => a + b) / 7);
  near(token['sampling/importance_sampling_ratio/min']!, Math.exp(-0.1));
  near(token['sampling/importance_sampling_ratio/max']!, 1.05);
  const sequence = grpoLoss(batch(), { samplerCorrection: {} }).metrics;
  near(sequence['sampling/importance_sampling_ratio/mean']!, (Math.exp(-0.1) + 1 + 1) / 3);
});

test('policy_loss is without KL and entropy; KL in the reward leaves the loss alone', () => {
  const plain = grpoLoss(batch(), {}).metrics;
  const { metrics } = grpoLoss(batch(), { beta: 0.5, entropyCoef: 0.1 });
  assert.equal(metrics['policy_loss'], plain['loss']);
  assert.notEqual(metrics['loss'], metrics['policy_loss']);
  assert.equal(grpoLoss(batch(), { beta: 0.5, klPlacement: 'reward' }).metrics['loss'], plain['loss']);
});

test('only the loss survives the call', () => {
  scope(() => {
    const inputs = batch();
    const before = liveTensors();
    const { loss } = grpoLoss(inputs, everything);
    assert.equal(liveTensors(), before + 1);
    loss.dispose();
    assert.throws(() => grpoLoss({ ...inputs, normaliser: { rows: 4, tokens: 9 } }, everything), InputError);
    assert.equal(liveTensors(), before);
  });
});

const wrong: [why: string, batch: Partial<Record<keyof LossBatch, unknown>>, options: Record<string, unknown>, message: RegExp][] = [
  ['unknown lossType', {}, { lossType: 'dr_gpro' }, /`lossType` to be one of grpo, dapo, .*got "dr_gpro"; did you mean `dr_grpo`/],
  ['unknown level', {}, { importanceSampling: 'tokens' }, /`importanceSampling` to be one of token, sequence/],
  ['unknown estimator', {}, { klEstimator: 'k4' }, /`klEstimator` to be one of k1, k2, k3/],
  ['unknown sampler mode', {}, { samplerCorrection: { mode: 'mask' } }, /`samplerCorrection.mode` to be one of tokenTruncate/],
  ['misspelt option', {}, { epsilon_high: 0.3 }, /did you mean `epsilonHigh`/],
  ['swapped letters', {}, { epsilonHihg: 0.3 }, /did you mean `epsilonHigh`/],
  ['no L', {}, { lossType: 'dr_grpo' }, /`maxCompletionLength` to be a number of tokens/],
  ['epsilon NaN', {}, { epsilon: nan }, /`epsilon` to be a finite number, 0 or more, got NaN/],
  ['quantile above 1', {}, { topEntropyQuantile: 1.5 }, /`topEntropyQuantile` to be between 0 and 1, got 1.5/],
  ['no reference', { refLogprobs: undefined }, { beta: 0.1 }, /`refLogprobs` to be a tensor \[B, T\] when `beta` is not 0/],
  ['no entropy for the mask', { entropy: null }, { topEntropyQuantile: 0.5 }, /`entropy` to be a tensor \[B, T\] when `topEntropyQuantile`/],
  ['no entropy for the bonus', { entropy: null }, { entropyCoef: 0.5 }, /`entropy` to be a tensor \[B, T\] when `entropyCoef`/],
  ['no sampler', { samplerLogprobs: null }, { samplerCorrection: {} }, /`samplerLogprobs` to be a tensor/],
  ['no normaliser', { normaliser: undefined }, {}, /`normaliser` to be \{ rows, tokens \}/],
  ['no rows', { normaliser: { tokens: 3 } }, {}, /`normaliser.rows` to be a finite count/],
  ['no micro-batches', { normaliser: { ...normaliser, microBatches: 0 } }, {}, /`normaliser.microBatches`/],
  ['part without entropyTokens', { normaliser: { rows: 4, tokens: 14 } }, { topEntropyQuantile: 0.5, entropyCoef: 0.1 }, /`normaliser.entropyTokens` to be a count/],
  ['integer logprobs', { logprobs: tensor([1, 2, 3, 4, 5, 6, 7, 8, 9, 1, 2, 3], [4, 3], 'int64') }, {}, /`logprobs` to have a floating dtype .*got "int64"/],
  ['array for a tensor', { logprobs: [[1, 2, 3]] }, {}, /`logprobs` to be a tensor/],
  ['one axis', { logprobs: f64([1, 2, 3], [3]) }, {}, /`logprobs` to have the shape \[B, T\]/],
  ['mask of another shape', { mask: f64([1, 1, 1, 1], [4, 1]) }, {}, /`mask` to have the shape \[4, 3\], as `logprobs`, got \[4,1\]/],
  ['advantages per column', { advantages: f64([1, 1, 1], [3]) }, {}, /`advantages` to have the shape \[4\] or \[4, 3\], got \[3\]/],
];

for (const [why, change, options, message] of wrong) {
  test(`refused: ${why}`, () => {
    assert.throws(
      () => grpoLoss({ ...batch(), ...change } as LossBatch, options as LossOptions),
      (error: Error) => error instanceof InputError && message.test(error.message) && error.message.startsWith('Expected '),
    );
  });
}

test('options of other parts of a run may stand in the same object', () => {
  const options = { scaleRewards: 'group', temperature: 1, learningRate: 1e-6, numGenerations: 8, minCompletionLength: 1, seed: 1 };
  assert.equal(grpoLoss(batch(), options as LossOptions).loss.item(), grpoLoss(batch()).loss.item());
});

/** Junk wherever the mask is 0. */
function soiled(values: number[], junk: number): number[] {
  return values.map((value, i) => (figures.mask[i] ? value : junk));
}

function near(actual: number, wanted: number, name = '', tolerance = 1e-12): void {
  assert.ok(Math.abs(actual - wanted) <= tolerance, `${name} ${actual} is not within ${tolerance} of ${wanted}`);
}
