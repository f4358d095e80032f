/** The smallest things of an expression: numbers, letters, brackets, fractions, roots and functions. */
import type { Cursor } from './cursor.ts';
import { Unreadable } from './limits.ts';
import { readProduct, readSum } from './parse-expression.ts';
import { readBrackets, readMatrix } from './parse-brackets.ts';
import { readSeries } from './parse-series.ts';
import { fromDecimal, multiply, power } from './rational.ts';
import { children, integer, mapChildren } from './syntax.ts';
import type { Node } from './syntax.ts';

/** Commands that are symbols by themselves. */
const SYMBOLS = /^(?:alpha|beta|gamma|delta|(?:var)?epsilon|zeta|eta|(?:var)?theta|iota|kappa|lambda|mu|nu|xi|omicron|(?:var)?rho|(?:var)?sigma|tau|upsilon|(?:var)?phi|chi|psi|omega|Gamma|Delta|Theta|Lambda|Xi|Pi|Sigma|Upsilon|Phi|Psi|Omega|ell|hbar|angle|triangle|circ|prime|square|star|perp|parallel|cong|dagger|bigcirc|heartsuit|clubsuit|spadesuit|diamondsuit)$/;

/** Other names of functions, by the name they are computed under. */
const FUNCTION_NAMES: Readonly<Record<string, string>> = {
  arcsin: 'asin', arccos: 'acos', arctan: 'atan', asin: 'asin', acos: 'acos', atan: 'atan', sin: 'sin', cos: 'cos', tan: 'tan', cot: 'cot', sec: 'sec', csc: 'csc', sinh: 'sinh', cosh: 'cosh', tanh: 'tanh',
  exp: 'exp', ln: 'ln', log: 'log', lg: 'log', abs: 'abs', floor: 'floor', ceil: 'ceil',
};

/** Accents that are drawn in two ways. */
const ACCENTS: Readonly<Record<string, string>> = { overline: 'bar', overrightarrow: 'vec', widehat: 'hat' };

const SEVERAL = new Set(['gcd', 'lcm', 'max', 'min']);
const TRIGONOMETRIC = new Set(['sin', 'cos', 'tan', 'cot', 'sec', 'csc']);

/** One atom, without what is written behind it. */
export function readAtom(cursor: Cursor): Node {
  return cursor.nested(() => {
    const token = cursor.take();
    switch (token.kind) {
      case 'number':
        return readNumber(cursor, token.value);
      case 'letter':
        return letter(`${token.value}${readSubscript(cursor)}`);
      case 'letters':
        // One letter at a time: a power or a subscript belongs to the last one alone.
        cursor.back({ kind: token.value.length > 2 ? 'letters' : 'letter', value: token.value.slice(1), spaced: false });
        return letter(token.value[0]!);
      case 'text':
        return word(`${token.value}${readSubscript(cursor)}`);
      case 'command':
        return readCommand(cursor, token.value);
      case 'symbol':
        return readSymbol(cursor, token.value);
    }
  });
}

/** What a macro such as `\frac` takes: braces, or the next digit or letter alone. */
export function readGroupOrToken(cursor: Cursor): Node {
  if (cursor.sees('{') || (cursor.sees('(') && !cursor.strict)) return readAtom(cursor);
  const token = cursor.peek();
  if (token?.kind === 'number' || token?.kind === 'letter' || token?.kind === 'command') return readAtom(cursor);
  throw new Unreadable('no argument');
}

function readNumber(cursor: Cursor, text: string): Node {
  const [digits = '', exponent] = text.toLowerCase().split('e');
  const bar = cursor.peek();
  const repeated = bar?.kind === 'command' ? /^overline:(\d+)$/.exec(bar.value)?.[1] : undefined;
  if (repeated !== undefined && digits.includes('.')) {
    cursor.take();
    return repeating(digits, repeated);
  }
  readSubscript(cursor);
  const value = fromDecimal(digits);
  if (exponent === undefined) return { type: 'number', value, decimal: /\.\d/.test(digits) };
  return { type: 'number', value: multiply(value, power({ num: 10n, den: 1n }, BigInt(exponent))), decimal: false };
}

