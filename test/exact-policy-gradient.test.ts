/**
 * What the gradient of each loss is in expectation, by exact enumeration in float64: every group of G = 2 completions of
 * a policy that has its own three logits after every prefix, weighted by its probability, through `computeAdvantages`
 * and `grpoLoss`. It is compared with the exact gradient of J = Σ_o π(o)·r(o).
 *
 * In one toy token 0 stops, so completions have one to three tokens; in the other nothing stops, and all have three.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { computeAdvantages } from '../src/grpo/advantage.ts';
import type { AdvantageOptions } from '../src/grpo/advantage.ts';
import { grpoLoss } from '../src/grpo/loss/index.ts';
import type { LossOptions, LossType } from '../src/grpo/loss/index.ts';
import { grad } from '../src/tensor/autograd.ts';
import { exp, indexSelect, logSoftmax, mul, reshape, sum, sumOver } from '../src/tensor/ops.ts';
import { scope } from '../src/tensor/scope.ts';
import { tensor } from '../src/tensor/tensor.ts';
import type { Tensor } from '../src/tensor/tensor.ts';

const VOCABULARY = 3;
const LONGEST = 3;

interface Toy {
  prefixes: number;
  /** Completion → cell of the table [prefix, token] for each of its tokens, the stop token included. */
  completions: number[][];
  /** [prefixes·3] */
  logits: number[];
  /** Of each completion. */
  rewards: number[];
}

function makeToy(stop: number | null): Toy {
  const completions: number[][] = [];
  let prefixes = 0;
  const walk = (cells: number[]): void => {
    const prefix = prefixes++;
    for (let token = 0; token < VOCABULARY; token++) {
      const longer = [...cells, prefix * VOCABULARY + token];
      if (token === stop || longer.length === LONGEST) completions.push(longer);
      else walk(longer);
    }
  };
  walk([]);
  const logits = Array.from({ length: prefixes * VOCABULARY }, (_, i) => Math.sin(1.3 * (i + 1)));
  return { prefixes, completions, logits, rewards: completions.map((_, o) => Math.cos(1.7 * o)) };
}

const stopping = makeToy(0); // 15 completions of 1, 2 or 3 tokens
const fixed = makeToy(null); // 27 completions of 3 tokens

/** ℓ of every token of every completion, 0 behind its end, with the graph to `logits`: [N, 3]. */
function logprobsOf({ prefixes, completions }: Toy, logits: Tensor): Tensor {
  const cells = reshape(logSoftmax(logits, 1), [prefixes * VOCABULARY]);
  const padded = completions.flatMap((completion) => Array.from({ length: LONGEST }, (_, t) => BigInt(completion[t] ?? 0)));
  const picked = reshape(indexSelect(cells, 0, tensor(BigInt64Array.from(padded))), [completions.length, LONGEST]);
  return mul(picked, tensor(maskOf(completions), [completions.length, LONGEST], 'float64'));
}

const maskOf = (rows: readonly (readonly number[])[]): number[] => rows.flatMap((row) => Array.from({ length: LONGEST }, (_, t) => (t < row.length ? 1 : 0)));
const leafOf = ({ prefixes, logits }: Toy): Tensor => tensor(logits, [prefixes, VOCABULARY], 'float64').requiresGrad_();
const numbers = (x: Tensor): number[] => Array.from(x.toArray(), Number);

/** ∇J, exact. */
function exactGradient(toy: Toy): number[] {
  return scope(() => {
    const logits = leafOf(toy);
    const probabilities = exp(sumOver(logprobsOf(toy, logits), [1])); // [N]
    return numbers(grad([sum(mul(probabilities, tensor(toy.rewards, [toy.rewards.length], 'float64')))], [logits])[0]!);
  });
}

interface Expectation {
  loss: LossOptions;
  advantages?: AdvantageOptions;
  /** ℓold of every token: [N·3]; absent = on-policy. */
  old?: readonly number[];
}

/** Minus the expectation of the loss gradient over all pairs of completions, as ∇J would be. */
function expectedGradient(toy: Toy, { loss, advantages: options = {}, old }: Expectation): number[] {
  return scope(() => {
    const { completions, rewards } = toy;
    const logits = leafOf(toy);
    const table = logprobsOf(toy, logits); // [N, 3]
    const values = numbers(table);
    const probabilities = completions.map((_, o) => Math.exp(values.slice(o * LONGEST, (o + 1) * LONGEST).reduce((a, b) => a + b)));
    const slopes = values.map(() => 0); // expectation of ∂loss/∂ℓ
    completions.forEach((_, a) =>
      completions.forEach((_partner, b) => {
        const pair = [a, b];
        const { advantages } = computeAdvantages([pair.map((o) => [rewards[o]!])], options);
        const gradient = pairGradient(pair.map((o) => completions[o]!), pair.map((o) => values.slice(o * LONGEST, (o + 1) * LONGEST)), advantages[0]!, {
          loss,
          old: old ? pair.map((o) => old.slice(o * LONGEST, (o + 1) * LONGEST)) : null,
        });
        pair.forEach((o, row) => {
          for (let t = 0; t < LONGEST; t++) slopes[o * LONGEST + t]! += probabilities[a]! * probabilities[b]! * gradient[row * LONGEST + t]!;
        });
      }),
    );
    const pushed = grad([table], [logits], [tensor(slopes, [completions.length, LONGEST], 'float64')])[0]!;
    return numbers(pushed).map((slope) => -slope);
  });
}

