/**
 * Random batches against TRL 1.16.0 in float64 (test/fixtures/trl/make.py): losses, gradients and figures to 1e-6.
 *
 * Where the two differ on purpose:
 * - `kl` is the uncorrected k3 here, what the loss uses there: compared where TRL corrects nothing.
 * - `clip_ratio/*_mean` and `cispo_clip_ratio` are shares of tokens here; with sequence ratios TRL's are shares of rows.
 * - `policy_loss` is without KL here and adds up over an update's parts; there it is with KL, of one micro-batch.
 * - Rows without a counted token stay out of every figure and of GMPO's loss: no such rows where TRL counts them.
 * - CISPO's cap is an option of its own; TRL reads `epsilon_high` for it.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { grpoLoss, samplerCorrectionModes } from '../src/grpo/loss/index.ts';
import type { LossOptions, Normaliser } from '../src/grpo/loss/index.ts';
import { scope } from '../src/tensor/scope.ts';
import { tensor } from '../src/tensor/tensor.ts';
import type { Tensor } from '../src/tensor/tensor.ts';

interface Case {
  options: LossOptions;
  logprobs: number[][];
  oldLogprobs: number[][] | null;
  refLogprobs: number[][] | null;
  samplerLogprobs?: (number | null)[][];
  entropy: number[][];
  advantages: number[];
  mask: number[][];
  normaliser: Normaliser;
  loss: number;
  gradient: number[];
  entropyGradient?: number[];
  metrics: Record<string, number>;
}

const cases = JSON.parse(readFileSync(new URL('./fixtures/trl/cases.json', import.meta.url), 'utf8')) as Case[];

/** The limit that make.py gives dr_grpo. */
const maxCompletionLength = 7;

cases.forEach((expected, index) => {
  test(`TRL case ${index}: ${JSON.stringify(expected.options)}`, () => {
    scope(() => {
      const logprobs = matrix(expected.logprobs).requiresGrad_();
      const entropy = matrix(expected.entropy).requiresGrad_();
      const { loss, metrics } = grpoLoss(
        {
          logprobs,
          entropy,
          oldLogprobs: expected.oldLogprobs && matrix(expected.oldLogprobs),
          refLogprobs: expected.refLogprobs && matrix(expected.refLogprobs),
          samplerLogprobs: expected.samplerLogprobs ? matrix(expected.samplerLogprobs) : null,
          advantages: tensor(expected.advantages, [expected.advantages.length], 'float64'),
          mask: matrix(expected.mask),
          normaliser: expected.normaliser,
        },
        { ...expected.options, maxCompletionLength },
      );
      close('loss', loss.item(), expected.loss);
      loss.backward();
      closeAll('gradient', logprobs.grad!, expected.gradient);
      if (expected.entropyGradient) closeAll('entropy gradient', entropy.grad!, expected.entropyGradient);
      for (const name of comparable(expected)) close(name, metrics[name]!, expected.metrics[name]!);
    });
  });
});

test('the cases meet every loss type, ratio level, mask, correction and the KL', () => {
  const seen = new Set(cases.flatMap(({ options }) => Object.entries(options).flatMap(([name, value]) => (typeof value === 'string' ? [`${name} ${value}`] : [name]))));
  for (const lossType of ['grpo', 'dapo', 'bnpo', 'dr_grpo', 'cispo', 'sapo', 'luspo', 'vespo', 'gmpo']) assert.ok(seen.has(`lossType ${lossType}`), lossType);
  for (const name of ['importanceSampling sequence', 'beta', 'delta', 'epsilonHigh', 'topEntropyQuantile', 'offPolicyMaskThreshold', 'entropyCoef', 'samplerCorrection']) {
    assert.ok(seen.has(name), name);
  }
  for (const lossType of ['grpo', 'dapo', 'bnpo', 'dr_grpo', 'cispo', 'sapo', 'luspo', 'vespo']) {
    for (const level of ['token', 'sequence']) assert.ok(cases.some(({ options }) => options.lossType === lossType && (options.importanceSampling ?? 'token') === level), `${lossType} ${level}`);
  }
  for (const corrected of [true, false]) assert.ok(cases.some(({ options }) => options.klCorrection === corrected), `klCorrection ${corrected}`);
  for (const mode of samplerCorrectionModes) assert.ok(cases.some(({ options }) => options.samplerCorrection?.mode === mode), mode);
  assert.ok(cases.length >= 200);
  assert.ok(cases.filter(({ mask }) => mask.some((row) => row.join('').replace(/0+$/, '').includes('0'))).length >= 50, 'holes, as the output of a tool leaves them');
  assert.ok(cases.some(({ mask }) => mask.some((row) => row.every((value) => value === 0))));
  assert.ok(cases.some(({ oldLogprobs }) => oldLogprobs === null));
});

/** The figures that mean the same in both. */
function comparable({ options, metrics, normaliser }: Case): string[] {
  return Object.keys(metrics).filter((name) => {
    if (name === 'policy_loss') return options.beta === undefined && normaliser.microBatches === 1;
    if (name === 'kl') return options.klCorrection === false;
    if (name === 'entropy_coef') return false; // an option, logged by the loop
    if (name.endsWith('_mean') && name.startsWith('clip_ratio/')) return options.importanceSampling !== 'sequence';
    return name !== 'cispo_clip_ratio' || options.importanceSampling !== 'sequence';
  });
}

function matrix(rows: (number | null)[][]): Tensor {
  return tensor(rows.flat().map((value) => value ?? Number.NaN), [rows.length, rows[0]!.length], 'float64');
}

function closeAll(name: string, actual: Tensor, wanted: number[]): void {
  const values = [...actual.toArray()].map(Number);
  assert.equal(values.length, wanted.length);
  values.forEach((value, i) => close(`${name}[${i}]`, value, wanted[i]!));
}

function close(name: string, actual: number, wanted: number): void {
  assert.ok(Math.abs(actual - wanted) <= 1e-6, `${name}: ${actual} is not within 1e-6 of ${wanted}`);
}
