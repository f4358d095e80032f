/** The fields of a Hugging Face `config.json`, read with a check each. */
import { expected } from '../../errors.ts';

const ownFolder = "take the config.json of the model's own folder";

/** Fields by name; `path` goes before the names in errors. */
export class ConfigFields {
  readonly #fields: Readonly<Record<string, unknown>>;
  readonly #path: string;

  constructor(fields: Readonly<Record<string, unknown>>, path = '') {
    this.#fields = fields;
    this.#path = path;
  }

  #fault(name: string, wanted: string, value: unknown) {
    return expected(`config.json: ${this.#path}${name}`, wanted, value, ownFolder);
  }

  /** A positive number; without a fallback it must be there. */
  number(name: string, fallback?: number): number {
    const value = this.#fields[name] ?? fallback;
    if (typeof value === 'number' && value > 0 && Number.isFinite(value)) return value;
    throw this.#fault(name, 'to be a positive number', value);
  }

  /** A whole number from 1 to `most`. */
  count(name: string, most: number): number {
    const value = this.#fields[name];
    if (typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= most) return value;
    throw this.#fault(name, `to be a whole number from 1 to ${most}`, value);
  }

  /** A positive number or null; the fallback stands in only where the field is missing. */
  maybeNumber(name: string, fallback: number | null = null): number | null {
    const value = this.#fields[name] === undefined ? fallback : this.#fields[name];
    return value === null ? null : this.number(name, fallback ?? undefined);
  }

  flag(name: string, fallback: boolean): boolean {
    const value = this.#fields[name] ?? fallback;
    if (typeof value === 'boolean') return value;
    throw this.#fault(name, 'to be true or false', value);
  }

  /** A token id, or null where there is none; the fallback stands in only where the field is missing. */
  id(name: string, fallback: number | null = null): number | null {
    const value = this.#fields[name] === undefined ? fallback : this.#fields[name];
    if (value === null || (typeof value === 'number' && Number.isInteger(value))) return value;
    throw this.#fault(name, 'to be a token id', value);
  }

  /** A text, or null where there is none. */
  text(name: string): string | null {
    const value = this.#fields[name] ?? null;
    if (value === null || typeof value === 'string') return value;
    throw this.#fault(name, 'to be text', value);
  }

  /** One value out of `known` for each layer, or null where there is no list. A longer list is cut. */
  perLayer<T extends string | number>(name: string, layers: number, known: readonly T[]): T[] | null {
    const value = this.#fields[name] ?? null;
    if (value === null) return null;
    if (Array.isArray(value) && value.length >= layers && value.every((item) => known.includes(item as T))) return value.slice(0, layers) as T[];
    throw this.#fault(name, `to be a list of ${known.map((item) => JSON.stringify(item)).join(' or ')}, one for each of the ${layers} layers`, value);
  }

  /** So many positive numbers. */
  numbers(name: string, count: number): number[] {
    const value = this.#fields[name];
    if (Array.isArray(value) && value.length === count && value.every((item) => typeof item === 'number' && item > 0 && Number.isFinite(item))) return value as number[];
    throw this.#fault(name, `to be a list of ${count} positive numbers`, value);
  }

  /** The fields of an object, or null where there is none. */
  object(name: string): ConfigFields | null {
    const value = this.#fields[name] ?? null;
    if (value === null) return null;
    if (typeof value === 'object' && !Array.isArray(value)) return new ConfigFields(value as Record<string, unknown>, `${this.#path}${name}.`);
    throw this.#fault(name, 'to be an object', value);
  }

  /** The same fields, some of them as if they were missing. */
  without(names: readonly string[]): ConfigFields {
    return new ConfigFields(Object.fromEntries(Object.entries(this.#fields).filter(([name]) => !names.includes(name))), this.#path);
  }

  /** Refuses a field whose value would need code that the decoder does not have. */
  only(name: string, known: readonly unknown[], why: string): void {
    const value = this.#fields[name];
    if (value === undefined || value === null || known.includes(value)) return;
    throw expected(`config.json: ${this.#path}${name}`, `to be ${known.map((item) => JSON.stringify(item)).join(' or ')}`, value, why);
  }
}
