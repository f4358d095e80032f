/** Faults between the prompts and the rewards. */
import type { Mutant } from './mutant.ts';

/** Rollouts. */
export const sampling: readonly Mutant[] = [
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
