/**
 * Arithmetic as a person writes it, `35 * (44 - 19) / 5`, with exact fractions. A parser of its own that never runs code;
 * without recursion, so that no depth of brackets is too much.
 */

/** A fraction in lowest terms; the denominator is positive. */
export interface Fraction {
  numerator: bigint;
  denominator: bigint;
}

/** An expression that could be read. */
export interface Arithmetic {
  /** The whole numbers in it, as written, in order. */
  numbers: readonly string[];
  /** Its value; null when it divides by zero. */
  value(): Fraction | null;
}

type Operator = '+' | '-' | '*' | '/' | 'negate';

/** Higher binds tighter; a sign binds tighter than a product, as in Python. */
const strength: Readonly<Record<Operator, number>> = { '+': 1, '-': 1, '*': 2, '/': 2, negate: 3 };

/** Signs that models write for the four operations. */
const signs: Readonly<Record<string, Operator>> = { '+': '+', '-': '-', '−': '-', '*': '*', '×': '*', '·': '*', '/': '/', '÷': '/' };

/** Whole numbers without leading zeros, the four operations, brackets and white space; anything else makes no match. */
const token = /\s*(?:(0|[1-9]\d*)(?!\d)|([-+*/−×·÷])|([()]))/y;

/** Reads an expression; null for a text that is none. `**` and `//` are none. */
export function parseArithmetic(text: string): Arithmetic | null {
  const numbers: string[] = [];
  const postfix: (string | Operator)[] = [];
  const waiting: (Operator | '(')[] = [];
  let wantsValue = true;
  const whole = text.trimEnd();
  token.lastIndex = 0;
  while (token.lastIndex < whole.length) {
    const found = token.exec(whole);
    if (found === null) return null;
    const [, number, sign, bracket] = found;
    if (number !== undefined) {
      if (!wantsValue) return null;
      numbers.push(number);
      postfix.push(number);
      wantsValue = false;
    } else if (sign !== undefined) {
      const written = signs[sign]!;
      if (wantsValue && written !== '-') return null;
      const operator = wantsValue ? 'negate' : written;
      // A sign waits for what follows it; the others take what stands before them, from left to right.
      if (operator !== 'negate') unwind(waiting, postfix, strength[operator]);
      waiting.push(operator);
      wantsValue = true;
    } else if (bracket === '(') {
      if (!wantsValue) return null;
      waiting.push('(');
    } else {
      if (wantsValue) return null;
      unwind(waiting, postfix, 0);
      if (waiting.pop() !== '(') return null;
    }
  }
  unwind(waiting, postfix, 0);
  return wantsValue || waiting.length > 0 ? null : { numbers, value: () => evaluate(postfix) };
}

/** Moves waiting operators that bind at least so tight to the output, down to the last open bracket. */
function unwind(waiting: (Operator | '(')[], postfix: (string | Operator)[], least: number): void {
  for (let top = waiting.at(-1); top !== undefined && top !== '(' && strength[top] >= least; top = waiting.at(-1)) {
    postfix.push(top);
    waiting.pop();
  }
}

function evaluate(postfix: readonly (string | Operator)[]): Fraction | null {
  const stack: Fraction[] = [];
  for (const item of postfix) {
    if (!Object.hasOwn(strength, item)) {
      stack.push({ numerator: BigInt(item), denominator: 1n });
      continue;
    }
    const right = stack.pop()!;
    if (item === 'negate') {
      stack.push({ ...right, numerator: -right.numerator });
      continue;
    }
    const result = combine(item as Exclude<Operator, 'negate'>, stack.pop()!, right);
    if (result === null) return null;
    stack.push(result);
  }
  return stack.pop()!;
}

function combine(operator: Exclude<Operator, 'negate'>, a: Fraction, b: Fraction): Fraction | null {
  const [p, q, r, s] = [a.numerator, a.denominator, b.numerator, b.denominator];
  if (operator === '+') return lowest(p * s + r * q, q * s);
  if (operator === '-') return lowest(p * s - r * q, q * s);
  if (operator === '*') return lowest(p * r, q * s);
  return r === 0n ? null : lowest(p * s, q * r);
}

function lowest(numerator: bigint, denominator: bigint): Fraction {
  let [a, b] = [numerator < 0n ? -numerator : numerator, denominator < 0n ? -denominator : denominator];
  while (b !== 0n) [a, b] = [b, a % b];
  const divisor = denominator < 0n ? -a : a;
  return { numerator: numerator / divisor, denominator: denominator / divisor };
}
