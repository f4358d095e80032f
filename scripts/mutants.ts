/** Faults that a trainer plausibly has, each as one replaced piece of source and the tests that must notice it. */

/** One fault. */
export interface Mutant {
  name: string;
  /** File that it is in. */
  file: string;
  /** Text that stands there exactly once, and what takes its place. */
  find: string;
  replace: string;
  /** Fast files of the default suite, at least one of which must fail. */
  tests: readonly string[];
  /** Runs only the tests whose names match. */
  only?: string;
}

const updateGradient = 'test/update-gradient.test.ts';
const oldLogprobs = 'test/old-logprobs.test.ts';
const variants = 'test/variants.test.ts';

/** Rewards to advantages. */
const advantages: readonly Mutant[] = [
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
    tests: [updateGradient],
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
    tests: [variants],
    only: 'KL in the reward',
  },
];

/** Log-probabilities to a loss. */
const loss: readonly Mutant[] = [
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

/** Which tokens count, under which policy. */
const update: readonly Mutant[] = [
  {
    name: 'mask shifted by one',
    file: 'src/grpo/policy-update.ts',
    find: 'mask.fill(1, row * longest, row * longest + rollout.ids.length)',
    replace: 'mask.fill(1, row * longest + 1, row * longest + rollout.ids.length + 1)',
    tests: [updateGradient],
  },
  {
    name: 'stop token not trained',
    file: 'src/grpo/policy-update.ts',
    find: 'mask.fill(1, row * longest, row * longest + rollout.ids.length)',
    replace: "mask.fill(1, row * longest, row * longest + rollout.ids.length - (rollout.finishReason === 'stop' ? 1 : 0))",
    tests: [updateGradient],
  },
  {
    name: 'prompt tokens trained on',
    file: 'src/model/packed-batch.ts',
    find: 'ids.push(id);\n      positions.push(i);',
    replace: 'if (i > 0) predictors.push(ids.length - 1);\n      if (i > 0) targets.push(id);\n      ids.push(id);\n      positions.push(i);',
    tests: ['src/model/packed-batch.test.ts'],
  },
  {
    name: 'the last token of the prompt trained on in place of the first of the completion',
    file: 'src/model/packed-batch.ts',
    find: 'targets.push(id);',
    replace: 'targets.push(t === 0 ? prompt.at(-1)! : id);',
    tests: [updateGradient],
  },
  {
    name: 'each token predicted by itself',
    file: 'src/model/packed-batch.ts',
    find: 'start + prompt.length - 1 : ids.length - 1)',
    replace: 'start + prompt.length - 1 : ids.length)',
    tests: ['src/model/packed-batch.test.ts'],
  },
  {
    name: 'positions of completions in a packed row off by one',
    file: 'src/model/packed-batch.ts',
    find: 'positions.push(prompt.length + t);',
    replace: 'positions.push(prompt.length + t + 1);',
    tests: ['src/model/packed-batch.test.ts'],
  },
  {
    name: 'completions of a tree see each other',
    file: 'src/model/packed-batch.ts',
    find: 'pad.push(t < length ? offset + t : 0);',
    replace: 'pad.push(t < length ? t : 0);',
    tests: ['src/model/packed-pass.test.ts', updateGradient],
  },
  {
    name: 'cut off completions counted when masked',
    file: 'src/grpo/policy-update.ts',
    find: "return !(maskTruncatedCompletions && rollout.finishReason === 'length');",
    replace: 'return true;',
    tests: [updateGradient],
  },
  {
    name: 'normaliser counts padding',
    file: 'src/grpo/policy-update.ts',
    find: 'counted.reduce((total, { ids }) => total + ids.length, 0)',
    replace: 'counted.length * Math.max(...counted.map(({ ids }) => ids.length))',
    tests: [updateGradient],
  },
  {
    name: 'every micro-batch with a normaliser of its own',
    file: 'src/grpo/policy-update.ts',
    find: 'differentiate(rows, logprobs, entropy, normaliser, settings)',
    replace: 'differentiate(rows, logprobs, entropy, { ...normaliser, rows: rows.length, tokens: logprobs.length }, settings)',
    tests: [updateGradient],
  },
  {
    name: 'old log-probabilities left out: the ratio is always 1',
    file: 'src/grpo/policy-update.ts',
    find: "oldLogprobs: stored('oldLogprobs'),",
    replace: 'oldLogprobs: null,',
    tests: [oldLogprobs],
  },
  {
    name: 'old log-probabilities stale: of the reference',
    file: 'src/grpo/train.ts',
    find: "recordLogprobs(decoder, groups, 'oldLogprobs', scoring)",
    replace: "recordLogprobs(reference ?? decoder, groups, 'oldLogprobs', scoring)",
    tests: [oldLogprobs],
  },
  {
    name: 'old log-probabilities forgotten where a round serves several updates',
    file: 'src/grpo/train.ts',
    find: 'const offPolicy = options.numIterations * options.stepsPerGeneration > 1;',
    replace: 'const offPolicy = options.numIterations > 1;',
    tests: [oldLogprobs],
  },
  {
    name: 'reference that follows the policy',
    file: 'src/grpo/train.ts',
    find: 'if (reference && options.syncRefModel && step',
    replace: 'if (reference) await mixDecoder(reference, decoder, 1);\n        if (reference && options.syncRefModel && step',
    tests: [variants],
    only: 'syncRefModel with',
  },
  {
    name: 'mixing weight of the reference exchanged',
    file: 'src/model/decoder.ts',
    find: 'source.weights.get(name)!, alpha)',
    replace: 'source.weights.get(name)!, 1 - alpha)',
    tests: ['src/model/decoder.test.ts'],
  },
];

/** Gradients and steps. */
const optimisation: readonly Mutant[] = [
  {
    name: "temperature not applied in the trainer's log-probabilities",
    file: 'src/training/update.ts',
    find: 'tokenLogprobs(decoder, pass.hidden, batch.targets, temperature)',
    replace: 'tokenLogprobs(decoder, pass.hidden, batch.targets, 1)',
    tests: [updateGradient],
  },
  {
    name: 'temperature not applied in the gradient of the head',
    file: 'src/model/token-logprobs.ts',
    find: 'if (temperature !== 1) ops.divScalar_(gradient, temperature);',
    replace: '',
    tests: ['src/model/token-logprobs.test.ts'],
  },
  {
    name: 'gradient kept for the next update',
    file: 'src/grpo/policy-update.ts',
    find: '  optimizer.zeroGrad();\n',
    replace: '',
    tests: [updateGradient],
  },
  {
    name: 'gradient not clipped',
    file: 'src/training/gradient-norm.ts',
    find: 'if (factor >= 1) return norm;',
    replace: 'if (factor > 0) return norm;',
    tests: ['src/training/gradient-norm.test.ts'],
  },
  {
    name: 'weight decay without the learning rate',
    file: 'src/training/optimizers/adamw.ts',
    find: '{ ...this.#options, learningRate, weightDecay }',
    replace: '{ ...this.#options, learningRate, weightDecay: weightDecay / learningRate }',
    tests: ['src/training/optimizers/adamw.test.ts'],
  },
  {
    name: 'bias of the moments not corrected',
    file: 'src/training/optimizers/adamw.ts',
    find: 'full([], state.steps,',
    replace: 'full([], 10_000 + state.steps,',
    tests: ['src/training/optimizers/adamw.test.ts'],
  },
  {
    name: 'learning rate off by one update',
    file: 'src/grpo/train.ts',
    find: 'run.schedule(step - iterationStart)',
    replace: 'run.schedule(step - iterationStart + 1)',
    tests: [variants],
    only: 'iterations: each',
  },
  {
    name: 'warm-up off by one update',
    file: 'src/training/schedule.ts',
    find: 'step < warmupSteps ? step / warmupSteps',
    replace: 'step < warmupSteps ? (step + 1) / warmupSteps',
    tests: ['src/training/schedule.test.ts'],
  },
];

/** Rollouts. */
const sampling: readonly Mutant[] = [
  {
    name: 'uniform number shared by the completions of a prompt',
    file: 'src/generate/engine.ts',
    find: 'sample: row.sample, token: row.ids.length })',
    replace: 'sample: 0, token: row.ids.length })',
    tests: ['src/generate/engine.test.ts'],
  },
  {
    name: 'uniform number shared by the prompts of a round',
    file: 'src/generate/engine.ts',
    find: 'prompt: row.request, sample',
    replace: 'prompt: 0, sample',
    tests: ['src/generate/engine.test.ts'],
  },
  {
    name: 'uniform number shared by the tokens of a completion',
    file: 'src/generate/engine.ts',
    find: 'sample: row.sample, token: row.ids.length })',
    replace: 'sample: row.sample, token: 0 })',
    tests: ['src/generate/engine.test.ts'],
  },
  {
    name: 'round missing in the random key of a rollout',
    file: 'src/grpo/train.ts',
    find: 'slots: plan.slots }, samplings++, signal)',
    replace: 'slots: plan.slots }, samplings++ * 0, signal)',
    tests: ['test/reproducible.test.ts'],
    only: 'comes again',
  },
  {
    name: 'position of a decoded token off by one',
    file: 'src/generate/engine.ts',
    find: 'waiting.ids.length + cache.length)',
    replace: 'waiting.ids.length + cache.length + 1)',
    tests: ['src/generate/engine.test.ts'],
  },
  {
    name: 'slot of the key-value cache off by one',
    file: 'src/generate/kv-cache.ts',
    find: 'ops.copy_(ops.narrow(cache, 2, this.length, 1)',
    replace: 'ops.copy_(ops.narrow(cache, 2, Math.max(0, this.length - 1), 1)',
    tests: ['src/generate/kv-cache.test.ts'],
  },
  {
    name: 'cache rows of ended completions not removed',
    file: 'src/generate/kv-cache.ts',
    find: 'ops.indexSelect(old!, 0, index)',
    replace: 'ops.narrow(old!, 0, 0, index.length)',
    tests: ['src/generate/kv-cache.test.ts'],
  },
  {
    name: 'temperature not applied while sampling',
    file: 'src/generate/sampler.ts',
    find: 'temperedLogprobs(logits, greedy ? 1 : sampling.temperature)',
    replace: 'temperedLogprobs(logits, 1)',
    tests: ['src/generate/sampler.test.ts'],
  },
  {
    name: 'rewards in the order in which they are done',
    file: 'src/rewards/score.ts',
    find: 'scored[index]!.results[call.spec.name] = results[i]!;',
    replace: 'scored.find((one) => !(call.spec.name in one.results))!.results[call.spec.name] = results[i]!;',
    tests: ['src/rewards/score.test.ts'],
  },
];

/** Every fault. */
export const mutants: readonly Mutant[] = [...advantages, ...loss, ...update, ...optimisation, ...sampling];
