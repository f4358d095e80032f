/** Faults of the comparison of math answers. */
import type { Mutant } from './mutant.ts';

const against = ['test/math-against-math-verify.test.ts'];
const own = ['src/rewards/math/math-equals.test.ts'];

export const math: readonly Mutant[] = [
  {
    name: 'mixed numbers are products',
    file: 'src/rewards/math/parse-expression.ts',
    find: 'add(whole, divide(part.top.value, part.bottom.value))',
    replace: 'divide(part.top.value, part.bottom.value)',
    tests: against,
  },
  {
    name: 'a whole number may be met after rounding',
    file: 'src/rewards/math/scalar.ts',
    find: 'x.den !== 1n && y.den !== 1n && roundTo',
    replace: 'roundTo',
    tests: own,
  },
  {
    name: 'an inequality keeps its direction under a negative factor',
    file: 'src/rewards/math/compare.ts',
    find: 'SWAPPED[a.relator] === b.relator;',
    replace: 'a.relator === b.relator;',
    tests: own,
  },
  {
    name: 'intervals are compared without their brackets',
    file: 'src/rewards/math/same-collection.ts',
    find: 'a.lowOpen === b.lowOpen && a.highOpen === b.highOpen && ',
    replace: '',
    tests: own,
  },
  {
    name: 'of conditions with "and" between one is enough',
    file: 'src/rewards/math/same-collection.ts',
    find: "node.all ? 'intersection' : 'union'",
    replace: "'union'",
    tests: own,
  },
  {
    name: 'the morning is the evening',
    file: 'src/rewards/math/math-equals.ts',
    find: '&& halfOfDay(gold) !== halfOfDay(answer)) return',
    replace: '&& gold === answer) return',
    tests: own,
  },
  {
    name: 'relations between numbers are multiples of each other',
    file: 'src/rewards/math/compare.ts',
    find: 'symbolsOf(x).size + symbolsOf(y).size === 0',
    replace: 'x === y',
    tests: own,
  },
  {
    name: 'functions of symbols are compared at positive points alone',
    file: 'src/rewards/math/scalar.ts',
    find: '(random() < 0.4 ? -1 : 1)',
    replace: '1',
    tests: own,
  },
  {
    name: 'an answer that cannot be compared counts as right',
    file: 'src/rewards/math/math-equals.ts',
    find: "return isKnown ? 'different' : 'incomparable';",
    replace: "return isKnown ? 'different' : 'equal';",
    tests: own,
  },
  {
    name: 'the first place of a rank counts instead of the last',
    file: 'src/rewards/math/extract.ts',
    find: 'b.end - a.end ||',
    replace: 'a.end - b.end ||',
    tests: ['src/rewards/math/extract.test.ts'],
  },
  {
    name: 'a solution without mathematics earns 0',
    file: 'src/rewards/math/math-answer.ts',
    find: "verdict === 'noGold' ? null :",
    replace: "verdict === 'noGold' ? 0 :",
    tests: ['src/rewards/math/math-answer.test.ts'],
  },
];
