/**
 * Which gradient each KL of docs/losses.md is, by exact enumeration in float64.
 *
 * The policy has its own three logits after every prefix; token 0 stops, the longest completion has three tokens, so
 * there are 7 prefixes and 15 completions o. Every expectation below is a sum over all of them. Two gradients are exact:
 *
 * - whole completions: ∇ KL(π ‖ π_ref) = ∇ Σ_o π(o)·(log π(o) − log π_ref(o));
 * - positions: Σ_prefix sg[π(prefix)]·∇ KL(π(·|prefix) ‖ π_ref(·|prefix)), the prefixes held fixed.
 *
 * Both are of the same number, Σ_prefix π(prefix)·KL(prefix): the second leaves out what a token does to the KL of the
 * tokens after it.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { computeAdvantages } from '../src/grpo/advantage.ts';
import { grpoLoss } from '../src/grpo/loss/index.ts';
import type { LossOptions } from '../src/grpo/loss/index.ts';
import { grad } from '../src/tensor/autograd.ts';
import { add, exp, indexSelect, logSoftmax, mul, reshape, sub, sum, sumOver } from '../src/tensor/ops.ts';
import { scope } from '../src/tensor/scope.ts';
import { tensor } from '../src/tensor/tensor.ts';
import type { Tensor } from '../src/tensor/tensor.ts';

const VOCABULARY = 3;
const LONGEST = 3;
const STOP = 0;

/** Every completion as its cells of the table [prefix, token]: prefix·VOCABULARY + token for each of its tokens. */
const completions: number[][] = [];
let prefixes = 0;
function walk(cells: number[]): void {
  const prefix = prefixes++;
  for (let token = 0; token < VOCABULARY; token++) {
    const longer = [...cells, prefix * VOCABULARY + token];
    if (token === STOP || longer.length === LONGEST) completions.push(longer);
    else walk(longer);
  }
}
walk([]);

type Policy = readonly number[];
const drawn = (seed: number): Policy => Array.from({ length: prefixes * VOCABULARY }, (_, i) => Math.sin(seed * (i + 1)));
/** Logits [7·3] of the policy, of the reference, and of a policy that has moved since it sampled. */
const [policy, reference, earlier] = [drawn(1.3), drawn(2.1), drawn(1.36)];

/** ℓ of every cell, with its graph to `logits` [7, 3]: [21]. */
const cellLogprobs = (logits: Tensor): Tensor => reshape(logSoftmax(logits, 1), [prefixes * VOCABULARY]);
const leafOf = (logits: Policy): Tensor => tensor(logits, [prefixes, VOCABULARY], 'float64');
/** ℓ of the tokens of a completion: [|o|]. */
const ofTokens = (cells: Tensor, completion: readonly number[]): Tensor => indexSelect(cells, 0, tensor(BigInt64Array.from(completion, BigInt)));
const valuesOf = (logits: Policy): number[] => scope(() => Array.from(cellLogprobs(leafOf(logits)).toArray(), Number));
const totalOf = (cells: readonly number[], completion: readonly number[]): number => completion.reduce((total, cell) => total + cells[cell]!, 0);

const [policyCells, referenceCells] = [valuesOf(policy), valuesOf(reference)];
/** log π(o) − log π_ref(o) = Σₜ k1. */
const logRatioOf = (completion: readonly number[]): number => totalOf(policyCells, completion) - totalOf(referenceCells, completion);
const probabilitiesOf = (sampler: Policy): number[] => {
  const cells = valuesOf(sampler);
  return completions.map((completion) => Math.exp(totalOf(cells, completion)));
};

/** Gradient with respect to the policy's logits of what `make` builds from their log-probabilities, and its value. */
function differentiate(make: (cells: Tensor) => Tensor): { value: number; gradient: number[] } {
  return scope(() => {
    const logits = leafOf(policy).requiresGrad_();
    const value = make(cellLogprobs(logits));
    return { value: value.item(), gradient: Array.from(grad([value], [logits])[0]!.toArray(), Number) };
  });
}

