/**
 * The block formats of GGUF tensors we read: how many elements share a block, its bytes, and how it becomes float32.
 * Layouts after ggml's `block_q4_0`, `block_q4_1`, `block_q8_0`; results are those of Python's `gguf` package, bit for bit:
 * float32 arithmetic, rounded after every multiplication and addition.
 */
export interface BlockFormat {
  name: string;
  /** Elements per block. */
  blockSize: number;
  bytesPerBlock: number;
  /** `bytes` holds whole blocks and starts aligned to 4; gives `blockSize` elements per block. F32 shares its memory. */
  dequantise: (bytes: Uint8Array<ArrayBuffer>) => Float32Array<ArrayBuffer>;
}

/** The formats by their ggml type number. */
export const BLOCK_FORMATS: ReadonlyMap<number, BlockFormat> = new Map([
  [0, { name: 'F32', blockSize: 1, bytesPerBlock: 4, dequantise: fromFloat32 }],
  [1, { name: 'F16', blockSize: 1, bytesPerBlock: 2, dequantise: fromFloat16 }],
  [2, { name: 'Q4_0', blockSize: 32, bytesPerBlock: 18, dequantise: fromQ4_0 }],
  [3, { name: 'Q4_1', blockSize: 32, bytesPerBlock: 20, dequantise: fromQ4_1 }],
  [8, { name: 'Q8_0', blockSize: 32, bytesPerBlock: 34, dequantise: fromQ8_0 }],
  [30, { name: 'BF16', blockSize: 1, bytesPerBlock: 2, dequantise: fromBFloat16 }],
]);

/** Types that other programs write and we do not read, so that an error can name them. */
export const OTHER_TYPES: ReadonlyMap<number, string> = new Map([
  [6, 'Q5_0'],
  [7, 'Q5_1'],
  [9, 'Q8_1'],
  [10, 'Q2_K'],
  [11, 'Q3_K'],
  [12, 'Q4_K'],
  [13, 'Q5_K'],
  [14, 'Q6_K'],
  [15, 'Q8_K'],
  [16, 'IQ2_XXS'],
  [17, 'IQ2_XS'],
  [18, 'IQ3_XXS'],
  [19, 'IQ1_S'],
  [20, 'IQ4_NL'],
  [21, 'IQ3_S'],
  [22, 'IQ2_S'],
  [23, 'IQ4_XS'],
  [24, 'I8'],
  [25, 'I16'],
  [26, 'I32'],
  [27, 'I64'],
  [28, 'F64'],
  [29, 'IQ1_M'],
  [34, 'TQ1_0'],
  [35, 'TQ2_0'],
  [39, 'MXFP4'],
]);

function fromFloat32(bytes: Uint8Array<ArrayBuffer>): Float32Array<ArrayBuffer> {
  return new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
}

function fromFloat16(bytes: Uint8Array<ArrayBuffer>): Float32Array<ArrayBuffer> {
  const halves = new Uint16Array(bytes.buffer, bytes.byteOffset, bytes.length / 2);
  const bits = new Uint32Array(halves.length);
  for (let i = 0; i < halves.length; i++) bits[i] = float16Bits(halves[i]!);
  return new Float32Array(bits.buffer);
}

function fromBFloat16(bytes: Uint8Array<ArrayBuffer>): Float32Array<ArrayBuffer> {
  const halves = new Uint16Array(bytes.buffer, bytes.byteOffset, bytes.length / 2);
  const bits = new Uint32Array(halves.length);
  for (let i = 0; i < halves.length; i++) bits[i] = halves[i]! << 16;
  return new Float32Array(bits.buffer);
}

/** Q8_0: scale (float16), then 32 signed bytes. x = d·q. */
function fromQ8_0(bytes: Uint8Array<ArrayBuffer>): Float32Array<ArrayBuffer> {
  const scales = float16Values();
  const signed = new Int8Array(bytes.buffer, bytes.byteOffset, bytes.length);
  const blocks = bytes.length / 34;
  const out = new Float32Array(blocks * 32);
  for (let block = 0, at = 0, to = 0; block < blocks; block++, at += 34, to += 32) {
    const d = scales[bytes[at]! | (bytes[at + 1]! << 8)]!;
    for (let i = 0; i < 32; i++) out[to + i] = d * signed[at + 2 + i]!;
  }
  return out;
}

/** Q4_0: scale (float16), then 16 bytes of which the low half is element i and the high half element i + 16. x = d·(q − 8). */
function fromQ4_0(bytes: Uint8Array<ArrayBuffer>): Float32Array<ArrayBuffer> {
  const scales = float16Values();
  const blocks = bytes.length / 18;
  const out = new Float32Array(blocks * 32);
  for (let block = 0, at = 0, to = 0; block < blocks; block++, at += 18, to += 32) {
    const d = scales[bytes[at]! | (bytes[at + 1]! << 8)]!;
    for (let i = 0; i < 16; i++) {
      const pair = bytes[at + 2 + i]!;
      out[to + i] = d * ((pair & 15) - 8);
      out[to + 16 + i] = d * ((pair >> 4) - 8);
    }
  }
  return out;
}

/** Q4_1: scale and minimum (float16), then 16 bytes as in Q4_0. x = d·q + m. */
function fromQ4_1(bytes: Uint8Array<ArrayBuffer>): Float32Array<ArrayBuffer> {
  const scales = float16Values();
  const blocks = bytes.length / 20;
  const out = new Float32Array(blocks * 32);
  for (let block = 0, at = 0, to = 0; block < blocks; block++, at += 20, to += 32) {
    const d = scales[bytes[at]! | (bytes[at + 1]! << 8)]!;
    const m = scales[bytes[at + 2]! | (bytes[at + 3]! << 8)]!;
    for (let i = 0; i < 16; i++) {
      const pair = bytes[at + 4 + i]!;
      // The product is rounded to float32 before the sum, as two float32 operations would.
      out[to + i] = Math.fround(d * (pair & 15)) + m;
      out[to + 16 + i] = Math.fround(d * (pair >> 4)) + m;
    }
  }
  return out;
}

let table: Float32Array | null = null;

/** Every float16 as a float32, indexed by its 16 bits (256 KiB, made at first use). */
function float16Values(): Float32Array {
  if (table === null) {
    const bits = new Uint32Array(65536);
    for (let half = 0; half < 65536; half++) bits[half] = float16Bits(half);
    table = new Float32Array(bits.buffer);
  }
  return table;
}

/** The bits of the float32 equal to a float16 (IEEE 754 binary16; NaN payloads kept). */
function float16Bits(half: number): number {
  const sign = (half & 0x8000) << 16;
  const exponent = (half >> 10) & 31;
  const fraction = half & 0x3ff;
  if (exponent === 31) return sign | 0x7f800000 | (fraction << 13);
  if (exponent > 0) return sign | ((exponent + 112) << 23) | (fraction << 13);
  if (fraction === 0) return sign;
  const shift = Math.clz32(fraction) - 21; // moves the leading bit to the implicit place
  return sign | ((113 - shift) << 23) | (((fraction << shift) & 0x3ff) << 13);
}
