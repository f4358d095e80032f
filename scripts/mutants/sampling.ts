/** Faults between the prompts and the rewards. */
import type { Mutant } from './mutant.ts';

/** Rollouts. */
export const sampling: readonly Mutant[] = [
  {
    name: 'uniform number shared by the completions of a prompt',
    file: 'src/generate/engine.ts',
    find: 'sample, token: ids.length })',
    replace: 'sample: 0, token: ids.length })',
    tests: ['src/generate/engine.test.ts'],
  },
  {
    name: 'uniform number shared by the prompts of a round',
    file: 'src/generate/engine.ts',
    find: 'prompt: request.key, sample',
    replace: 'prompt: 0, sample',
    tests: ['src/generate/engine.test.ts'],
  },
  {
    name: 'uniform number shared by the tokens of a completion',
    file: 'src/generate/engine.ts',
    find: 'sample, token: ids.length })',
    replace: 'sample, token: 0 })',
    tests: ['src/generate/engine.test.ts'],
  },
  {
    name: 'round missing in the random key of a rollout',
    file: 'src/grpo/train.ts',
    find: '{ ...options, slots, decodingCopies }, sampling, {',
    replace: '{ ...options, slots, decodingCopies }, 0, {',
    tests: ['test/reproducible.test.ts'],
    only: 'comes again',
  },
  {
    name: 'position of a decoded token off by one',
    file: 'src/generate/engine.ts',
    find: 'request.ids.length + ids.length - 1)',
    replace: 'request.ids.length + ids.length)',
    tests: ['src/generate/engine.test.ts'],
  },
  {
    name: 'token of the key-value cache written one place late',
    file: 'src/generate/engine.ts',
    find: '({ slot, length: ids.length, prompt',
    replace: '({ slot, length: ids.length + 1, prompt',
    tests: ['src/generate/engine.test.ts'],
  },
  {
    name: 'two rows of the key-value cache in one slot',
    file: 'src/generate/engine.ts',
    find: 'slot: this.#freeSlots.pop()!',
    replace: 'slot: this.#freeSlots.pop()! >> 1',
    tests: ['src/generate/engine.test.ts'],
  },
  {
    name: 'a prompt read by the rows of another',
    file: 'src/generate/kv-cache.ts',
    find: 'numbers.get(prompt)!]',
    replace: '0]',
    tests: ['src/generate/kv-cache.test.ts'],
  },
  {
    name: 'temperature not applied while sampling',
    file: 'src/generate/sampler.ts',
    find: 'greedy ? 1 : sampling.temperature;',
    replace: '1;',
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