const addTo = (into: number[], gradient: readonly number[], weight: number): void => gradient.forEach((slope, i) => (into[i]! += weight * slope));

/** KL(π ‖ π_ref) between whole completions. */
const ofSequences = differentiate((cells) =>
  completions
    .map((completion) => {
      const logprob = sum(ofTokens(cells, completion));
      const logratio = sub(logprob, sum(ofTokens(tensor(referenceCells, [referenceCells.length], 'float64'), completion)));
      return mul(exp(logprob), logratio);
    })
    .reduce((total, term) => add(total, term)),
);

/** Σ over prefixes of sg[probability that `sampler` passes it]·KL after it, towards the reference or from it. */
function ofPositions(sampler: Policy, direction: 'toReference' | 'fromReference'): { value: number; gradient: number[] } {
  const reach = Array.from({ length: prefixes }, () => 0);
  probabilitiesOf(sampler).forEach((probability, o) => completions[o]!.forEach((cell) => (reach[Math.floor(cell / VOCABULARY)]! += probability)));
  return differentiate((cells) => {
    const own = reshape(cells, [prefixes, VOCABULARY]);
    const other = tensor(referenceCells, [prefixes, VOCABULARY], 'float64');
    const kl = direction === 'toReference' ? mul(exp(own), sub(own, other)) : mul(exp(other), sub(other, own));
    return sum(mul(sumOver(kl, [1]), tensor(reach, [prefixes], 'float64')));
  });
}

/**
 * Expectation over completions of `sampler`, each with its own advantage, of the gradient that `grpoLoss` gives for one of them. `luspo` is the plain
 * sum over its tokens, so nothing here is a matter of normalisation.
 */
function expectedGradient(sampler: Policy, advantages: readonly number[], options: LossOptions): number[] {
  const total = policy.map(() => 0);
  const samplerCells = valuesOf(sampler);
  probabilitiesOf(sampler).forEach((probability, o) => {
    const completion = completions[o]!;
    const row = (values: readonly number[]): Tensor => tensor(completion.map((cell) => values[cell]!), [1, completion.length], 'float64');
    const { gradient } = differentiate((cells) => {
      const batch = {
        logprobs: reshape(ofTokens(cells, completion), [1, completion.length]),
        // On-policy ℓold is left to the loss, which then takes ℓθ without its gradient.
        oldLogprobs: sampler === policy ? null : row(samplerCells),
        refLogprobs: row(referenceCells),
        advantages: tensor([advantages[o]!], [1], 'float64'),
        mask: tensor(completion.map(() => 1), [1, completion.length]),
        normaliser: { rows: 1, tokens: completion.length },
      };
      return grpoLoss(batch, { lossType: 'luspo', epsilon: 1e9, beta: 1, ...options }).loss;
    });
    addTo(total, gradient, probability);
  });
  return total;
}

const norm = (x: readonly number[]): number => Math.hypot(...x);
const distance = (a: readonly number[], b: readonly number[]): number => norm(a.map((value, i) => value - b[i]!));

function same(actual: readonly number[], wanted: readonly number[]): void {
  assert.ok(distance(actual, wanted) <= 1e-9, `differs by ${distance(actual, wanted)}`);
}

/** That a gradient is off by this share of the right one's length; docs/losses.md quotes these numbers. */
function offBy(actual: readonly number[], right: readonly number[], share: number): void {
  assert.ok(distance(actual, right) > 1e-3, `no difference: ${distance(actual, right)}`);
  const measured = distance(actual, right) / norm(right);
  assert.ok(Math.abs(measured - share) < 0.005, `off by ${measured}, written ${share}`);
}

const positions = ofPositions(policy, 'toReference');
const inLoss = (options: LossOptions, sampler = policy): number[] => expectedGradient(sampler, completions.map(() => 0), options);

test('the toy is whole: probabilities add up to 1, and both exact gradients are of one value', () => {
  assert.equal(completions.length, 15);
  assert.ok(Math.abs(probabilitiesOf(policy).reduce((a, b) => a + b) - 1) < 1e-12);
  assert.ok(Math.abs(ofSequences.value - positions.value) < 1e-12);
  offBy(positions.gradient, ofSequences.gradient, 0.43);
});

