import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseArithmetic } from './arithmetic.ts';

/** The value as text, 'none' for a division by zero, null for no expression. */
function valueOf(text: string): string | null {
  const expression = parseArithmetic(text);
  if (expression === null) return null;
  const value = expression.value();
  if (value === null) return 'none';
  return value.denominator === 1n ? String(value.numerator) : `${value.numerator}/${value.denominator}`;
}

const values: [text: string, value: string | null][] = [
  ['1 + 2 * 3', '7'],
  ['(1 + 2) * 3', '9'],
  ['8 - 3 - 2', '3'],
  ['24 / 4 / 2', '3'],
  ['1 / 3 * 3', '1'],
  ['1 / 3 - 1', '-2/3'],
  ['2 - -3', '5'],
  ['-2 * 3', '-6'],
  ['--(4)', '4'],
  ['-(3 - 5) * 2', '4'],
  ['6 ÷ 4 × 2 − 1', '2'],
  ['5 / (3 - 3)', 'none'],
  ['99999999999999999999 + 1', '100000000000000000000'],
  ['\t7 ', '7'],
  ['', null],
  ['()', null],
  ['1 +', null],
  ['+ 1', null],
  ['1 2', null],
  ['2(3)', null],
  ['(1', null],
  ['1)', null],
  ['2 ** 3', null],
  ['7 // 2', null],
  ['1.5', null],
  ['007', null],
  ['x + 1', null],
  ['process.exit()', null],
  ['1 + 2 = 3', null],
];
for (const [text, value] of values) test(`${JSON.stringify(text)} is ${value}`, () => assert.equal(valueOf(text), value));

test('names its numbers in order', () => assert.deepEqual(parseArithmetic('44 + 19 * (35 - 44)')?.numbers, ['44', '19', '35', '44']));

test('no depth of brackets is too much', () => {
  assert.equal(valueOf(`${'('.repeat(50_000)}7${')'.repeat(50_000)}`), '7');
  assert.equal(valueOf(`${'-('.repeat(30_001)}7${')'.repeat(30_001)}`), '-7');
});
