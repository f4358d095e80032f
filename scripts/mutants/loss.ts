/** Faults between the rewards and the loss. */
import type { Mutant } from './mutant.ts';

/** Rewards to advantages. */
export const advantages: readonly Mutant[] = [
  {
    name: 'advantage sign flipped',
    file: 'src/grpo/advantage.ts',
    find: '= (values[i]! - baseline[i]!) / scale;',
    replace: '= (baseline[i]! - values[i]!) / scale;',
    tests: ['src/grpo/advantage.test.ts'],
  },
  {
    name: 'advantage sign flipped on the way to the loss',
    file: 'src/grpo/policy-update.ts',
    find: '({ group, sample }) => group.advantages[sample]!)',
    replace: '({ group, sample }) => -group.advantages[sample]!)',
    tests: ['test/update-gradient.test.ts'],
  },
  {
    name: 'baseline of the whole round instead of the group',
    file: 'src/grpo/advantage.ts',
    find: 'const baseline = baselines[options.advantage](values);',
    replace: 'const baseline = values.map(() => mean(round));',
    tests: ['src/grpo/advantage.test.ts'],
  },
  {
    name: 'leave-one-out divides by n',
    file: 'src/grpo/advantage.ts',
    find: '(total - reward) / (rewards.length - 1)',
    replace: '(total - reward) / rewards.length',
    tests: ['src/grpo/advantage.test.ts'],
  },
  {
    name: 'standard deviation divides by n',
    file: 'src/grpo/statistics.ts',
    find: '(values.length - 1)',
    replace: 'values.length',
    tests: ['src/grpo/statistics.test.ts'],
  },
  {
    name: 'KL penalty added to the reward',
    file: 'src/grpo/advantage.ts',
    find: 'row.reward - row.klPenalty',
    replace: 'row.reward + row.klPenalty',
    tests: ['src/grpo/advantage.test.ts'],
  },
  {
    name: 'KL penalty with exchanged policies',
    file: 'src/grpo/train.ts',
    find: 'sum + logprob - refLogprobs![t]!',
    replace: 'sum + refLogprobs![t]! - logprob',
    tests: ['test/variants.test.ts'],
    only: 'KL in the reward',
  },
];

/** Log-probabilities to a loss. */
export const loss: readonly Mutant[] = [
  {
    name: 'clip on the wrong side',
    file: 'src/grpo/loss/policy-terms.ts',
    find: 'neg(minimum(mul(bounded, advantages), mul(clip, advantages)))',
    replace: 'neg(maximum(mul(bounded, advantages), mul(clip, advantages)))',
    tests: ['src/grpo/loss/policy-terms.test.ts'],
  },
  {
    name: 'epsilon low and high exchanged',
    file: 'src/grpo/loss/policy-terms.ts',
    find: 'clamp(ratio, 1 - epsilon, 1 + epsilonHigh)',
    replace: 'clamp(ratio, 1 - epsilonHigh, 1 + epsilon)',
    tests: ['src/grpo/loss/policy-terms.test.ts'],
  },
  {
    name: 'ratio upside down',
    file: 'src/grpo/loss/grpo-loss.ts',
    find: 'const logRatio = sub(logprobs, oldLogprobs);',
    replace: 'const logRatio = sub(oldLogprobs, logprobs);',
    tests: ['src/grpo/loss/golden.test.ts'],
  },
  {
    name: 'sequence ratio without the mean over its tokens',
    file: 'src/grpo/loss/ratio.ts',
    find: 'exp(div(sumOver(logRatio, [1], true), counts))',
    replace: 'exp(sumOver(logRatio, [1], true))',
    tests: ['src/grpo/loss/ratio.test.ts'],
  },
  {
    name: 'the weight of CISPO with a gradient',
    file: 'src/grpo/loss/policy-terms.ts',
    find: 'detach(clamp(ratio, null, cispoCap))',
    replace: 'clamp(ratio, null, cispoCap)',
    tests: ['src/grpo/loss/policy-terms.test.ts'],
  },
  {
    name: 'KL sign flipped',
    file: 'src/grpo/loss/grpo-loss.ts',
    find: 'mul(kl, ratio) : kl), settings.beta)',
    replace: 'mul(kl, ratio) : kl), -settings.beta)',
    tests: ['src/grpo/loss/golden.test.ts'],
  },
  {
    name: 'k3 with exchanged arguments',
    file: 'src/grpo/loss/grpo-loss.ts',
    find: 'sub(refLogprobs, logprobs) : null',
    replace: 'sub(logprobs, refLogprobs) : null',
    tests: ['src/grpo/loss/golden.test.ts'],
  },
  {
    name: 'entropy punished',
    file: 'src/grpo/loss/grpo-loss.ts',
    find: 'batch.normaliser), -settings.entropyCoef)',
    replace: 'batch.normaliser), settings.entropyCoef)',
    tests: ['src/grpo/loss/golden.test.ts'],
  },
  {
    name: 'dr_grpo divides by the tokens that there are',
    file: 'src/grpo/loss/aggregate.ts',
    find: 'orOne(normaliser.rows) * maxCompletionLength!)',
    replace: 'orOne(normaliser.tokens))',
    tests: ['src/grpo/loss/aggregate.test.ts'],
  },
];