/** ∂loss/∂ℓ of one group: [2·3]. */
function pairGradient(rows: number[][], values: number[][], advantages: readonly number[], { loss, old }: { loss: LossOptions; old: number[][] | null }): number[] {
  return scope(() => {
    const logprobs = tensor(values.flat(), [rows.length, LONGEST], 'float64').requiresGrad_();
    const batch = {
      logprobs,
      oldLogprobs: old && tensor(old.flat(), [rows.length, LONGEST], 'float64'),
      advantages: tensor(advantages, [rows.length], 'float64'),
      mask: tensor(maskOf(rows), [rows.length, LONGEST]),
      normaliser: { rows: rows.length, tokens: rows.flat().length },
    };
    return numbers(grad([grpoLoss(batch, { maxCompletionLength: LONGEST, ...loss }).loss], [logprobs])[0]!);
  });
}

const rloo: AdvantageOptions = { advantage: 'leaveOneOut', scaleRewards: 'none' };
const [exact, exactFixed] = [exactGradient(stopping), exactGradient(fixed)];
/** On the stopping toy, unless another is given. */
const expected = (lossType: LossType, advantages: AdvantageOptions = rloo, toy = stopping): number[] => expectedGradient(toy, { loss: { lossType }, advantages });

const norm = (x: readonly number[]): number => Math.hypot(...x);
const times = (x: readonly number[], factor: number): number[] => x.map((value) => factor * value);
const distance = (a: readonly number[], b: readonly number[]): number => norm(a.map((value, i) => value - b[i]!));
const dot = (a: readonly number[], b: readonly number[]): number => a.reduce((total, value, i) => total + value * b[i]!, 0);

function same(actual: readonly number[], wanted: readonly number[]): void {
  assert.ok(norm(wanted) > 0.01, 'the toy has a gradient');
  assert.ok(distance(actual, wanted) <= 1e-9, `differs by ${distance(actual, wanted)}`);
}

/**
 * That no factor, and so no learning rate, makes a gradient the right one: the part of it at right angles to the right
 * one, as a share of it. docs/losses.md quotes these numbers.
 */
function pointsElsewhere(actual: readonly number[], right: readonly number[], share: number): void {
  const across = distance(actual, times(right, dot(actual, right) / dot(right, right)));
  assert.ok(across > 1e-3, `no difference: ${across}`);
  assert.ok(Math.abs(across / norm(actual) - share) < 0.0006, `${across / norm(actual)} across, written ${share}`);
}

test('the toys are whole', () => {
  assert.deepEqual([stopping.completions.length, fixed.completions.length], [15, 27]);
  assert.deepEqual(new Set(stopping.completions.map(({ length }) => length)), new Set([1, 2, 3]));
  assert.deepEqual(new Set(fixed.completions.map(({ length }) => length)), new Set([3]));
});

test('leaveOneOut without scaling is unbiased (RLOO): a baseline of the other completions alone has mean 0 against ∇log π(o)', () => {
  same(expected('luspo'), exact);
});

test('groupMean without scaling is (G − 1)/G of it: the baseline holds the row itself', () => {
  same(expected('luspo', { scaleRewards: 'none' }), times(exact, 1 / 2));
});

test('dr_grpo is unbiased up to its constant L', () => {
  same(expected('dr_grpo'), times(exact, 1 / LONGEST));
  same(expected('dr_grpo', { scaleRewards: 'none' }), times(exact, 1 / (2 * LONGEST)));
});

test('grpo is biased where lengths differ: dividing by |oᵢ| makes it the gradient of another objective', () => {
  pointsElsewhere(expected('grpo'), exact, 0.099);
});

test('dapo and bnpo are biased where lengths differ: the number of tokens depends on what was sampled', () => {
  pointsElsewhere(expected('dapo'), exact, 0.039);
  same(expected('bnpo'), expected('dapo'));
});

test('with one length for all, grpo, dapo and bnpo are unbiased up to that length', () => {
  for (const lossType of ['grpo', 'dapo', 'bnpo'] as const) same(expected(lossType, rloo, fixed), times(exactFixed, 1 / LONGEST));
});

test('dividing by the standard deviation of the group is biased: of two rewards little but the sign of their difference is left', () => {
  pointsElsewhere(expected('luspo', { scaleRewards: 'group' }), exact, 0.112);
});

test('on-policy every policy term is the plain policy gradient: only the aggregation tells loss types apart', () => {
  const [ofRows, ofTokens] = [expected('grpo'), expected('dapo')];
  same(expected('sapo'), ofRows); // slope of the gate at ρ = 1: Â
  same(expected('gmpo'), ofRows); // ∇exp(mean d) at d = 0: the row mean of ∇ℓθ
  same(expected('cispo'), ofTokens); // weight min(1, cap) = 1
  same(expected('vespo'), ofTokens); // φ(1) = 1
});

test('on-policy the sequence ratio (GSPO) has the gradient of the token ratio; after the policy has moved it has not', () => {
  const loss = (importanceSampling: 'token' | 'sequence', lossType: LossType): LossOptions => ({ lossType, importanceSampling, epsilon: 1e9 });
  for (const lossType of ['grpo', 'luspo', 'dr_grpo'] as const) {
    same(expectedGradient(stopping, { loss: loss('sequence', lossType), advantages: rloo }), expectedGradient(stopping, { loss: loss('token', lossType), advantages: rloo }));
  }
  const values = scope(() => numbers(logprobsOf(stopping, leafOf(stopping))));
  const old = values.map((value, i) => value + 0.2 * Math.sin(i));
  const [token, sequence] = (['token', 'sequence'] as const).map((level) => expectedGradient(stopping, { loss: loss(level, 'grpo'), advantages: rloo, old }));
  assert.ok(distance(token!, sequence!) > 1e-3);
});
