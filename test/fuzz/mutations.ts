/** Seeded damage to files: what disks, networks and malice do to bytes, and to the JSON in them. */

/** A source of numbers that a seed repeats. */
export interface Dice {
  /** A whole number from 0 up to, not including, `sides`. */
  roll(sides: number): number;
  pick<T>(choices: readonly T[]): T;
}

/** Xorshift on 32 bits (Marsaglia 2003). */
export function dice(seed: number): Dice {
  let state = Math.imul(seed + 1, 0x9e3779b1) | 1;
  const roll = (sides: number): number => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % sides;
  };
  return { roll, pick: (choices) => choices[roll(choices.length)]! };
}

/** The damaged bytes; the original stays as it is. */
export type Mutation = (bytes: Uint8Array, dice: Dice) => Uint8Array;

/** Sizes at which arithmetic, buffers and counters break. */
const EXTREMES = [0n, 1n, 3n, 31n, 32n, 255n, 1n << 16n, (1n << 31n) - 1n, 1n << 31n, (1n << 32n) - 1n, 1n << 32n, (1n << 53n) - 1n, 1n << 53n, 1n << 61n, 1n << 63n, (1n << 64n) - 1n];

/** Damage that asks nothing of the format. */
export const BYTE_MUTATIONS: Readonly<Record<string, Mutation>> = {
  flipBits: (bytes, dice) => {
    const out = bytes.slice();
    for (let flips = 1 + dice.roll(8); flips > 0; flips--) out[dice.roll(out.length)]! ^= 1 << dice.roll(8);
    return out;
  },
  truncate: (bytes, dice) => bytes.slice(0, dice.roll(bytes.length)),
  extend: (bytes, dice) => join(bytes, noise(1 + dice.roll(64), dice)),
  insert: (bytes, dice) => {
    const at = dice.roll(bytes.length);
    return join(bytes.subarray(0, at), noise(1 + dice.roll(32), dice), bytes.subarray(at));
  },
  remove: (bytes, dice) => {
    const [start, end] = range(bytes, dice);
    return join(bytes.subarray(0, start), bytes.subarray(end));
  },
  duplicate: (bytes, dice) => {
    const [start, end] = range(bytes, dice);
    return join(bytes.subarray(0, end), bytes.subarray(start));
  },
  overwrite: (bytes, dice) => {
    const [start, end] = range(bytes, dice);
    const out = bytes.slice();
    out.copyWithin(dice.roll(bytes.length), start, end);
    return out;
  },
  extremeLength: (bytes, dice) => {
    const places = lengthPlaces(bytes);
    return places.length === 0 ? bytes.slice() : withUint64(bytes, dice.pick(places), extreme(bytes, dice));
  },
  extremeAnywhere: (bytes, dice) => (bytes.length < 8 ? bytes.slice() : withUint64(bytes, dice.roll(bytes.length - 7), extreme(bytes, dice))),
  otherSmallNumber: (bytes, dice) => {
    const places = lengthPlaces(bytes);
    const out = bytes.slice();
    if (places.length > 0) out[dice.pick(places)] = dice.roll(48);
    return out;
  },
};

/** Damage to JSON text that leaves much of it JSON. */
export const JSON_MUTATIONS: Readonly<Record<string, (text: string, dice: Dice) => string>> = {
  otherNumber: (text, dice) =>
    replaceOne(text, /-?\d+/g, dice, (old) => dice.pick(['-1', '-0', '0', '1.5', '1e3', '1e400', '9007199254740991', '9007199254740993', '18446744073709551616', 'null', '"1"', '[]', '{}', String(Number(old) + 4), String(Number(old) - 4)])),
  swapNumbers: (text, dice) => {
    const numbers = text.match(/\d+/g) ?? ['0'];
    return replaceOne(text, /\d+/g, dice, () => dice.pick(numbers));
  },
  otherText: (text, dice) => {
    const texts = text.match(/"[^"]*"/g) ?? ['""'];
    return replaceOne(text, /"[^"]*"/g, dice, () => dice.pick([...texts, '"__proto__"', '"constructor"', '"__metadata__"', '"F8_E4M3"', '"BF16"', '"\\ud800"', '"\\u0000"', '""', '".."', '"../x"', '"/dev/zero"', '3', 'null']));
  },
  deepNesting: (text, dice) => {
    // Recursive walks of a value give up at a depth of a few thousand.
    const depth = dice.pick([2, 8, 64, 512, 12_000]);
    const [open, close] = dice.pick([['[', ']'], ['{"a":', '}']] as const);
    return replaceOne(text, /\[[^[\]]*\]|\{[^{}]*\}|"[^"]*"/g, dice, () => `${open.repeat(depth)}1${close.repeat(depth)}`);
  },
  repeatEntry: (text, dice) => replaceOne(text, /"[^"]*":(?:\{[^{}]*\}|"[^"]*")/g, dice, (entry) => `${entry},${entry}`),
  dropEntry: (text, dice) => replaceOne(text, /"[^"]*":(?:\{[^{}]*\}|"[^"]*"|\[[^[\]]*\]),?/g, dice, () => ''),
};

/** Parts side by side. */
export function join(...parts: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts));
}

function replaceOne(text: string, pattern: RegExp, dice: Dice, by: (old: string) => string): string {
  const found = [...text.matchAll(pattern)];
  if (found.length === 0) return text;
  const { 0: old, index } = dice.pick(found);
  return text.slice(0, index) + by(old) + text.slice(index + old.length);
}

function noise(length: number, dice: Dice): Uint8Array {
  return Uint8Array.from({ length }, () => dice.roll(256));
}

function range(bytes: Uint8Array, dice: Dice): [start: number, end: number] {
  const start = dice.roll(bytes.length);
  return [start, Math.min(bytes.length, start + 1 + dice.roll(64))];
}

/** Places of numbers of 8 bytes that could be lengths, counts or offsets: not zero, and no larger than the file. */
function lengthPlaces(bytes: Uint8Array): number[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const places: number[] = [];
  for (let at = 0; at + 8 <= bytes.length; at++) {
    if (view.getUint32(at + 4, true) === 0 && view.getUint32(at, true) - 1 < bytes.length && bytes[at] !== 0) places.push(at);
  }
  return places;
}

function extreme(bytes: Uint8Array, dice: Dice): bigint {
  const size = BigInt(bytes.length);
  return dice.pick([...EXTREMES, size, size - 8n, size + 1n, size / 2n]);
}

function withUint64(bytes: Uint8Array, at: number, value: bigint): Uint8Array {
  const out = bytes.slice();
  new DataView(out.buffer).setBigUint64(at, BigInt.asUintN(64, value), true);
  return out;
}
