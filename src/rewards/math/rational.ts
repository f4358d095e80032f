import { BeyondLimits, MAX_INTEGER } from './limits.ts';

/** An exact fraction in lowest terms; `den` > 0. */
export interface Rational {
  readonly num: bigint;
  readonly den: bigint;
}

/** 0 and 1. */
export const ZERO: Rational = { num: 0n, den: 1n };
export const ONE: Rational = { num: 1n, den: 1n };

/**
 * num / den in lowest terms.
 *
 * @throws BeyondLimits where `den` is 0 or a part is larger than `MAX_INTEGER`
 */
export function rational(num: bigint, den = 1n): Rational {
  if (den === 0n) throw new BeyondLimits('division by zero');
  if (abs(num) > MAX_INTEGER || abs(den) > MAX_INTEGER) throw new BeyondLimits('number too large');
  if (den === 1n) return { num, den };
  const divisor = gcd(abs(num), abs(den)) * (den < 0n ? -1n : 1n);
  return { num: num / divisor, den: den / divisor };
}

/** Reads `12`, `12.5`, `.5` or `12.`, digits and one point. */
export function fromDecimal(text: string): Rational {
  const [whole = '', part = ''] = text.split('.');
  if (text.length > 1_000) throw new BeyondLimits('number too long');
  return rational(BigInt(`${whole}${part}` || '0'), 10n ** BigInt(part.length));
}

/** a + b. */
export function add(a: Rational, b: Rational): Rational {
  return rational(a.num * b.den + b.num * a.den, a.den * b.den);
}

/** a · b. */
export function multiply(a: Rational, b: Rational): Rational {
  return rational(a.num * b.num, a.den * b.den);
}

/** a / b. */
export function divide(a: Rational, b: Rational): Rational {
  return rational(a.num * b.den, a.den * b.num);
}

/** −a. */
export function negate(a: Rational): Rational {
  return { num: -a.num, den: a.den };
}

/** a to a whole power, which may be negative. */
export function power(a: Rational, exponent: bigint): Rational {
  if (exponent < 0n) return power(divide(ONE, a), -exponent);
  if (abs(a.num) <= 1n && a.den === 1n) return rational(exponent % 2n === 0n ? a.num * a.num : a.num);
  // Each factor beyond ±1 has one bit or more, so that the size is known before anything is computed.
  const bits = BigInt(Math.max(bitLength(a.num), bitLength(a.den)) - 1);
  if (bits * exponent > 4096n) throw new BeyondLimits('power too large');
  return { num: a.num ** exponent, den: a.den ** exponent };
}

/** Whether a = b. */
export function same(a: Rational, b: Rational): boolean {
  return a.num === b.num && a.den === b.den;
}

/** The nearest double, also where numerator and denominator are too large for one. */
export function toNumber({ num, den }: Rational): number {
  const shift = BigInt(Math.max(0, bitLength(num) - 1_000, bitLength(den) - 1_000));
  return shift === 0n ? Number(num) / Number(den) : Number(num >> shift) / Number(den >> shift);
}

/** Nearest multiple of 10^−digits, as a count of them; halves to even, as Python rounds. */
export function roundTo({ num, den }: Rational, digits: number): bigint {
  const scaled = num * 10n ** BigInt(digits);
  const floor = scaled / den - (scaled < 0n && scaled % den !== 0n ? 1n : 0n);
  const twice = 2n * (scaled - floor * den);
  if (twice === den) return floor % 2n === 0n ? floor : floor + 1n;
  return twice > den ? floor + 1n : floor;
}

/** Greatest common divisor of two numbers of 0 or more. */
export function gcd(a: bigint, b: bigint): bigint {
  while (b !== 0n) [a, b] = [b, a % b];
  return a;
}

/** |a|. */
export function abs(a: bigint): bigint {
  return a < 0n ? -a : a;
}

function bitLength(a: bigint): number {
  return abs(a).toString(2).length;
}
