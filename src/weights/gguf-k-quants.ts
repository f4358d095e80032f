/**
 * Super-blocks of 256 elements whose groups of 16 or 32 have scales of their own: ggml's `block_q2_K` to `block_q6_K` and
 * `block_iq4_xs`. d and m are float16. In all of them the elements come as eight runs of 32, counted by `run`.
 */
import type { UnpackBlock } from './gguf-blocks.ts';
import { IQ4_LEVELS, float16At } from './gguf-small-blocks.ts';

/** 16 bytes of scale and minimum (4 bits each), 64 bytes of two-bit q, d, m: x = d·scale·q − m·minimum. */
export const q2_K: UnpackBlock = (bytes, at, out, to) => {
  const d = float16At(bytes, at + 80);
  const m = float16At(bytes, at + 82);
  for (let group = 0; group < 16; group++, to += 16) {
    const packed = bytes[at + group]!;
    const scale = d * (packed & 15);
    const minimum = m * (packed >> 4);
    const run = group >> 1;
    // Four runs share 32 bytes, a pair of bits each.
    const from = at + 16 + (run >> 2) * 32 + (group & 1) * 16;
    const shift = (run & 3) * 2;
    for (let i = 0; i < 16; i++) out[to + i] = scale * ((bytes[from + i]! >> shift) & 3) - minimum;
  }
};

/** 32 bytes of third bits (bit `run` of byte i), 64 bytes of two-bit q, 12 bytes of scales, d: x = d·(scale − 32)·(q − 4). */
export const q3_K: UnpackBlock = (bytes, at, out, to) => {
  const d = float16At(bytes, at + 108);
  for (let group = 0; group < 16; group++, to += 16) {
    // Scales are six bits: four in the first eight bytes (low halves, then high halves), two in the last four.
    const low = (bytes[at + 96 + (group & 7)]! >> ((group >> 3) * 4)) & 15;
    const high = (bytes[at + 104 + (group & 3)]! >> ((group >> 2) * 2)) & 3;
    const scale = d * ((low | (high << 4)) - 32);
    const run = group >> 1;
    const third = at + (group & 1) * 16;
    const from = third + 32 + (run >> 2) * 32;
    const shift = (run & 3) * 2;
    for (let i = 0; i < 16; i++) {
      const q = ((bytes[from + i]! >> shift) & 3) | (((bytes[third + i]! >> run) & 1) << 2);
      out[to + i] = scale * (q - 4);
    }
  }
};

/** d, m, 12 bytes of scales and minima, 128 bytes of pairs: x = d·scale·q − m·minimum. */
export const q4_K: UnpackBlock = (bytes, at, out, to) => {
  const d = float16At(bytes, at);
  const m = float16At(bytes, at + 2);
  for (let run = 0; run < 8; run++, to += 32) {
    const scale = d * sixBitScale(bytes, at + 4, run);
    const minimum = m * sixBitMinimum(bytes, at + 4, run);
    // Two runs share 32 bytes: low halves, then high halves.
    const from = at + 16 + (run >> 1) * 32;
    const shift = (run & 1) * 4;
    for (let i = 0; i < 32; i++) out[to + i] = scale * ((bytes[from + i]! >> shift) & 15) - minimum;
  }
};

/** As Q4_K, with 32 bytes of fifth bits (bit `run` of byte i) before the pairs. */
export const q5_K: UnpackBlock = (bytes, at, out, to) => {
  const d = float16At(bytes, at);
  const m = float16At(bytes, at + 2);
  const fifth = at + 16;
  for (let run = 0; run < 8; run++, to += 32) {
    const scale = d * sixBitScale(bytes, at + 4, run);
    const minimum = m * sixBitMinimum(bytes, at + 4, run);
    const from = at + 48 + (run >> 1) * 32;
    const shift = (run & 1) * 4;
    for (let i = 0; i < 32; i++) {
      const q = ((bytes[from + i]! >> shift) & 15) | (((bytes[fifth + i]! >> run) & 1) << 4);
      out[to + i] = scale * q - minimum;
    }
  }
};

/** 128 bytes of low halves, 64 bytes of high pairs of bits, 16 signed scales, d: x = d·scale·(q − 32). */
export const q6_K: UnpackBlock = (bytes, at, out, to) => {
  const d = float16At(bytes, at + 208);
  for (let group = 0; group < 16; group++, to += 16) {
    const scale = d * ((bytes[at + 192 + group]! << 24) >> 24);
    const run = group >> 1;
    const within = (group & 1) * 16;
    // Of each 128 elements, runs 0 and 1 are the low halves of 64 bytes, runs 2 and 3 the high halves.
    const low = at + (run >> 2) * 64 + (run & 1) * 32 + within;
    const lowShift = ((run >> 1) & 1) * 4;
    const high = at + 128 + (run >> 2) * 32 + within;
    const highShift = (run & 3) * 2;
    for (let i = 0; i < 16; i++) {
      const q = ((bytes[low + i]! >> lowShift) & 15) | (((bytes[high + i]! >> highShift) & 3) << 4);
      out[to + i] = scale * (q - 32);
    }
  }
};

/** d, 16 bits of high scale bits, 4 bytes of low scale bits, 128 bytes of pairs as in IQ4_NL: x = d·(scale − 32)·level(q). */
export const iq4_xs: UnpackBlock = (bytes, at, out, to) => {
  const d = float16At(bytes, at);
  const highBits = bytes[at + 2]! | (bytes[at + 3]! << 8);
  for (let run = 0; run < 8; run++, to += 32) {
    const low = (bytes[at + 4 + (run >> 1)]! >> ((run & 1) * 4)) & 15;
    const scale = d * ((low | (((highBits >> (run * 2)) & 3) << 4)) - 32);
    const from = at + 8 + run * 16;
    for (let i = 0; i < 16; i++) {
      const pair = bytes[from + i]!;
      out[to + i] = scale * IQ4_LEVELS[pair & 15]!;
      out[to + 16 + i] = scale * IQ4_LEVELS[pair >> 4]!;
    }
  }
};

/*
 * Eight scales and eight minima of six bits in 12 bytes, as Q4_K and Q5_K share them. The first four of each stand whole
 * in the low six bits of bytes 0-3 (scales) and 4-7 (minima). The last four have their low four bits in bytes 8-11 (scale
 * low, minimum high half) and their high two in the two bits that bytes 0-7 have left.
 */
function sixBitScale(bytes: Uint8Array, at: number, run: number): number {
  return run < 4 ? bytes[at + run]! & 63 : (bytes[at + run + 4]! & 15) | ((bytes[at + run - 4]! >> 6) << 4);
}

function sixBitMinimum(bytes: Uint8Array, at: number, run: number): number {
  return run < 4 ? bytes[at + 4 + run]! & 63 : (bytes[at + run + 4]! >> 4) | ((bytes[at + run]! >> 6) << 4);
}
