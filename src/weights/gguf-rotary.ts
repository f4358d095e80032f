/** Stretched rotary embeddings in GGUF files, as the `rope_scaling` of a `config.json`. */
import type { GgufFile } from './gguf.ts';
import type { MetadataReader } from './gguf-metadata.ts';
import { USE_FOLDER } from './gguf-vocabulary.ts';
import type { JsonObject } from './json-file.ts';

/** The rotary embedding before it is stretched. */
export interface PlainRotary {
  theta: number;
  /** Elements of a head that are rotated. */
  width: number;
}

/** Holds the factors by which the frequencies of Llama 3 are divided. */
export const FACTOR_TABLE = 'rope_freqs.weight';

/** LongRoPE's two tables, one of which is chosen by the length of the text. */
const LONG_ROPE_TABLES = ['rope_factors_long.weight', 'rope_factors_short.weight'];

/** Keys that would change the magnitude or the mix of `yarn`, and the values that do not. */
const YARN_NEUTRAL = { attn_factor: 1, yarn_attn_factor: 1, yarn_ext_factor: 1, yarn_log_multiplier: 0 };

/**
 * `rope_scaling`, or null where nothing is stretched.
 *
 * @throws FileFormatError for LongRoPE, and for a table that is not that of Llama 3
 */
export function ropeScaling(gguf: GgufFile, read: MetadataReader, architecture: string, plain: PlainRotary): JsonObject | null {
  const key = (name: string) => `${architecture}.rope.scaling.${name}`;
  const long = LONG_ROPE_TABLES.find((name) => gguf.tensors.has(name));
  if (long) throw read.fault('plain rotary embeddings', `a table of LongRoPE, \`${long}\``, USE_FOLDER);
  const factor = read.maybeDecimal(key('factor')) ?? read.maybeDecimal(`${architecture}.rope.scale_linear`);
  // A factor without a type is linear, as in llama.cpp.
  const type = read.maybeString(key('type')) ?? (factor === undefined ? 'none' : 'linear');
  const table = gguf.tensors.get(FACTOR_TABLE);
  if (type !== 'none' && type !== 'linear' && type !== 'yarn') throw read.fault('rotary embeddings that are plain, `linear` or `yarn`', `scaling \`${type}\``, USE_FOLDER);
  if (table) {
    if (type !== 'none') throw read.fault('one way to stretch rotary embeddings', `scaling \`${type}\` and a table of frequency factors`, USE_FOLDER);
    return fromTable(table.format.dequantise(gguf.readBlocks(FACTOR_TABLE)), plain, read);
  }
  if (type === 'none' || factor === undefined || factor === 1 || factor === 0) return null;
  if (type === 'linear') return { rope_type: 'linear', factor };
  for (const [name, neutral] of Object.entries(YARN_NEUTRAL)) {
    const value = read.maybeNumber(key(name)) ?? neutral;
    if (value !== neutral) throw read.fault(`\`${key(name)}\` to be ${neutral}`, String(value), USE_FOLDER);
  }
  const fields = {
    original_max_position_embeddings: read.maybeNumber(key('original_context_length')),
    beta_fast: read.maybeDecimal(key('yarn_beta_fast')),
    beta_slow: read.maybeDecimal(key('yarn_beta_slow')),
  };
  return { rope_type: 'yarn', factor, ...Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) };
}

function fromTable(table: Float32Array, plain: PlainRotary, read: MetadataReader): JsonObject | null {
  if (table.length !== plain.width / 2) throw read.fault(`${plain.width / 2} frequency factors in \`${FACTOR_TABLE}\``, String(table.length), USE_FOLDER);
  if (table.every((factor) => factor === 1)) return null;
  const found = llama3Settings(table, plain);
  if (!found) throw read.fault(`frequency factors of Llama 3 in \`${FACTOR_TABLE}\``, 'others', USE_FOLDER);
  return { rope_type: 'llama3', ...found };
}

/**
 * The settings of Llama 3's scaling that give this table, or null where none do. Between the bounds, the kept share
 * s = (1/t − 1/factor) / (1 − 1/factor) of a factor t is linear in the frequency f: s = (context·f/2π − low)/(high − low).
 * Only the ratios of context, low and high matter, so low is 1; the line through the outermost two such pairs gives the
 * others, which are rounded to what a config would say and believed only if they give the whole table back.
 */
export function llama3Settings(table: Float32Array, { theta, width }: PlainRotary): JsonObject | null {
  const frequencies = Array.from(table, (_, i) => theta ** ((-2 * i) / width));
  const factor = table.reduce((most, t) => Math.max(most, t), 1);
  const kept = (t: number) => (1 / t - 1 / factor) / (1 - 1 / factor);
  const between = [...table.keys()].filter((i) => table[i]! > 1 && table[i]! < factor);
  const [first, last] = [between[0], between.at(-1)];
  if (first === undefined || last === undefined || first === last) return null;
  const slope = (kept(table[first]!) - kept(table[last]!)) / (frequencies[first]! - frequencies[last]!);
  const offset = kept(table[first]!) - slope * frequencies[first]!;
  const high = Number((1 - 1 / offset).toPrecision(4));
  const context = Math.round(2 * Math.PI * slope * (high - 1));
  const again = frequencies.map((f) => Math.min(1, Math.max(0, ((context * f) / (2 * Math.PI) - 1) / (high - 1))));
  // The table was computed in float32: a kept share has a rounding error of some 1e-7.
  if (!again.every((share, i) => Math.abs(share - kept(table[i]!)) < 2e-6)) return null;
  return { factor, low_freq_factor: 1, high_freq_factor: high, original_max_position_embeddings: context };
}
