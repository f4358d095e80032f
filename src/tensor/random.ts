/**
 * Random numbers without hidden state: Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3",
 * 2011). A number is a pure function of its key and counter, so a rollout can be repeated from any point.
 */

const multiplierA = 0xd2511f53;
const multiplierB = 0xcd9e8d57;
const weylA = 0x9e3779b9;
const weylB = 0xbb67ae85;

/** Four 32-bit words from a counter of four words and a key of two. */
export function philox(counter: readonly [number, number, number, number], key: readonly [number, number]): [number, number, number, number] {
  let [c0, c1, c2, c3] = counter;
  let [k0, k1] = key;
  for (let round = 0; round < 10; round++) {
    const highA = multiplyHigh(multiplierA, c0);
    const lowA = Math.imul(multiplierA, c0);
    const highB = multiplyHigh(multiplierB, c2);
    const lowB = Math.imul(multiplierB, c2);
    c0 = highB ^ c1 ^ k0;
    c1 = lowB;
    c2 = highA ^ c3 ^ k1;
    c3 = lowA;
    k0 = (k0 + weylA) | 0;
    k1 = (k1 + weylB) | 0;
  }
  return [c0 >>> 0, c1 >>> 0, c2 >>> 0, c3 >>> 0];
}

/** The upper 32 bits of a product of two unsigned 32-bit integers. */
function multiplyHigh(a: number, b: number): number {
  const aLow = a & 0xffff;
  const aHigh = a >>> 16;
  const bLow = b & 0xffff;
  const bHigh = b >>> 16;
  const low = aLow * bLow;
  const middle = aHigh * bLow + (low >>> 16);
  const cross = aLow * bHigh + (middle & 0xffff);
  return (aHigh * bHigh + Math.floor(middle / 65536) + (cross >>> 16)) | 0;
}

/** What a random number is for; streams with different purposes never meet. */
export const purpose = { sampling: 1, initialisation: 2, resampling: 3 } as const;

/** Where a sampled token stands. */
export interface DrawKey {
  seed: number;
  /** Generation round, from 0. */
  step: number;
  /** Prompt within the round. */
  prompt: number;
  /** Completion within the group. */
  sample: number;
  /** Token within the completion. */
  token: number;
}

/** A uniform number in [0, 1), with 24 bits, so that it is exact in float32. */
export function uniform({ seed, step, prompt, sample, token }: DrawKey): number {
  const [word] = philox([step, prompt, sample, token], [seed, purpose.sampling]);
  return (word >>> 8) / 2 ** 24;
}

/** `count` uniform numbers in [0, 1), of 24 bits each. */
export function uniforms(count: number, seed: number, stream: number): Float32Array {
  const values = new Float32Array(count);
  for (let i = 0; i < count; i += 4) {
    const words = philox([i, stream, 1, 0], [seed, purpose.initialisation]);
    for (let j = i; j < Math.min(count, i + 4); j++) values[j] = (words[j - i]! >>> 8) / 2 ** 24;
  }
  return values;
}

/** `count` normal numbers with mean 0 and standard deviation `std`, by Box and Muller. */
export function normals(count: number, std: number, seed: number, stream: number): Float32Array {
  const values = new Float32Array(count);
  for (let i = 0; i < count; i += 4) {
    const words = philox([i, stream, 0, 0], [seed, purpose.initialisation]);
    for (let pair = 0; pair < 2; pair++) {
      const radius = std * Math.sqrt(-2 * Math.log((words[2 * pair]! + 1) / 2 ** 32));
      const angle = (2 * Math.PI * words[2 * pair + 1]!) / 2 ** 32;
      if (i + 2 * pair < count) values[i + 2 * pair] = radius * Math.cos(angle);
      if (i + 2 * pair + 1 < count) values[i + 2 * pair + 1] = radius * Math.sin(angle);
    }
  }
  return values;
}
