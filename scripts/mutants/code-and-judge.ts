/** Faults of rewards that would be trained on without a word. */
import type { Mutant } from './mutant.ts';

/** Code that must pass tests, and judges. */
export const codeAndJudge: readonly Mutant[] = [
  {
    name: 'code: a test passes though a limit was met on the way',
    file: 'src/rewards/code/quickjs-sandbox.ts',
    find: "if (pair.stopped) return { verdict: pair.stopped, reason: 'a limit was met' };",
    replace: '',
    tests: ['src/rewards/code-tests.test.ts'],
    only: 'forgives',
  },
  {
    name: 'code: functions inside a result reach the test',
    file: 'src/rewards/code/border-script.ts',
    find: "if (kind === 'f' && (outermost || !isChecker))",
    replace: "if (kind === 'f')",
    tests: ['src/rewards/code-tests.test.ts'],
    only: 'methods of its own',
  },
  {
    name: 'code: an assertion that is false passes',
    file: 'src/rewards/code/checker-script.ts',
    find: 'await run(scope) !== false',
    replace: 'await run(scope) !== undefined || true',
    tests: ['src/rewards/code-tests.test.ts'],
    only: 'share that passes',
  },
  {
    name: 'code: Python whose process has ended passes a test that forgives errors',
    file: 'src/rewards/code/python-script.ts',
    find: 'if right and not border.is_broken:',
    replace: 'if right:',
    tests: ['src/rewards/code-tests-commands.test.ts'],
    only: 'forgives errors',
  },
  {
    name: 'judge: the swapped order is not turned back',
    file: 'src/rewards/judge.ts',
    find: "swapped === 'A' ? 'B' : 'A';",
    replace: 'swapped;',
    tests: ['src/rewards/judge.test.ts'],
  },
  {
    name: 'judge: the other of a pair gets the share of the first',
    file: 'src/rewards/judge.ts',
    find: 'add(j, 1 - share, agreed)',
    replace: 'add(j, share, agreed)',
    tests: ['src/rewards/judge.test.ts'],
  },
  {
    name: 'judge: the first score of an answer instead of the last',
    file: 'src/rewards/judge/answers.ts',
    find: 'answer.matchAll(SCORE)].at(-1)',
    replace: 'answer.matchAll(SCORE)].at(0)',
    tests: ['src/rewards/judge/answers.test.ts'],
  },
  {
    name: 'judge: the cache does not know the messages',
    file: 'src/rewards/judge/answer-cache.ts',
    find: '.filter(([, one]) => one !== undefined)',
    replace: ".filter(([name]) => name !== 'messages')",
    tests: ['src/rewards/judge.test.ts'],
  },
];
