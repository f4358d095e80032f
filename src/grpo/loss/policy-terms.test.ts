import assert from 'node:assert/strict';
import { test } from 'node:test';
import { grad } from '../../tensor/autograd.ts';
import { exp, notEqual, sub, sum } from '../../tensor/ops.ts';
import { tensor } from '../../tensor/tensor.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import { resolveLossOptions } from './options.ts';
import type { LossOptions } from './options.ts';
import { policyTerms } from './policy-terms.ts';
import type { PolicyInputs } from './policy-terms.ts';

const f64 = (values: number[], shape = [1, values.length]): Tensor => tensor(values, shape, 'float64');

/** One row with the given ratios and advantages; ℓθ is −1 everywhere. */
function row(ratios: number[], advantages: number[], change: Partial<PolicyInputs> = {}): PolicyInputs {
  const logprobs = f64(ratios.map(() => -1)).requiresGrad_();
  const logRatio = sub(logprobs, f64(ratios.map((ratio) => -1 - Math.log(ratio))));
  return {
    logprobs,
    logRatio,
    ratio: exp(logRatio),
    advantages: f64(advantages),
    counted: notEqual(f64(ratios.map(() => 1)), 0),
    counts: f64([ratios.length]),
    uncertain: null,
    samplerRatio: null,
    ...change,
  };
}

function run(options: LossOptions, inputs: PolicyInputs): { values: number[]; slopes: number[]; term: ReturnType<(typeof policyTerms)['grpo']> } {
  const resolved = resolveLossOptions(options);
  const term = policyTerms[resolved.lossType](inputs, resolved);
  const [slope] = grad([sum(term.term)], [inputs.logprobs]);
  return { values: [...term.term.toArray()].map(Number), slopes: [...slope!.toArray()].map(Number), term };
}

function near(actual: number[], wanted: number[]): void {
  assert.equal(actual.length, wanted.length);
  actual.forEach((value, i) => assert.ok(Math.abs(value - wanted[i]!) < 1e-9, `[${actual}] is not [${wanted}]`));
}

test('clipped term: the clip binds above for Â > 0 and below for Â < 0, there without gradient', () => {
  const { values, slopes, term } = run({ lossType: 'grpo', epsilonHigh: 0.3 }, row([1.5, 0.5, 1.5, 0.5], [2, 2, -2, -2]));
  near(values, [-2.6, -1, 3, 1.6]);
  near(slopes, [0, -1, 3, 0]);
  assert.deepEqual([...term.clipped!.high.toArray()], [1, 0, 0, 0]);
  assert.deepEqual([...term.clipped!.low.toArray()], [0, 0, 0, 1]);
});

test('clipped term: delta bounds the ratio where Â < 0 lets it run', () => {
  const { values, slopes } = run({ lossType: 'dapo', delta: 2 }, row([3, 1.5, 0.5], [-1, -1, 1]));
  near(values, [2, 1.5, -0.5]);
  near(slopes, [0, 1.5, -0.5]);
});

test('cispo: the weight is capped and constant, the gradient goes through ℓθ', () => {
  const { values, slopes, term } = run({ lossType: 'cispo', cispoCap: 2 }, row([3, 1.5, 3], [1, -1, -1]));
  near(values, [2, -1.5, -2]); // −w·Â·ℓθ with ℓθ = −1
  near(slopes, [-2, 1.5, 2]);
  assert.deepEqual([...term.capped!.toArray()], [1, 0, 0]);
});

test('sapo: a sigmoid gate whose slope at ρ = 1 is the advantage', () => {
  const { values, slopes } = run({ lossType: 'sapo', sapoTemperaturePos: 2, sapoTemperatureNeg: 4 }, row([1, 1, 2], [1, -1, 1]));
  const gate = 1 / (1 + Math.exp(-2)); // τ(ρ − 1) = 2
  near(values, [-1, 0.5, -2 * gate]);
  near(slopes, [-1, 1, -4 * gate * (1 - gate) * 2]);
});

test('vespo: φ is 1 at w = 1, exp(λ + k·log w − λ·w) elsewhere, by the sign of Â', () => {
  near(run({ lossType: 'vespo' }, row([1, 1], [2, -1])).slopes, [-2, 1]);
  const w = 2 * 1.5;
  const positive = Math.exp(3 + 2 * Math.log(w) - 3 * w);
  const negative = Math.exp(2 + 3 * Math.log(w) - 2 * w);
  const { values, slopes, term } = run({ lossType: 'vespo' }, row([2, 1.5], [1, -1]));
  near(slopes, [-positive, negative]);
  near(values, [positive, -negative]);
  near([...term.phi!.toArray()].map(Number), [positive, negative]);
});

/** φ for Â ≥ 0 with k 2 and λ 3. */
const phi = (logW: number): number => Math.exp(3 + 2 * logW - 3 * Math.exp(logW));

test('vespo: w holds the sampler correction, per token or once per row; a masked one is log 1e-8', () => {
  const options: LossOptions = { lossType: 'vespo' };
  near(run(options, row([2, 1], [1, 1], { samplerRatio: f64([0.5, 1.5]) })).slopes, [-phi(Math.log(1.5)), -phi(Math.log(1.5))]);
  near(run(options, row([2, 1], [1, 1], { samplerRatio: f64([0.5], [1, 1]) })).slopes, [-1, -1]);
  const { term } = run(options, row([1, 1], [1, 1], { samplerRatio: f64([0, 1]) }));
  assert.ok(Math.abs(Number(term.phi!.toArray()[0]) - phi(Math.log(1e-8))) < 1e-20);
  assert.equal(term.holdsSamplerRatio, true);
});

test('gmpo: geometric mean, clipped on the harmful side only', () => {
  const up = Math.exp(0.5);
  // Â > 0 clips above at 0.4, Â < 0 clips below at −0.4.
  const clipped = run({ lossType: 'gmpo' }, row([up, up, 1 / up], [1, 1, 1]));
  near(clipped.values, [-1, -1, -1].map((sign) => sign * Math.exp(0.3 / 3)));
  near(clipped.slopes, [0, 0, -Math.exp(0.3 / 3)]);
  const negative = run({ lossType: 'gmpo' }, row([up, 1 / up, 1 / up], [-1, -1, -1]));
  near(negative.values, [1, 1, 1].map((sign) => sign * Math.exp(-0.3 / 3)));
  near(negative.slopes, [Math.exp(-0.3 / 3), 0, 0]);
  assert.deepEqual([...clipped.term.clipped!.high.toArray()], [1, 1, 0]);
  assert.deepEqual([...negative.term.clipped!.low.toArray()], [0, 1, 1]);
});

test('gmpo: the entropy mask chooses the tokens of the mean', () => {
  const { values, slopes } = run({ lossType: 'gmpo' }, row([1.2, 1.1], [1, 1], { uncertain: notEqual(f64([0, 1]), 0) }));
  near(values, [-1.1, -1.1]);
  near(slopes, [0, -2.2]);
});
