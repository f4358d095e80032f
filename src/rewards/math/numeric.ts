/** The value of an expression in doubles, for given values of its symbols. */
import { arcSine, cosine, exponential, logarithm, magnitude, over, plus, real, sine, times, toPower } from './complex.ts';
import type { Complex } from './complex.ts';
import { toNumber } from './rational.ts';
import type { Node } from './syntax.ts';

const NOWHERE: Complex = real(Number.NaN);

/** The value; a number that is not finite where the expression has none there. */
export function evaluate(node: Node, symbols: ReadonlyMap<string, number>): Complex {
  const at = (part: Node): Complex => evaluate(part, symbols);
  switch (node.type) {
    case 'number':
      return real(toNumber(node.value));
    case 'symbol':
      return real(symbols.get(node.name) ?? Number.NaN);
    case 'constant':
      return { pi: real(Math.PI), e: real(Math.E), i: { re: 0, im: 1 }, infinity: real(Number.POSITIVE_INFINITY) }[node.name];
    case 'sum':
      return node.terms.map(at).reduce(plus);
    case 'product':
      return node.factors.map(at).reduce(times);
    case 'quotient':
      return over(at(node.top), at(node.bottom));
    case 'power':
      return toPower(at(node.base), at(node.exponent));
    case 'percent':
      return over(at(node.expr), real(100));
    case 'call':
      return call(node.name, node.args.map(at));
    default:
      return NOWHERE;
  }
}

/** Functions of one number that may be complex. */
const COMPLEX: Readonly<Record<string, (a: Complex) => Complex>> = {
  degree: (a) => a,
  abs: (a) => real(magnitude(a)),
  exp: exponential,
  ln: logarithm,
  lg: (a) => over(logarithm(a), real(Math.LN10)),
  sin: sine,
  cos: cosine,
  tan: (a) => over(sine(a), cosine(a)),
  cot: (a) => over(cosine(a), sine(a)),
  sec: (a) => over(real(1), cosine(a)),
  csc: (a) => over(real(1), sine(a)),
  asin: arcSine,
  acos: (a) => plus(real(Math.PI / 2), times(real(-1), arcSine(a))),
};

/** Functions of real numbers. */
const REAL: Readonly<Record<string, (...values: number[]) => number>> = {
  atan: Math.atan,
  acot: (a) => Math.PI / 2 - Math.atan(a),
  asec: (a) => Math.acos(1 / a),
  acsc: (a) => Math.asin(1 / a),
  sinh: Math.sinh,
  cosh: Math.cosh,
  tanh: Math.tanh,
  floor: Math.floor,
  ceil: Math.ceil,
  factorial: (a) => falling(a, a),
  binom: (n, k) => falling(n, k) / falling(k, k),
  mod: (a, b) => a - b * Math.floor(a / b),
  max: Math.max,
  min: Math.min,
};

function call(name: string, args: Complex[]): Complex {
  const complex = Object.hasOwn(COMPLEX, name) ? COMPLEX[name]! : null;
  if (complex) return args.length === 1 ? complex(args[0]!) : NOWHERE;
  const ofReal = Object.hasOwn(REAL, name) ? REAL[name]! : null;
  if (!ofReal || args.length === 0 || args.some(({ im }) => im !== 0)) return NOWHERE;
  return real(ofReal(...args.map(({ re }) => re)));
}

/** n · (n − 1) · …, k factors; only for whole numbers, and few. */
function falling(n: number, k: number): number {
  if (!Number.isInteger(n) || !Number.isInteger(k) || n < 0 || k < 0 || k > 170) return Number.NaN;
  let result = 1;
  for (let i = 0; i < k; i++) result *= n - i;
  return result;
}
