/** Numbers in texts. */
import { isSpace, strip } from './white-space.ts';

/** `-?\d*\.?\d+` over ASCII digits. */
const plainNumber = /-?\d*\.?\d+/g;

/**
 * The value of a text that holds exactly one match of `-?\d*\.?\d+`, else null: `1,350` holds two. The rule of recipe 3, whose
 * `\d` is Python's: a decimal digit of any script.
 */
export function singleNumber(text: string): number | null {
  const found = asciiDigits(text).matchAll(plainNumber);
  const first = found.next();
  return first.done || !found.next().done ? null : Number(first.value[0]);
}

/**
 * The number at the very end of a text, after the start, white space or `=`, as text in ASCII digits; `$` and `%` are left
 * out. The rule that recipe 3 evaluates with. It reads backwards: as a regular expression it takes quadratic time on long runs
 * of digits.
 */
export function lastNumber(text: string): string | null {
  const plain = strip(asciiDigits(text).replace(/[$%]/g, ''));
  const isDigit = (i: number): boolean => i >= 0 && plain[i]! >= '0' && plain[i]! <= '9';
  let start = plain.length;
  while (isDigit(start - 1)) start--;
  if (start === plain.length) return null;
  if (plain[start - 1] === '.') {
    start--;
    while (isDigit(start - 1)) start--;
  }
  if (plain[start - 1] === '-') start--;
  return start === 0 || plain[start - 1] === '=' || isSpace(plain[start - 1]) ? plain.slice(start) : null;
}

/** Decimal digits of every script as ASCII: `٣` and `３` are 3. */
function asciiDigits(text: string): string {
  return text.replace(/(?![0-9])\p{Nd}/gu, (digit) => String(digitValue(digit.codePointAt(0)!)));
}

/** In Unicode decimal digits stand in runs of ten, from 0 to 9; some runs follow one another. */
function digitValue(code: number): number {
  let before = 0;
  while (/\p{Nd}/u.test(String.fromCodePoint(code - before - 1))) before++;
  return before % 10;
}

/** A sign counts where no letter, digit or closing bracket stands before it: in `10-5` it is a minus. */
const number = /(?:(?<![\p{L}\p{N})\]}])-)?(?:\d+(?:\.\d+)?|\.\d+)(?:[eE][+-]?\d+)?/gu;

/** The numbers of a text as people write them: commas between groups of three digits are left out, `−` is a minus. */
export function numbersIn(text: string): number[] {
  const plain = text.replaceAll('−', '-').replace(/(\d),(?=\d{3}(?!\d))/g, '$1');
  return Array.from(plain.matchAll(number), ([found]) => Number(found));
}
