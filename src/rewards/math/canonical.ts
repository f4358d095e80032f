/** Brings an expression to the form numerator / denominator of polynomials, exactly. */
import { BeyondLimits } from './limits.ts';
import type { Budget } from './limits.ts';
import { constant, constantOf, factor, keyOfPolynomial, negated, product, raise, sum } from './polynomial.ts';
import type { Polynomial } from './polynomial.ts';
import { abs, divide, gcd, negate, ONE, rational, same, toNumber } from './rational.ts';
import type { Rational } from './rational.ts';
import type { Node } from './syntax.ts';

/** num / den. */
export interface Canonical {
  num: Polynomial;
  den: Polynomial;
  /** Whether a subexpression stands in it as one factor, so that two forms may differ and yet be equal. */
  opaque: boolean;
}

/**
 * The canonical form of an expression.
 *
 * @throws BeyondLimits for what is no number: a set, a division by zero, something too large
 */
export function canonical(node: Node, budget: Budget): Canonical {
  budget.spend(1);
  switch (node.type) {
    case 'number':
      return whole(constant(node.value));
    case 'symbol':
      return whole(factor(`$${node.name}`));
    case 'constant':
      return whole(factor(node.name));
    case 'sum':
      return node.terms.map((term) => canonical(term, budget)).reduce((a, b) => sumOf(a, b, budget));
    case 'product':
      return node.factors.map((one) => canonical(one, budget)).reduce((a, b) => productOf(a, b, budget));
    case 'quotient':
      return productOf(canonical(node.top, budget), inverse(canonical(node.bottom, budget)), budget);
    case 'percent':
      return productOf(canonical(node.expr, budget), whole(constant({ num: 1n, den: 100n })), budget);
    case 'power':
      return powerOf(canonical(node.base, budget), canonical(node.exponent, budget), budget);
    case 'call':
      return callOf(node.name, node.args.map((arg) => canonical(arg, budget)), budget);
    default:
      throw new BeyondLimits(`a ${node.type} is no number`);
  }
}

/** The exact number that an expression is; null where it has symbols or irrational parts. */
export function rationalOf({ num, den }: Canonical): Rational | null {
  const [top, bottom] = [constantOf(num), constantOf(den)];
  return top && bottom ? divide(top, bottom) : null;
}

/** Whether two forms are equal as they stand. */
export function sameForm(a: Canonical, b: Canonical, budget: Budget): boolean {
  return sum(product(a.num, b.den, budget), negated(product(b.num, a.den, budget)), budget).size === 0;
}

/**
 * The number c with a = c · b; null where there is none, or none is seen. Two equations say the same if their
 * differences are multiples of each other.
 */
export function ratioOf(a: Canonical, b: Canonical, budget: Budget): Rational | null {
  const left = product(a.num, b.den, budget);
  const right = product(b.num, a.den, budget);
  const [key, term] = [...right][0] ?? ['', null];
  const match = left.get(key);
  if (!term || !match) return null;
  const ratio = divide(match.coefficient, term.coefficient);
  return sum(left, negated(product(right, constant(ratio), budget)), budget).size === 0 ? ratio : null;
}

function whole(num: Polynomial, opaque = false): Canonical {
  return { num, den: constant(ONE), opaque };
}

function sumOf(a: Canonical, b: Canonical, budget: Budget): Canonical {
  const opaque = a.opaque || b.opaque;
  // Denominators that are numbers have gone into the numerators, so that most sums end here.
  if (keyOfPolynomial(a.den) === keyOfPolynomial(b.den)) return { num: sum(a.num, b.num, budget), den: a.den, opaque };
  const num = sum(product(a.num, b.den, budget), product(b.num, a.den, budget), budget);
  return folded(num, product(a.den, b.den, budget), opaque, budget);
}

function productOf(a: Canonical, b: Canonical, budget: Budget): Canonical {
  return folded(product(a.num, b.num, budget), product(a.den, b.den, budget), a.opaque || b.opaque, budget);
}

/** num / den, with a denominator that is a number taken into the numerator. */
function folded(num: Polynomial, den: Polynomial, opaque: boolean, budget: Budget): Canonical {
  const number = constantOf(den);
  if (!number || same(number, ONE)) return { num, den, opaque };
  return { num: product(num, constant(divide(ONE, number)), budget), den: constant(ONE), opaque };
}

function inverse({ num, den, opaque }: Canonical): Canonical {
  if (num.size === 0) throw new BeyondLimits('division by zero');
  return { num: den, den: num, opaque };
}

function powerOf(base: Canonical, exponent: Canonical, budget: Budget): Canonical {
  const value = rationalOf(exponent);
  if (value === null) return opaque('power', [base, exponent]);
  if (value.den === 1n) {
    const size = abs(value.num);
    const from = value.num < 0n ? inverse(base) : base;
    return { num: raise(from.num, size, budget), den: raise(from.den, size, budget), opaque: base.opaque };
  }
  const number = rationalOf(base);
  if (number) return rootOf(number, value, budget) ?? opaque('power', [base, exponent]);
  const symbol = base.den.size === 1 && constantOf(base.den) && base.num.size === 1 ? [...base.num.values()][0]! : null;
  const [name, own] = [...(symbol?.factors ?? [])][0] ?? ['', null];
  const isSymbol = symbol?.factors.size === 1 && name.startsWith('$') && own!.num === 1n && own!.den === 1n;
  if (!isSymbol || constantOf(base.den)!.num < 0n || symbol.coefficient.num <= 0n) return opaque('power', [base, exponent]);
  const scale = rootOf(divide(symbol.coefficient, constantOf(base.den)!), value, budget);
  return scale ? productOf(scale, whole(factor(name, value)), budget) : opaque('power', [base, exponent]);
}

