/** Sums, products, powers and what stands between them. */
import type { Cursor } from './cursor.ts';
import { Unreadable } from './limits.ts';
import { readAtom, readGroupOrToken } from './parse-atom.ts';
import { add, divide, rational } from './rational.ts';
import type { Rational } from './rational.ts';
import { negative } from './syntax.ts';
import type { Node } from './syntax.ts';
import type { Token } from './tokens.ts';

/** Commands that stand between two things or close one, and so end a product written without signs. */
const ENDING = new Set([
  'cdot', 'times', 'div', 'pm', 'mp', 'cup', 'cap', 'setminus', 'backslash', 'in', 'and', 'or', 'le', 'leq', 'leqslant', 'ge', 'geq', 'geqslant', 'lt', 'gt', 'ne', 'neq', 'approx', 'equiv', 'sim', 'to',
  'rightarrow', 'Rightarrow', 'implies', 'rfloor', 'rceil', 'rangle', 'rvert', 'rVert', 'rbrace', 'rbrack', 'over', 'choose', 'ast', 'mod', 'bmod', 'pmod', 'lor', 'land', 'vee', 'wedge', 'colon', 'iff',
]);

/** A sum: terms with +, −, ± and ∓ between them. */
export function readSum(cursor: Cursor): Node {
  return cursor.nested(() => {
    const terms = [readProduct(cursor)];
    for (;;) {
      if (cursor.skip('+')) terms.push(readProduct(cursor));
      else if (cursor.skip('-')) terms.push(negative(readProduct(cursor)));
      else if (cursor.seesCommand('pm', 'mp')) terms.push(readSigned(cursor));
      else break;
    }
    return terms.length === 1 ? terms[0]! : { type: 'sum', terms };
  });
}

/** ± or ∓ with its term. */
function readSigned(cursor: Cursor): Node {
  const flipped = cursor.take().value === 'mp';
  return { type: 'plusMinus', expr: readProduct(cursor), flipped };
}

/** Factors with a sign of multiplication or division between them, from left to right. */
export function readProduct(cursor: Cursor, isArgument = false): Node {
  let left = readUnary(cursor, isArgument);
  for (;;) {
    const start = cursor.at;
    const operator = takeOperator(cursor);
    if (operator === null) return left;
    // `\sin x \cdot \cos x`: an argument without brackets ends before the next function.
    if (isArgument && startsFunction(cursor.peek())) {
      cursor.at = start;
      return left;
    }
    const right = readUnary(cursor, isArgument);
    if (operator === 'multiply') left = { type: 'product', factors: [left, right] };
    else if (operator === 'divide') left = { type: 'quotient', top: left, bottom: right };
    else left = { type: 'call', name: 'mod', args: [left, right] };
  }
}

function takeOperator(cursor: Cursor): 'multiply' | 'divide' | 'mod' | null {
  if (cursor.skip('*')) return 'multiply';
  if (cursor.skip('/', ':')) return 'divide';
  if (cursor.seesCommand('cdot', 'times', 'ast')) return cursor.take() && 'multiply';
  if (cursor.seesCommand('div', 'colon')) return cursor.take() && 'divide';
  if (cursor.seesCommand('bmod', 'mod')) return cursor.take() && 'mod';
  return null;
}

function readUnary(cursor: Cursor, isArgument: boolean): Node {
  return cursor.nested(() => {
    if (cursor.skip('-')) return negative(readUnary(cursor, isArgument));
    if (cursor.skip('+')) return readUnary(cursor, isArgument);
    if (cursor.seesCommand('pm', 'mp')) return readSigned(cursor);
    return readJuxtaposed(cursor, isArgument);
  });
}

/** Factors without a sign between them, which bind closer than `/`: 1/2x is 1/(2x). */
function readJuxtaposed(cursor: Cursor, isArgument: boolean): Node {
  const first = readPower(cursor);
  const mixed = isWhole(first) && cursor.tokens[cursor.at - 1]?.kind === 'number' ? readMixedNumber(cursor, first.value) : null;
  const factors = mixed ?? [first];
  while (startsFactor(cursor, isArgument)) {
    const wasNumber = cursor.tokens[cursor.at - 1]?.kind === 'number';
    if (cursor.peek()!.kind === 'number' && wasNumber) throw new Unreadable('two numbers side by side');
    factors.push(readPower(cursor));
  }
  return factors.length === 1 ? factors[0]! : { type: 'product', factors };
}

