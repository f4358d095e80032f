/** Sums of products with exact coefficients, in a form in which equal ones look equal. */
import type { Budget } from './limits.ts';
import { BeyondLimits } from './limits.ts';
import { add, multiply, negate, ONE, power, rational, ZERO } from './rational.ts';
import type { Rational } from './rational.ts';

/**
 * One term. A factor is a symbol, π, e, i, a prime under a root, or a subexpression by its key; its exponent is not 0.
 * The exponent of a prime lies between 0 and 1, that of i is 1.
 */
export interface Term {
  readonly coefficient: Rational;
  readonly factors: ReadonlyMap<string, Rational>;
}

/** Terms by the key of their factors; none has the coefficient 0. */
export type Polynomial = ReadonlyMap<string, Term>;

/** A polynomial of one number. */
export function constant(value: Rational): Polynomial {
  return value.num === 0n ? new Map() : new Map([['', { coefficient: value, factors: new Map() }]]);
}

/** factor^exponent as a polynomial of one term. */
export function factor(name: string, exponent: Rational = ONE): Polynomial {
  const term = reduced(ONE, new Map([[name, exponent]]));
  return new Map([[keyOf(term), term]]);
}

/** The number that a polynomial is; null where it has factors. */
export function constantOf(polynomial: Polynomial): Rational | null {
  if (polynomial.size === 0) return ZERO;
  const term = polynomial.get('');
  return polynomial.size === 1 && term ? term.coefficient : null;
}

/** a + b. */
export function sum(a: Polynomial, b: Polynomial, budget: Budget): Polynomial {
  const terms = new Map(a);
  budget.spend(a.size + b.size);
  for (const [key, term] of b) accumulate(terms, key, term, budget);
  return terms;
}

/** −a. */
export function negated(a: Polynomial): Polynomial {
  return new Map([...a].map(([key, { coefficient, factors }]) => [key, { coefficient: negate(coefficient), factors }]));
}

/** a · b. */
export function product(a: Polynomial, b: Polynomial, budget: Budget): Polynomial {
  const terms = new Map<string, Term>();
  budget.spend(a.size * b.size);
  for (const left of a.values()) {
    for (const right of b.values()) {
      const factors = new Map(left.factors);
      for (const [name, exponent] of right.factors) factors.set(name, add(factors.get(name) ?? ZERO, exponent));
      budget.spend(work(left.coefficient) + work(right.coefficient) + factors.size);
      const term = reduced(multiply(left.coefficient, right.coefficient), factors);
      accumulate(terms, keyOf(term), term, budget);
    }
  }
  return terms;
}

/** a to the power of a whole number of 0 or more. */
export function raise(a: Polynomial, exponent: bigint, budget: Budget): Polynomial {
  const only = a.size === 1 ? [...a.values()][0]! : null;
  if (only) {
    const factors = new Map([...only.factors].map(([name, own]) => [name, multiply(own, rational(exponent))]));
    const term = reduced(power(only.coefficient, exponent), factors);
    return new Map([[keyOf(term), term]]);
  }
  if (exponent > 100n) throw new BeyondLimits('power too large');
  let result = constant(ONE);
  for (let i = 0n; i < exponent; i++) result = product(result, a, budget);
  return result;
}

/** A text that is the same for the same polynomial. */
export function keyOfPolynomial(a: Polynomial): string {
  return [...a].map(([key, { coefficient }]) => `${coefficient.num}/${coefficient.den}·${key}`).sort().join('+');
}

function accumulate(terms: Map<string, Term>, key: string, term: Term, budget: Budget): void {
  const before = terms.get(key);
  if (before) budget.spend(work(before.coefficient));
  const coefficient = before ? add(before.coefficient, term.coefficient) : term.coefficient;
  if (coefficient.num === 0n) terms.delete(key);
  else terms.set(key, { coefficient, factors: term.factors });
}

function keyOf({ factors }: Term): string {
  return [...factors].map(([name, { num, den }]) => `${name}^${num}/${den}`).sort().join('*');
}

/** A term whose whole powers of primes and of i have gone into the coefficient. */
function reduced(coefficient: Rational, given: ReadonlyMap<string, Rational>): Term {
  const factors = new Map<string, Rational>();
  let value = coefficient;
  for (const [name, exponent] of given) {
    if (exponent.num === 0n) continue;
    if (/^\d+$/.test(name)) {
      const whole = exponent.num / exponent.den - (exponent.num < 0n && exponent.num % exponent.den !== 0n ? 1n : 0n);
      value = multiply(value, power(rational(BigInt(name)), whole));
      const rest = rational(exponent.num - whole * exponent.den, exponent.den);
      if (rest.num !== 0n) factors.set(name, rest);
    } else if (name === 'i' && exponent.den === 1n) {
      const turns = ((exponent.num % 4n) + 4n) % 4n;
      if (turns >= 2n) value = negate(value);
      if (turns % 2n === 1n) factors.set(name, ONE);
    } else factors.set(name, exponent);
  }
  return { coefficient: value, factors };
}

/** Cost of arithmetic with a coefficient: lowest terms of long numbers take long. */
function work({ num, den }: Rational): number {
  const size = num < 0n ? -num : num;
  if (den < 1n << 64n && size < 1n << 64n) return 1;
  return den < 1n << 512n && size < 1n << 512n ? 10 : 300;
}