/** number^exponent with the roots of primes taken apart; null where the number is too large to factor. */
function rootOf(number: Rational, exponent: Rational, budget: Budget): Canonical | null {
  if (number.num === 0n) {
    if (exponent.num < 0n) throw new BeyondLimits('division by zero');
    return whole(new Map());
  }
  if (number.num < 0n) return rootOfNegative(number, exponent, budget);
  const [top, bottom] = [primesOf(number.num, budget), primesOf(number.den, budget)];
  if (!top || !bottom) return null;
  let result = constant(ONE);
  for (const [prime, count] of top) result = product(result, factor(String(prime), rational(count * exponent.num, exponent.den)), budget);
  for (const [prime, count] of bottom) result = product(result, factor(String(prime), rational(-count * exponent.num, exponent.den)), budget);
  return whole(result);
}

/** The real root where there is one, i for the square root; null for any other. */
function rootOfNegative(number: Rational, exponent: Rational, budget: Budget): Canonical | null {
  const size = rootOf(negate(number), exponent, budget);
  if (!size) return null;
  if (exponent.den % 2n === 1n) return exponent.num % 2n === 0n ? size : { ...size, num: negated(size.num) };
  return exponent.den === 2n ? productOf(size, whole(factor('i', rational(exponent.num))), budget) : null;
}

/** Prime → how often; null for a number with a factor beyond what is tried. */
function primesOf(number: bigint, budget: Budget): Map<bigint, bigint> | null {
  const primes = new Map<bigint, bigint>();
  let rest = number;
  if (rest > 1n << 256n) return null;
  for (let prime = 2n; prime * prime <= rest && prime < 5_000n; prime += prime === 2n ? 1n : 2n) {
    for (; rest % prime === 0n; rest /= prime) primes.set(prime, (primes.get(prime) ?? 0n) + 1n);
    budget.spend(0.1);
  }
  if (rest >= 25_000_000n) return null;
  if (rest > 1n) primes.set(rest, (primes.get(rest) ?? 0n) + 1n);
  return primes;
}

function callOf(name: string, args: Canonical[], budget: Budget): Canonical {
  if (name === 'degree') return args[0]!;
  const values = args.map(rationalOf);
  const exact = values.every((value) => value !== null) ? exactCall(name, values, budget) : null;
  if (exact) return whole(constant(exact));
  // |a − b| = |b − a|: of the two signs, the one whose key comes first.
  if (name === 'abs') args = [unsigned(args[0]!)];
  return opaque(name, args);
}

function unsigned(form: Canonical): Canonical {
  const other = { ...form, num: negated(form.num) };
  return keyOfPolynomial(form.num) < keyOfPolynomial(other.num) ? form : other;
}

/** The value of a function of exact numbers where that is an exact number. */
function exactCall(name: string, values: Rational[], budget: Budget): Rational | null {
  const [first, second] = values;
  const wholes = values.every(({ den }) => den === 1n);
  switch (name) {
    case 'abs':
      return first!.num < 0n ? negate(first!) : first!;
    case 'floor':
      return rational(floorOf(first!));
    case 'ceil':
      return rational(-floorOf(negate(first!)));
    case 'factorial':
      return wholes && first!.num >= 0n ? falling(first!.num, first!.num, budget) : null;
    case 'binom':
      return wholes && second!.num >= 0n && first!.num >= second!.num ? divide(falling(first!.num, second!.num, budget), falling(second!.num, second!.num, budget)) : null;
    case 'mod':
      return wholes && second!.num > 0n ? rational(((first!.num % second!.num) + second!.num) % second!.num) : null;
    case 'gcd':
      return wholes ? rational(values.map(({ num }) => abs(num)).reduce(gcd)) : null;
    case 'lcm':
      return wholes && values.every(({ num }) => num !== 0n) ? values.map(({ num }) => abs(num)).map((num) => rational(num)).reduce((a, b) => rational((a.num * b.num) / gcd(a.num, b.num))) : null;
    case 'max':
      return values.reduce((a, b) => (toNumber(b) > toNumber(a) ? b : a));
    case 'min':
      return values.reduce((a, b) => (toNumber(b) < toNumber(a) ? b : a));
    default:
      return null;
  }
}

function floorOf({ num, den }: Rational): bigint {
  return num / den - (num < 0n && num % den !== 0n ? 1n : 0n);
}

/** n · (n − 1) · …, k factors. */
function falling(n: bigint, k: bigint, budget: Budget): Rational {
  let result = 1n;
  for (let i = 0n; i < k; i++) {
    budget.spend(1);
    result = rational(result * (n - i)).num;
  }
  return rational(result);
}

/** A subexpression as one factor, named by what it is. */
function opaque(name: string, args: readonly Canonical[]): Canonical {
  const key = args.map(({ num, den }) => `${keyOfPolynomial(num)}:${keyOfPolynomial(den)}`).join(',');
  if (key.length > 20_000) throw new BeyondLimits('too large');
  return whole(factor(`${name}(${key})`), true);
}