test('k1 with klCorrection is the gradient by positions: ∇(ρ·k1) = (ℓθ − ℓref)·∇ℓθ + ∇ℓθ, and the second has mean 0', () => {
  same(inLoss({ klEstimator: 'k1' }), positions.gradient);
});

test('k1 without klCorrection is no KL at all: E ∇(ℓθ − ℓref) = E ∇ℓθ = 0', () => {
  const gradient = inLoss({ klEstimator: 'k1', klCorrection: false });
  assert.ok(norm(gradient) <= 1e-9);
  offBy(gradient, positions.gradient, 1);
});

test('k2 without klCorrection is the gradient by positions: ∇½x² = (ℓθ − ℓref)·∇ℓθ', () => {
  same(inLoss({ klEstimator: 'k2', klCorrection: false }), positions.gradient);
});

test('k2 with klCorrection is biased: the ratio adds ½x²·∇ℓθ', () => {
  offBy(inLoss({ klEstimator: 'k2' }), positions.gradient, 0.505);
});

test('k3 with klCorrection, the default, is the gradient by positions, for each token: ∇(ρ·k3) = (k3 + 1 − eˣ)·∇ℓθ = −x·∇ℓθ', () => {
  same(inLoss({ klEstimator: 'k3' }), positions.gradient);
});

test('k3 without klCorrection is the gradient of the KL the other way round, from reference to policy: E (1 − eˣ)·∇ℓθ = −Σ π_ref·∇ℓθ', () => {
  const gradient = inLoss({ klEstimator: 'k3', klCorrection: false });
  same(gradient, ofPositions(policy, 'fromReference').gradient);
  offBy(gradient, positions.gradient, 0.47);
});

test('no KL in the loss is the gradient between whole completions', () => {
  for (const klEstimator of ['k1', 'k2', 'k3'] as const) {
    for (const klCorrection of [true, false]) assert.ok(distance(inLoss({ klEstimator, klCorrection }), ofSequences.gradient) > 1e-3);
  }
});

test("klPlacement 'reward' is the gradient between whole completions: E Σₜ k1·∇log π(o)", () => {
  const advantages = completions.map((completion) => -logRatioOf(completion));
  same(expectedGradient(policy, advantages, { klPlacement: 'reward' }), ofSequences.gradient);
});

test("klPlacement 'reward' stays exact through computeAdvantages: all pairs of completions, leaveOneOut, no scaling", () => {
  const beta = 0.3;
  const probabilities = probabilitiesOf(policy);
  const penalties = completions.map((completion) => beta * logRatioOf(completion));
  // The advantage of a completion depends on its partner; its mean over partners does the same to the gradient.
  const advantages = completions.map((_, a) =>
    completions.reduce((total, _partner, b) => {
      const pair = computeAdvantages([[[0], [0]]], { advantage: 'leaveOneOut', scaleRewards: 'none', klPenalty: [[penalties[a]!, penalties[b]!]] });
      return total + probabilities[b]! * pair.advantages[0]![0]!;
    }, 0),
  );
  const gradient = expectedGradient(policy, advantages, { klPlacement: 'reward', beta });
  same(gradient, ofSequences.gradient.map((slope) => beta * slope));
});

test('a sequence ratio in the correction weighs every k3 by the row: biased', () => {
  offBy(inLoss({ klEstimator: 'k3', importanceSampling: 'sequence' }), positions.gradient, 0.18);
});

test('after the policy has moved, klCorrection is what keeps k1 and k3 exact; k2 without it no longer is', () => {
  const moved = ofPositions(earlier, 'toReference');
  same(inLoss({ klEstimator: 'k1' }, earlier), moved.gradient);
  same(inLoss({ klEstimator: 'k3' }, earlier), moved.gradient);
  offBy(inLoss({ klEstimator: 'k2', klCorrection: false }, earlier), moved.gradient, 0.116);
  offBy(inLoss({ klEstimator: 'k3', klCorrection: false }, earlier), moved.gradient, 0.514);
});
