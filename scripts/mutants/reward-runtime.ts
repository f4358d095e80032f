import type { Mutant } from './mutant.ts';

/** Calls of rewards: their deadlines, tries and results. */
export const rewardRuntime: readonly Mutant[] = [
  {
    name: 'a late reward told as an error',
    file: 'src/rewards/reward-call.ts',
    find: "const kind = error === late ? 'timeout' : 'error';",
    replace: "const kind = 'error' as 'timeout' | 'error';",
    tests: ['src/rewards/score.test.ts'],
  },
  {
    name: 'a remote reward tried once too often',
    file: 'src/rewards/reward-call.ts',
    find: 'tries > spec.retries)',
    replace: 'tries > spec.retries + 1)',
    tests: ['src/rewards/score.test.ts'],
  },
  {
    name: 'a reward that is no number tried again',
    file: 'src/rewards/reward-call.ts',
    find: '[toResult(name, value)], false)',
    replace: '[toResult(name, value)], true)',
    tests: ['src/rewards/score.test.ts'],
  },
  {
    name: 'late rewards left out of the rate that stops a run',
    file: 'src/rewards/error-rate.ts',
    find: "result.kind === 'error' || result.kind === 'timeout' ?",
    replace: "result.kind === 'error' ?",
    tests: ['src/rewards/error-rate.test.ts'],
  },
];
