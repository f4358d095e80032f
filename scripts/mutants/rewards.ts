/** Faults of the built-in rewards. */
import type { Mutant } from './mutant.ts';

export const rewards: readonly Mutant[] = [
  {
    name: 'characters are UTF-16 units',
    file: 'src/rewards/length.ts',
    find: 'for (const _ of text) count++;',
    replace: 'count = text.length;',
    tests: ['src/rewards/length.test.ts'],
  },
  {
    name: 'wrong answers fall along the cosine as right ones do',
    file: 'src/rewards/cosine-scaled.ts',
    find: '[maxValueWrong, minValueWrong]',
    replace: '[minValueWrong, maxValueWrong]',
    tests: ['src/rewards/cosine-scaled.test.ts'],
  },
  {
    name: 'the cosine climbs again beyond its length',
    file: 'src/rewards/cosine-scaled.ts',
    find: 'Math.min(ids.length / maxLen, 1)',
    replace: '(ids.length / maxLen)',
    tests: ['src/rewards/cosine-scaled.test.ts'],
  },
  {
    name: 'the soft punishment starts one token early',
    file: 'src/rewards/soft-overlong-punishment.ts',
    find: 'maxCompletionLen - softPunishCache;',
    replace: 'maxCompletionLen - softPunishCache - 1;',
    tests: ['test/rewards-against-python.test.ts', 'src/rewards/soft-overlong-punishment.test.ts'],
  },
  {
    name: 'n-grams are told apart by their digits',
    file: 'src/rewards/repetition-penalty.ts',
    find: '.slice(i, i + ngramSize).join()',
    replace: ".slice(i, i + ngramSize).join('')",
    tests: ['src/rewards/repetition-penalty.test.ts'],
  },
  {
    name: 'the reasoning ends at its first delimiter',
    file: 'src/rewards/reasoning-accuracy.ts',
    find: 'text.lastIndexOf(delimiter)',
    replace: 'text.indexOf(delimiter)',
    tests: ['src/rewards/reasoning-accuracy.test.ts'],
  },
  {
    name: 'the first answer block counts',
    file: 'src/rewards/answer-extraction.ts',
    find: 'const start = text.lastIndexOf(open);',
    replace: 'const start = text.indexOf(open);',
    tests: ['src/rewards/answer-extraction.test.ts'],
  },
  {
    name: 'a number of countdown may be used again',
    file: 'src/rewards/countdown.ts',
    find: 'counts.set(number, count - 1);',
    replace: 'counts.set(number, count);',
    tests: ['src/rewards/countdown.test.ts'],
  },
  {
    name: 'differences are taken from right to left',
    file: 'src/rewards/arithmetic.ts',
    find: 'strength[top] >= least',
    replace: 'strength[top] > least',
    tests: ['src/rewards/arithmetic.test.ts'],
  },
  {
    name: 'a tag that stands twice earns its mark',
    file: 'src/rewards/tag-count.ts',
    find: 'first >= 0 && !text.includes(tag, first + tag.length)',
    replace: 'first >= 0',
    tests: ['src/rewards/tag-count.test.ts'],
  },
  {
    name: 'a first block of one line reaches over the line break behind it',
    file: 'src/rewards/format.ts',
    find: 'if (firstBreak < at) return false;',
    replace: 'if (nextBreak(open.length) < at) return false;',
    tests: ['src/rewards/format.test.ts'],
  },
  {
    name: 'digits of other scripts are no numbers',
    file: 'src/rewards/numbers.ts',
    find: 'asciiDigits(text).matchAll(plainNumber)',
    replace: 'text.matchAll(plainNumber)',
    tests: ['src/rewards/numbers.test.ts'],
  },
];