/** `0.1\overline{6}`, exactly: the period is a fraction over nines. */
function repeating(digits: string, period: string): Node {
  const places = digits.length - digits.indexOf('.') - 1;
  const start = fromDecimal(digits);
  const nines = { num: BigInt(period), den: (10n ** BigInt(period.length) - 1n) * 10n ** BigInt(places) };
  return { type: 'quotient', top: { type: 'sum', terms: [{ type: 'quotient', top: integer(start.num), bottom: integer(start.den) }, { type: 'quotient', top: integer(nines.num), bottom: integer(nines.den) }] }, bottom: integer(1n) };
}

function letter(name: string): Node {
  const lower = name.toLowerCase();
  if (lower === 'e') return { type: 'constant', name: 'e' };
  if (lower === 'i') return { type: 'constant', name: 'i' };
  return { type: 'symbol', name: lower, word: false };
}

/** Words: blanks, brackets and case do not count, so that `\text{(A)}` is A. */
function word(text: string): Node {
  const name = text.replace(/[\s()]/g, '').toLowerCase();
  if (name.length === 1) return letter(name);
  return { type: 'symbol', name, word: true };
}

/** The text behind `_`, with its underscore; '' where there is none. */
function readSubscript(cursor: Cursor): string {
  if (!cursor.skip('_')) return '';
  if (!cursor.skip('{')) return `_${cursor.take().value}`;
  let text = '';
  for (let open = 1; open > 0; ) {
    const { value } = cursor.take();
    if (value === '{') open++;
    if (value === '}') open--;
    if (open > 0) text += value;
  }
  return `_${text}`;
}

function readSymbol(cursor: Cursor, value: string): Node {
  if (value === '(' || value === '[' || value === '{' || value === '\\{') return readBrackets(cursor, value);
  if (value === '|') return readBars(cursor);
  throw new Unreadable(`did not expect ${value}`);
}

function readBars(cursor: Cursor): Node {
  cursor.bars++;
  const inside = readSum(cursor);
  cursor.bars--;
  if (!cursor.skip('|')) {
    if (!cursor.seesCommand('vert', 'Vert', 'rvert', 'rVert', 'mid')) throw new Unreadable('a bar does not close');
    cursor.take();
  }
  return { type: 'call', name: 'abs', args: [inside] };
}

function readCommand(cursor: Cursor, name: string): Node {
  if (/^[dtc]?frac$/.test(name)) return { type: 'quotient', top: readFractionPart(cursor), bottom: readFractionPart(cursor) };
  if (/^[dt]?binom$/.test(name)) return { type: 'call', name: 'binom', args: [readFractionPart(cursor), readFractionPart(cursor)] };
  if (name === 'sqrt') return readRoot(cursor);
  if (name === 'pi') return { type: 'constant', name: 'pi' };
  if (name === 'infty') return { type: 'constant', name: 'infinity' };
  if (name === 'imath') return letter('i');
  if (name === 'lfloor' || name === 'lceil') return readRounded(cursor, name.slice(1));
  if (['lvert', 'vert', 'Vert', 'lVert', 'mid'].includes(name)) return readBars(cursor);
  if (name === 'langle' || name === 'lbrace' || name === 'lbrack') return readBrackets(cursor, name);
  if (name === 'emptyset' || name === 'varnothing') return { type: 'set', items: [] };
  if (Object.hasOwn(FUNCTION_NAMES, name)) return readFunction(cursor, FUNCTION_NAMES[name]!);
  if (name === 'sum' || name === 'prod') return readSeries(cursor, name);
  if (SEVERAL.has(name)) return readSeveral(cursor, name);
  if (SYMBOLS.test(name)) return { type: 'symbol', name: `\\${name}${readSubscript(cursor)}`.toLowerCase(), word: false };
  return readBraced(cursor, name);
}

/** Commands that the tokenizer keeps together with their braces: `overline:AB`, `mathbb:R`, `begin:pmatrix`. */
function readBraced(cursor: Cursor, name: string): Node {
  const [command = '', inside = ''] = name.split(':');
  if (command === 'begin') return readMatrix(cursor, inside);
  if (command === 'mathbb') return blackboard(inside);
  if (command === 'mathcal') return letter(inside);
  if (inside !== '') return { type: 'symbol', name: `${ACCENTS[command] ?? command}{${inside}}${readSubscript(cursor)}`, word: false };
  throw new Unreadable(`unknown command ${name}`);
}

