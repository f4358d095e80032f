/** The building blocks of the option schema: what every option says about itself, and the shapes of values. */
import { z } from 'zod';

/** What an option says about itself, besides what its schema already tells (type, range, default). */
export interface OptionInfo {
  /** One sentence for help and docs; no full stop at the end. */
  meaning: string;
  /** The type as users write it, where the schema cannot tell (functions, unions of shapes). */
  written?: string;
  /** Fills *Expected `name` …*, where the schema cannot tell; as in "to be a path or rows". */
  wanted?: string;
  /** Fills *…; do Z.*; left out, it says how to get the default. */
  mend?: string;
  /** The default in words, where it is not a plain value. */
  byDefault?: string;
  /** The default of the articles that the recipes come from, where it differs or is worth showing. */
  articles?: string;
}

/** Attaches what an option says about itself to its schema. */
export function option<S extends z.ZodType>(schema: S, info: OptionInfo): S {
  const { meaning, ...rest } = info;
  return schema.meta({ description: meaning, ...rest }) as S;
}

/** A whole number of `min` or more. */
export const whole = (min: number) => z.int().min(min);
/** A finite number above 0. */
export const positive = () => z.number().gt(0);
/** A finite number of 0 or more. */
export const notNegative = () => z.number().min(0);
/** A share, 0 to 1. */
export const share = () => z.number().min(0).max(1);
/** `'auto'`, or what the schema says. */
export const orAuto = <S extends z.ZodType>(schema: S) => z.union([z.literal('auto'), schema]);
/** Any function of the given type; functions cannot be checked further before they are called. */
export const functionOf = <F>() => z.custom<F>((value) => typeof value === 'function');
/** Any object of the given type that is not a list. */
export const objectOf = <T extends object>() =>
  z.custom<T>((value) => typeof value === 'object' && value !== null && !Array.isArray(value));

/**
 * A known option that this version does not implement: only its off value is accepted, and it means nothing.
 *
 * @param off the value that turns the option off, which is its documented default
 */
export function later<const V extends string | number | boolean | null>(off: V) {
  return z.literal(off).optional().meta({ notYet: true });
}

/** A known option whose off value is the empty list. */
export function laterList() {
  return z.array(z.never()).optional().meta({ notYet: true });
}