/** What follows a whole number that a fraction stands behind: one number with it, `2\frac{1}{2}` or `2 1/2`, or factors. */
function readMixedNumber(cursor: Cursor, whole: Rational): Node[] | null {
  const number = (value: Rational): Node => ({ type: 'number', value, decimal: false });
  if (cursor.seesCommand('frac', 'dfrac', 'tfrac', 'cfrac')) {
    const part = readPower(cursor);
    if (part.type !== 'quotient' || !isWhole(part.top) || !isWhole(part.bottom) || part.bottom.value.num === 0n) return [number(whole), part];
    return [number(add(whole, divide(part.top.value, part.bottom.value)))];
  }
  const [top, slash, bottom, next] = [0, 1, 2, 3].map((ahead) => cursor.peek(ahead));
  const isPlain = top?.spaced && /^\d{1,9}$/.test(top.value) && slash?.value === '/' && /^[1-9]\d{0,8}$/.test(bottom?.value ?? '') && !['^', '!', '**'].includes(next?.value ?? '');
  if (!isPlain) return null;
  cursor.at += 3;
  return [number(add(whole, rational(BigInt(top.value), BigInt(bottom!.value))))];
}

function isWhole(node: Node): node is Extract<Node, { type: 'number' }> {
  return node.type === 'number' && !node.decimal && node.value.den === 1n && node.value.num >= 0n;
}

function startsFactor(cursor: Cursor, isArgument: boolean): boolean {
  const token = cursor.peek();
  if (!token) return false;
  if (isArgument && startsFunction(token)) return false;
  if (token.kind === 'command') return !ENDING.has(token.value) && !token.value.startsWith('end:') && !(isBar(token) && cursor.bars > 0);
  if (token.kind === 'symbol') return ['(', '[', '{'].includes(token.value) || (token.value === '|' && cursor.bars === 0);
  return true;
}

function isBar(token: Token): boolean {
  return ['vert', 'Vert', 'mid', 'rvert', 'rVert'].includes(token.value);
}

function startsFunction(token: Token | null): boolean {
  return token?.kind === 'command' && /^(?:a|arc)?(?:sin|cos|tan|cot|sec|csc|sinh|cosh|tanh)$|^(?:log|ln|lg|exp)$/.test(token.value);
}

/** An atom with what is written behind it: powers, factorials, primes, percent and degree signs. */
function readPower(cursor: Cursor): Node {
  let node = readAtom(cursor);
  for (;;) {
    if (cursor.skip('^', '**')) {
      node = raised(node, readExponent(cursor));
    } else if (cursor.skip('!')) {
      node = { type: 'call', name: 'factorial', args: [node] };
    } else if (cursor.skip('%')) {
      node = { type: 'percent', expr: node };
    } else if (cursor.seesCommand('degree')) {
      cursor.take();
      node = { type: 'call', name: 'degree', args: [node] };
    } else if (cursor.skip("'")) {
      if (node.type !== 'symbol') throw new Unreadable('a prime behind no symbol');
      node = { ...node, name: `${node.name}'` };
    } else return node;
  }
}

function raised(base: Node, exponent: Node): Node {
  if (exponent.type !== 'symbol') return { type: 'power', base, exponent };
  if (exponent.name === '\\circ') return { type: 'call', name: 'degree', args: [base] };
  if (exponent.name === '\\prime' && base.type === 'symbol') return { ...base, name: `${base.name}'` };
  return { type: 'power', base, exponent };
}

/** What stands behind `^`: braces, or one token, with a sign of its own in plain text. Towers are read from the right. */
function readExponent(cursor: Cursor): Node {
  return cursor.nested(() => {
    if (cursor.skip('-')) return negative(readExponent(cursor));
    const exponent = readGroupOrToken(cursor);
    return cursor.skip('^', '**') ? { type: 'power', base: exponent, exponent: readExponent(cursor) } : exponent;
  });
}
