/** Faults of the estimate of memory and time, and of the plan that is made from it. */
import type { Mutant } from './mutant.ts';

export const estimate: readonly Mutant[] = [
  {
    name: 'activations of a prompt counted for every completion',
    file: 'src/training/activations.ts',
    find: 'return prompts * (promptTokens + generations * (newTokens - 1));',
    replace: 'return prompts * generations * (promptTokens + newTokens - 1);',
    tests: ['src/training/activations.test.ts'],
  },
  {
    name: 'layers that are computed again are counted as kept',
    file: 'src/training/activations.ts',
    find: 'if (checkpoint) return',
    replace: 'if (!checkpoint) return',
    tests: ['src/training/activations.test.ts'],
  },
  {
    name: 'sampling and updating counted as if they were there at once',
    file: 'src/grpo/memory-estimate.ts',
    find: 'return total(always) + Math.max(total(rollout), total(update));',
    replace: 'return total(always) + total(rollout) + total(update);',
    tests: ['src/grpo/memory-estimate.test.ts'],
  },
  {
    name: 'a reference that is shared counted as a copy',
    file: 'src/grpo/run-sizes.ts',
    find: "shares ? 'shared' : 'copy'",
    replace: "shares ? 'copy' : 'copy'",
    tests: ['src/grpo/run-sizes.test.ts'],
  },
  {
    name: 'a plan beyond the limit is taken',
    file: 'src/grpo/choose-plan.ts',
    find: 'if (smallest.peak > limit.bytes) throw',
    replace: 'if (smallest.peak > 2 * limit.bytes) throw',
    tests: ['src/grpo/choose-plan.test.ts'],
  },
  {
    name: '`maxMemory` is not asked',
    file: 'src/grpo/run-sizes.ts',
    find: 'return asked.bytes < machine.bytes ? asked : machine;',
    replace: 'return machine;',
    tests: ['src/grpo/run-sizes.test.ts'],
  },
  {
    name: 'a round that serves several updates counted for each',
    file: 'src/grpo/time-estimate.ts',
    find: 'rollout: rolloutSeconds(run, plan, roof, shares) / run.updates,',
    replace: 'rollout: rolloutSeconds(run, plan, roof, shares),',
    tests: ['src/grpo/time-estimate.test.ts'],
  },
];
