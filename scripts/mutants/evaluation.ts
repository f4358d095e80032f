/** Faults of evaluations and of their statistics. */
import type { Mutant } from './mutant.ts';

export const evaluation: readonly Mutant[] = [
  {
    name: 'pass@k as if completions were drawn with replacement',
    file: 'src/eval/pass-at-k.ts',
    find: 'for (let i = n - c + 1; i <= n; i++) noneIsRight *= 1 - k / i;',
    replace: 'noneIsRight = (1 - c / n) ** k;',
    tests: ['src/eval/pass-at-k.test.ts'],
  },
  {
    name: 'the interval of a share is the plain normal one',
    file: 'src/eval/wilson.ts',
    find: 'const centre = (share + z2 / (2 * trials)) / (1 + z2 / trials);',
    replace: 'const centre = share;',
    tests: ['src/eval/wilson.test.ts'],
  },
  {
    name: 'McNemar is one-sided',
    file: 'src/eval/mcnemar.ts',
    find: 'Math.min(1, 2 * tail)',
    replace: 'Math.min(1, tail)',
    tests: ['src/eval/mcnemar.test.ts'],
  },
  {
    name: 'the permutation test looks at one side only',
    file: 'src/eval/resampling.ts',
    find: 'const isAsFar = (isFlipped: (i: number) => boolean): boolean => Math.abs(',
    replace: 'const isAsFar = (isFlipped: (i: number) => boolean): boolean => (',
    tests: ['src/eval/resampling.test.ts'],
  },
  {
    name: 'completions without an answer vote for none',
    file: 'src/eval/majority.ts',
    find: 'if (answer === null) return;',
    replace: '',
    tests: ['src/eval/majority.test.ts'],
  },
  {
    name: 'a question that cannot be judged counts as wrong',
    file: 'src/eval/summary.ts',
    find: 'return verdicts.every((verdict) => verdict !== null) ? [{ verdicts, completions }] : [];',
    replace: 'return [{ verdicts, completions }];',
    tests: ['src/eval/summary.test.ts'],
  },
  {
    name: 'an evaluation that goes on draws with other random numbers',
    file: 'src/eval/evaluate.ts',
    find: ', keyOf: ({ index }) => index });',
    replace: ' });',
    tests: ['test/evaluation.test.ts'],
  },
  {
    name: 'a line that was cut off stays in the file of an evaluation',
    file: 'src/eval/evaluation-folder.ts',
    find: 'if (existsSync(join(folder, QUESTIONS))) await truncate(join(folder, QUESTIONS), wholeBytes);',
    replace: '',
    tests: ['test/evaluation.test.ts'],
  },
  {
    name: 'the limit of checkpoints takes the best one too',
    file: 'src/run/checkpoints.ts',
    find: 'other !== step && other !== best',
    replace: 'other !== step',
    tests: ['src/run/checkpoints.test.ts', 'test/evaluation-in-training.test.ts'],
  },
  {
    name: 'the best checkpoint is the one with the least reward',
    file: 'src/grpo/evaluation.ts',
    find: 'greaterIsBetter ? value > best.value : value < best.value',
    replace: 'greaterIsBetter ? value < best.value : value > best.value',
    tests: ['test/evaluation-in-training.test.ts'],
  },
  {
    name: 'evaluation draws with the G of training',
    file: 'src/grpo/evaluation.ts',
    find: '{ ...options, numGenerations, slots }',
    replace: '{ ...options, slots }',
    tests: ['test/evaluation-in-training.test.ts'],
  },
];
