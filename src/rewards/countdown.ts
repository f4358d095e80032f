import { z } from 'zod';
import { expected } from '../errors.ts';
import type { Row } from '../data/row.ts';
import { extractAnswer, extractionParameter } from './answer-extraction.ts';
import { parseArithmetic } from './arithmetic.ts';
import { defineReward, parameter, scoreParameter, type PureReward } from './definition.ts';
import { columnParameter, columnValue } from './row-column.ts';

/**
 * The game of TinyZero: an expression over the given numbers, each at most as often as given, that makes the target.
 * `score` when it does and, with `useAll`, uses all of them; `formatOnly` for an expression over the given numbers that
 * does not; 0 for anything else. `expression = target` is read as well.
 */
export const countdown = defineReward({
  name: 'countdown',
  rule: '`score` for an expression over the given numbers, each at most as often as given (`useAll`: exactly), whose value is the target; `formatOnly` for an expression over the given numbers that misses it; else 0. `expression = target` is read as well. Values are exact fractions',
  range: '0, `formatOnly` or `score`',
  source: 'recipe 5, TinyZero, which gives `formatOnly` to any text between the tags',
  parameters: {
    useAll: parameter(z.boolean().default(true), 'true or false', 'whether every given number must be used'),
    numbers: columnParameter('numbers', "where the given numbers are, a list; 'nums' in TinyZero's data"),
    target: columnParameter('target', 'where the target is'),
    extract: extractionParameter('answer', 'where the expression stands'),
    formatOnly: parameter(z.number().default(0.1), 'a number', 'what an expression that misses the target earns'),
    score: scoreParameter,
  },
  make: ({ useAll, numbers, target, extract, formatOnly, score }): PureReward => {
    return ({ completion, row }) => {
      const game = gameOf(row, numbers, target);
      const equation = extractAnswer(completion.text, extract)?.split('=');
      if (!equation || equation.length > 2) return 0;
      const expression = parseArithmetic(equation[0]!);
      const left = expression ? leftOver(game.numbers, expression.numbers) : null;
      if (!expression || left === null) return 0;
      const claims = equation.length < 2 || equation[1]!.trim() === game.target;
      const value = claims && (!useAll || left === 0) ? expression.value() : null;
      return value?.denominator === 1n && String(value.numerator) === game.target ? score : formatOnly;
    };
  },
});

function gameOf(row: Row, numbersColumn: string, targetColumn: string): { numbers: string[]; target: string } {
  const numbers = columnValue(row, numbersColumn);
  const target = columnValue(row, targetColumn);
  if (!Array.isArray(numbers) || !numbers.every((one: unknown) => Number.isSafeInteger(one) && Number(one) >= 0)) {
    throw expected(numbersColumn, 'to be a list of whole numbers of 0 or more', numbers, 'change the column with the `map` of the dataset');
  }
  if (!Number.isSafeInteger(target)) throw expected(targetColumn, 'to be a whole number', target, 'change the column with the `map` of the dataset');
  return { numbers: numbers.map(String), target: String(target) };
}

/** How many given numbers stay unused; null when one is used that is not there. */
function leftOver(given: readonly string[], used: readonly string[]): number | null {
  const counts = new Map<string, number>();
  for (const number of given) counts.set(number, (counts.get(number) ?? 0) + 1);
  for (const number of used) {
    const count = counts.get(number) ?? 0;
    if (count === 0) return null;
    counts.set(number, count - 1);
  }
  return given.length - used.length;
}