function blackboard(name: string): Node {
  const infinity: Node = { type: 'constant', name: 'infinity' };
  if (name === 'R') return { type: 'interval', low: { type: 'product', factors: [integer(-1n), infinity] }, high: infinity, lowOpen: true, highOpen: true };
  const names = { N: 'naturals', Z: 'integers', Q: 'rationals', C: 'complexes' } as const;
  if (name === 'N' || name === 'Z' || name === 'Q' || name === 'C') return { type: 'namedSet', name: names[name] };
  throw new Unreadable(`unknown set ${name}`);
}

/** `\frac12` takes a digit each, where the tokenizer sees the number 12; `\frac{1}{2}` takes braces. */
function readFractionPart(cursor: Cursor): Node {
  const token = cursor.peek();
  if (cursor.strict && !cursor.sees('{')) throw new Unreadable('no braces');
  if (token?.kind !== 'number' || !/^\d{2,}$/.test(token.value)) return readGroupOrToken(cursor);
  // The rest of the number is the next part, or a factor behind the fraction.
  const rest = { ...token, value: token.value.slice(1), spaced: false };
  cursor.at++;
  cursor.back(rest);
  return integer(BigInt(token.value[0]!));
}

function readRoot(cursor: Cursor): Node {
  let degree: Node = integer(2n);
  if (cursor.skip('[')) {
    degree = readSum(cursor);
    cursor.expect(']');
  }
  if (cursor.strict && !cursor.sees('{')) throw new Unreadable('no braces');
  const radicand = readGroupOrToken(cursor);
  return { type: 'power', base: radicand, exponent: { type: 'quotient', top: integer(1n), bottom: degree } };
}

function readRounded(cursor: Cursor, name: string): Node {
  const inside = readSum(cursor);
  if (!cursor.seesCommand(`r${name}`)) throw new Unreadable('a bracket does not close');
  cursor.take();
  return { type: 'call', name, args: [inside] };
}

/** A function of one argument, in brackets or without: `\sin^2 x`, `\log_2 8`, `\sin(2x)`. */
function readFunction(cursor: Cursor, name: string): Node {
  let base: Node | null = null;
  let exponent: Node | null = null;
  for (;;) {
    if (cursor.skip('_')) base = readGroupOrToken(cursor);
    else if (cursor.skip('^')) exponent = readGroupOrToken(cursor);
    else break;
  }
  const inBrackets = cursor.sees('(', '{', '[');
  const argument = inBrackets ? readAtom(cursor) : readProduct(cursor, true);
  const args = [TRIGONOMETRIC.has(name) ? inRadians(argument) : argument];
  if (isMinusOne(exponent) && TRIGONOMETRIC.has(name)) return { type: 'call', name: `a${name}`, args };
  const call = withBase(name, args, base);
  return exponent ? { type: 'power', base: call, exponent } : call;
}

/** `\log` without a base is the one to base 10, as math-verify reads it. */
function withBase(name: string, args: Node[], base: Node | null): Node {
  if (name !== 'log') return { type: 'call', name, args };
  const ln = (of: Node): Node => ({ type: 'call', name: 'ln', args: [of] });
  return { type: 'quotient', top: ln(args[0]!), bottom: ln(base ?? integer(10n)) };
}

function isMinusOne(node: Node | null): boolean {
  return node?.type === 'number' && node.value.num === -1n && node.value.den === 1n;
}

/** Under a trigonometric function a degree sign counts: 30° is π/6. Elsewhere it is a unit. */
function inRadians(node: Node): Node {
  if (node.type === 'call' && node.name === 'degree') {
    return { type: 'quotient', top: { type: 'product', factors: [node.args[0]!, { type: 'constant', name: 'pi' }] }, bottom: integer(180n) };
  }
  return mapChildren(node, inRadians);
}

function readSeveral(cursor: Cursor, name: string): Node {
  const list = readAtom(cursor);
  const args = list.type === 'interval' || list.type === 'tuple' || list.type === 'set' ? children(list) : [list];
  return { type: 'call', name, args };
}
