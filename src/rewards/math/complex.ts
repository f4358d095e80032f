/** Complex numbers in doubles, on the principal branches. */
export interface Complex {
  readonly re: number;
  readonly im: number;
}

/** re + 0i. */
export function real(re: number): Complex {
  return { re, im: 0 };
}

/** a + b. */
export function plus(a: Complex, b: Complex): Complex {
  return { re: a.re + b.re, im: a.im + b.im };
}

/** a · b. */
export function times(a: Complex, b: Complex): Complex {
  if (a.im === 0 && b.im === 0) return real(a.re * b.re);
  return { re: a.re * b.re - a.im * b.im, im: a.re * b.im + a.im * b.re };
}

/** a / b. */
export function over(a: Complex, b: Complex): Complex {
  if (a.im === 0 && b.im === 0) return real(a.re / b.re);
  const size = b.re * b.re + b.im * b.im;
  return { re: (a.re * b.re + a.im * b.im) / size, im: (a.im * b.re - a.re * b.im) / size };
}

/** |a|. */
export function magnitude(a: Complex): number {
  return Math.hypot(a.re, a.im);
}

/** e^a. */
export function exponential(a: Complex): Complex {
  const size = Math.exp(a.re);
  return a.im === 0 ? real(size) : { re: size * Math.cos(a.im), im: size * Math.sin(a.im) };
}

/** The natural logarithm with its angle in (−π, π]. */
export function logarithm(a: Complex): Complex {
  return { re: Math.log(magnitude(a)), im: Math.atan2(a.im === 0 ? 0 : a.im, a.re) };
}

/** a^b. A negative real number has its real root where the exponent is a fraction with a small odd denominator. */
export function toPower(a: Complex, b: Complex): Complex {
  if (b.im === 0 && a.im === 0) {
    if (a.re >= 0 || Number.isInteger(b.re)) return real(a.re ** b.re);
    const odd = [3, 5, 7, 9].find((den) => Math.abs(b.re * den - Math.round(b.re * den)) < 1e-12);
    if (odd !== undefined) return real((Math.round(b.re * odd) % 2 === 0 ? 1 : -1) * (-a.re) ** b.re);
  }
  if (a.re === 0 && a.im === 0) return real(b.re > 0 ? 0 : Number.NaN);
  return exponential(times(b, logarithm(a)));
}

const I: Complex = { re: 0, im: 1 };

/** Sine; cosine follows from it. */
export function sine(a: Complex): Complex {
  if (a.im === 0) return real(Math.sin(a.re));
  return { re: Math.sin(a.re) * Math.cosh(a.im), im: Math.cos(a.re) * Math.sinh(a.im) };
}

/** Cosine. */
export function cosine(a: Complex): Complex {
  if (a.im === 0) return real(Math.cos(a.re));
  return { re: Math.cos(a.re) * Math.cosh(a.im), im: -Math.sin(a.re) * Math.sinh(a.im) };
}

/** Arc sine: −i·ln(ia + √(1 − a²)). */
export function arcSine(a: Complex): Complex {
  if (a.im === 0 && Math.abs(a.re) <= 1) return real(Math.asin(a.re));
  const root = toPower(plus(real(1), times(real(-1), times(a, a))), real(0.5));
  return times({ re: 0, im: -1 }, logarithm(plus(times(I, a), root)));
}
