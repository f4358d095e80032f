/** Whether two expressions are the same number, or the same function of their symbols. */
import { canonical, rationalOf, sameForm } from './canonical.ts';
import { magnitude } from './complex.ts';
import type { Complex } from './complex.ts';
import { BeyondLimits } from './limits.ts';
import type { Budget } from './limits.ts';
import { evaluate } from './numeric.ts';
import { fromDecimal, negate, roundTo, same } from './rational.ts';
import type { Rational } from './rational.ts';
import { symbolsOf } from './syntax.ts';
import type { Node } from './syntax.ts';

/** Digits behind the point in which a written decimal number must agree with what is no whole number. */
const DECIMALS = 6;

/** Agreement of doubles: rounding of some dozens of operations, far below any difference that two answers have. */
const TOLERANCE = 1e-11;

/** Points at which functions of symbols are compared, and how many of them must have a value. */
const POINTS = 12;
const NEEDED = 3;

/** What a comparison at points costs of the budget. */
const POINT_WORK = 200;

/**
 * Whether two expressions are equal: exactly where both have an exact form, at seeded points otherwise. A number
 * written with a point may be a rounded value, and agrees with a fraction or an irrational number in its first 6
 * decimals; with a whole number it agrees exactly. 50% is 1/2, and also 50.
 *
 * @throws BeyondLimits where it cannot be decided
 */
export function sameScalar(a: Node, b: Node, budget: Budget): boolean {
  const percent = samePercent(a, b) || samePercent(b, a);
  if (percent) return true;
  const hasSymbols = symbolsOf(a).size + symbolsOf(b).size > 0;
  try {
    const known = budget.try((part) => sameByForm(a, b, hasSymbols, part));
    if (known !== null) return known;
  } catch (error) {
    // Too much to write out; the value at points needs less. Without symbols there is one point, and it proves nothing.
    if (!(error instanceof BeyondLimits) || !hasSymbols) throw error;
  }
  budget.spend(POINT_WORK);
  return sameAtPoints(a, b);
}

/** What the exact forms say; null where they differ and may yet be equal. */
function sameByForm(a: Node, b: Node, hasSymbols: boolean, budget: Budget): boolean | null {
  const [left, right] = [canonical(a, budget), canonical(b, budget)];
  const [x, y] = [rationalOf(left), rationalOf(right)];
  if (x && y) return same(x, y) || ((isDecimal(a) || isDecimal(b)) && sameRounded(x, y));
  if (sameForm(left, right, budget)) return true;
  const isRounded = (isDecimal(a) && x !== null) || (isDecimal(b) && y !== null);
  if (isRounded && !hasSymbols) return sameDecimal(x ?? y!, x ? b : a);
  return left.opaque || right.opaque ? null : false;
}

/** Two exact numbers in their first decimals; a whole number must be met exactly. */
function sameRounded(x: Rational, y: Rational): boolean {
  return x.den !== 1n && y.den !== 1n && roundTo(x, DECIMALS) === roundTo(y, DECIMALS);
}

/** 50% against the whole number 50. */
function samePercent(a: Node, b: Node): boolean {
  if (a.type !== 'percent' || a.expr.type !== 'number' || b.type !== 'number' || a.expr.decimal || b.decimal) return false;
  return a.expr.value.den === 1n && same(a.expr.value, b.value);
}

function isDecimal(node: Node): boolean {
  return (node.type === 'number' && node.decimal) || (node.type === 'percent' && isDecimal(node.expr));
}

/** A decimal number against an irrational one. */
function sameDecimal(decimal: Rational, node: Node): boolean {
  const { re, im } = evaluate(node, new Map());
  if (!Number.isFinite(re) || Math.abs(im) > TOLERANCE || Math.abs(re) > 1e15) return false;
  const size = fromDecimal(Math.abs(re).toFixed(12));
  return roundTo(decimal, DECIMALS) === roundTo(re < 0 ? negate(size) : size, DECIMALS);
}

/** Whether both have the same value at points of a fixed seed, real numbers first, whole numbers where those have none. */
function sameAtPoints(a: Node, b: Node): boolean {
  const names = [...new Set([...symbolsOf(a), ...symbolsOf(b)])].sort();
  for (const whole of [false, true]) {
    const random = uniform(20_240_117);
    let valid = 0;
    for (let point = 0; point < (names.length === 0 ? 1 : POINTS); point++) {
      const symbols = new Map(names.map((name) => [name, coordinate(random, whole)]));
      const [x, y] = [evaluate(a, symbols), evaluate(b, symbols)];
      if (!isFinite(x) || !isFinite(y)) continue;
      if (!isClose(x, y)) return false;
      valid++;
    }
    if (valid >= (names.length === 0 ? 1 : NEEDED)) return true;
  }
  throw new BeyondLimits('no point at which both have a value');
}

/** ±0.2 … ±3, or 1 … 9. */
function coordinate(random: () => number, whole: boolean): number {
  if (whole) return 1 + Math.floor(9 * random());
  return (random() < 0.4 ? -1 : 1) * (0.2 + 2.8 * random());
}

function isFinite({ re, im }: Complex): boolean {
  return Number.isFinite(re) && Number.isFinite(im);
}

function isClose(a: Complex, b: Complex): boolean {
  const size = Math.max(magnitude(a), magnitude(b));
  return magnitude({ re: a.re - b.re, im: a.im - b.im }) <= TOLERANCE * Math.max(size, 1e-3);
}

/** Numbers in [0, 1) by the generator of Park and Miller. */
function uniform(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 48_271) % 2_147_483_647;
    return state / 2_147_483_647;
  };
}
