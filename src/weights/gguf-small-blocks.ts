/**
 * Blocks of 32 elements with one scale: ggml's `block_q4_0` and its relatives. d and m are float16; of 16 bytes of pairs
 * the low half of byte i belongs to element i, the high half to element i + 16.
 */
import { float16Values } from './float16.ts';
import type { UnpackBlock } from './gguf-blocks.ts';

/** d, 32 signed bytes: x = d·q. */
export const q8_0: UnpackBlock = (bytes, at, out, to) => {
  const d = float16At(bytes, at);
  for (let i = 0; i < 32; i++) out[to + i] = d * ((bytes[at + 2 + i]! << 24) >> 24);
};

/** d, pairs: x = d·(q − 8). */
export const q4_0: UnpackBlock = (bytes, at, out, to) => {
  const d = float16At(bytes, at);
  for (let i = 0; i < 16; i++) {
    const pair = bytes[at + 2 + i]!;
    out[to + i] = d * ((pair & 15) - 8);
    out[to + 16 + i] = d * ((pair >> 4) - 8);
  }
};

/** d, m, pairs: x = d·q + m. */
export const q4_1: UnpackBlock = (bytes, at, out, to) => {
  const d = float16At(bytes, at);
  const m = float16At(bytes, at + 2);
  for (let i = 0; i < 16; i++) {
    const pair = bytes[at + 4 + i]!;
    out[to + i] = d * (pair & 15) + m;
    out[to + 16 + i] = d * (pair >> 4) + m;
  }
};

/** d, 32 fifth bits, pairs: x = d·(q − 16). */
export const q5_0: UnpackBlock = (bytes, at, out, to) => {
  const d = float16At(bytes, at);
  const fifth = bits32At(bytes, at + 2);
  for (let i = 0; i < 16; i++) {
    const pair = bytes[at + 6 + i]!;
    out[to + i] = d * (((pair & 15) | (((fifth >> i) & 1) << 4)) - 16);
    out[to + 16 + i] = d * (((pair >> 4) | (((fifth >> (i + 16)) & 1) << 4)) - 16);
  }
};

/** d, m, 32 fifth bits, pairs: x = d·q + m. */
export const q5_1: UnpackBlock = (bytes, at, out, to) => {
  const d = float16At(bytes, at);
  const m = float16At(bytes, at + 2);
  const fifth = bits32At(bytes, at + 4);
  for (let i = 0; i < 16; i++) {
    const pair = bytes[at + 8 + i]!;
    out[to + i] = d * ((pair & 15) | (((fifth >> i) & 1) << 4)) + m;
    out[to + 16 + i] = d * ((pair >> 4) | (((fifth >> (i + 16)) & 1) << 4)) + m;
  }
};

/** The sixteen levels of the IQ4 formats (ggml's `kvalues_iq4nl`). */
export const IQ4_LEVELS = Int8Array.of(-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113);

/** d, pairs: x = d·level(q). */
export const iq4_nl: UnpackBlock = (bytes, at, out, to) => {
  const d = float16At(bytes, at);
  for (let i = 0; i < 16; i++) {
    const pair = bytes[at + 2 + i]!;
    out[to + i] = d * IQ4_LEVELS[pair & 15]!;
    out[to + 16 + i] = d * IQ4_LEVELS[pair >> 4]!;
  }
};

/** The float16 at a place, as a number. */
export function float16At(bytes: Uint8Array, at: number): number {
  return float16Values()[bytes[at]! | (bytes[at + 1]! << 8)]!;
}

function bits32At(bytes: Uint8Array, at: number): number {
  return bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24);
}
