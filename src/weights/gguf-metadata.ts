import type { FileFormatError } from '../errors.ts';
import { show } from '../errors.ts';
import { FETCH_AGAIN, fileFault } from './file-bytes.ts';
import type { GgufFile } from './gguf.ts';

/** Typed look-ups in a GGUF file's metadata. `maybe…` gives undefined for a missing key; a wrong type is always refused. */
export interface MetadataReader {
  has(key: string): boolean;
  number(key: string): number;
  maybeNumber(key: string): number | undefined;
  /** A number as its shortest decimal: 1e-5 where the metadata's float32 reads 9.999999747378752e-6. */
  maybeDecimal(key: string): number | undefined;
  string(key: string): string;
  maybeString(key: string): string | undefined;
  maybeBoolean(key: string): boolean | undefined;
  strings(key: string): string[];
  maybeIntegers(key: string): Int32Array | undefined;
  maybeFloats(key: string): Float32Array | undefined;
  fault(wanted: string, got: string, mend: string): FileFormatError;
}

/** Wraps the metadata of an open file. */
export function metadataReader(gguf: Pick<GgufFile, 'path' | 'metadata'>): MetadataReader {
  const fault: MetadataReader['fault'] = (wanted, got, mend) => fileFault(gguf.path, wanted, got, mend);

  function maybe<T>(key: string, wanted: string, is: (value: unknown) => value is T): T | undefined {
    const value: unknown = gguf.metadata.get(key);
    if (value === undefined || is(value)) return value;
    throw fault(`${wanted} for \`${key}\``, show(value), FETCH_AGAIN);
  }
  function must<T>(key: string, value: T | undefined): T {
    if (value === undefined) throw fault(`\`${key}\` in its metadata`, 'none', 'convert the model again with a current llama.cpp');
    return value;
  }
  const maybeNumber = (key: string) => maybe(key, 'a number', (value) => typeof value === 'number');
  const maybeString = (key: string) => maybe(key, 'a text', (value) => typeof value === 'string');
  return {
    has: (key) => gguf.metadata.has(key),
    maybeNumber,
    maybeDecimal: (key) => shortest(maybeNumber(key)),
    maybeString,
    number: (key) => must(key, maybeNumber(key)),
    string: (key) => must(key, maybeString(key)),
    maybeBoolean: (key) => maybe(key, 'true or false', (value) => typeof value === 'boolean'),
    strings: (key) => must(key, maybe(key, 'a list of texts', (value): value is string[] => Array.isArray(value) && value.every((one) => typeof one === 'string'))),
    maybeIntegers: (key) => maybe(key, 'a list of 32-bit integers', (value) => value instanceof Int32Array),
    maybeFloats: (key) => maybe(key, 'a list of 32-bit floats', (value) => value instanceof Float32Array),
    fault,
  };
}

/** The shortest decimal that rounds to this float32; other numbers as they are. */
function shortest(value: number | undefined): number | undefined {
  if (value === undefined || Math.fround(value) !== value) return value;
  for (let digits = 1; digits < 9; digits++) {
    const short = Number(value.toPrecision(digits));
    if (Math.fround(short) === value) return short;
  }
  return value;
}
