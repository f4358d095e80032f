/** The block formats of GGUF tensors we read: how many elements share a block, its bytes, and how it becomes float32. */
import { float16Values } from './float16.ts';
import * as superBlocks from './gguf-k-quants.ts';
import * as smallBlocks from './gguf-small-blocks.ts';

/** How a tensor of one ggml type lies in a file. */
export interface BlockFormat {
  name: string;
  /** Elements per block. */
  blockSize: number;
  bytesPerBlock: number;
  /**
   * `bytes` holds whole blocks and starts aligned to 4; gives `blockSize` elements per block, in `memory` where they fit.
   * F32 shares the memory of `bytes`.
   */
  dequantise: (bytes: Uint8Array<ArrayBuffer>, memory?: ArrayBuffer) => Float32Array<ArrayBuffer>;
}

/**
 * Writes the elements of one block. Results are those of Python's `gguf` package, bit for bit: a product of a float16
 * and the small integers of a block is exact in float32, so that only a sum at the end rounds.
 *
 * @param at where the block starts in `bytes`
 * @param to where its first element goes in `out`
 */
export type UnpackBlock = (bytes: Uint8Array, at: number, out: Float32Array, to: number) => void;

/** The formats by their ggml type number. */
export const BLOCK_FORMATS: ReadonlyMap<number, BlockFormat> = new Map([
  [0, { name: 'F32', blockSize: 1, bytesPerBlock: 4, dequantise: fromFloat32 }],
  [1, { name: 'F16', blockSize: 1, bytesPerBlock: 2, dequantise: fromFloat16 }],
  [2, inBlocks('Q4_0', 32, 18, smallBlocks.q4_0)],
  [3, inBlocks('Q4_1', 32, 20, smallBlocks.q4_1)],
  [6, inBlocks('Q5_0', 32, 22, smallBlocks.q5_0)],
  [7, inBlocks('Q5_1', 32, 24, smallBlocks.q5_1)],
  [8, inBlocks('Q8_0', 32, 34, smallBlocks.q8_0)],
  [10, inBlocks('Q2_K', 256, 84, superBlocks.q2_K)],
  [11, inBlocks('Q3_K', 256, 110, superBlocks.q3_K)],
  [12, inBlocks('Q4_K', 256, 144, superBlocks.q4_K)],
  [13, inBlocks('Q5_K', 256, 176, superBlocks.q5_K)],
  [14, inBlocks('Q6_K', 256, 210, superBlocks.q6_K)],
  [20, inBlocks('IQ4_NL', 32, 18, smallBlocks.iq4_nl)],
  [23, inBlocks('IQ4_XS', 256, 136, superBlocks.iq4_xs)],
  [30, { name: 'BF16', blockSize: 1, bytesPerBlock: 2, dequantise: fromBFloat16 }],
]);

/** Types that other programs write and we do not read, so that an error can name them. */
export const OTHER_TYPES: ReadonlyMap<number, string> = new Map([
  [9, 'Q8_1'],
  [15, 'Q8_K'],
  [16, 'IQ2_XXS'],
  [17, 'IQ2_XS'],
  [18, 'IQ3_XXS'],
  [19, 'IQ1_S'],
  [21, 'IQ3_S'],
  [22, 'IQ2_S'],
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

function inBlocks(name: string, blockSize: number, bytesPerBlock: number, unpack: UnpackBlock): BlockFormat {
  const dequantise = (bytes: Uint8Array<ArrayBuffer>, memory?: ArrayBuffer): Float32Array<ArrayBuffer> => {
    const blocks = bytes.length / bytesPerBlock;
    const out = float32(blocks * blockSize, memory);
    for (let block = 0; block < blocks; block++) unpack(bytes, block * bytesPerBlock, out, block * blockSize);
    return out;
  };
  return { name, blockSize, bytesPerBlock, dequantise };
}

function float32(length: number, memory: ArrayBuffer | undefined): Float32Array<ArrayBuffer> {
  return memory && 4 * length <= memory.byteLength ? new Float32Array(memory, 0, length) : new Float32Array(length);
}

function fromFloat32(bytes: Uint8Array<ArrayBuffer>): Float32Array<ArrayBuffer> {
  return new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
}

/** Bits move, not numbers, so that a NaN keeps its payload. */
function fromFloat16(bytes: Uint8Array<ArrayBuffer>, memory?: ArrayBuffer): Float32Array<ArrayBuffer> {
  const halves = new Uint16Array(bytes.buffer, bytes.byteOffset, bytes.length / 2);
  const bitsOf = new Uint32Array(float16Values().buffer);
  const out = float32(halves.length, memory);
  const bits = new Uint32Array(out.buffer, 0, out.length);
  for (let i = 0; i < halves.length; i++) bits[i] = bitsOf[halves[i]!]!;
  return out;
}

function fromBFloat16(bytes: Uint8Array<ArrayBuffer>, memory?: ArrayBuffer): Float32Array<ArrayBuffer> {
  const halves = new Uint16Array(bytes.buffer, bytes.byteOffset, bytes.length / 2);
  const out = float32(halves.length, memory);
  const bits = new Uint32Array(out.buffer, 0, out.length);
  for (let i = 0; i < halves.length; i++) bits[i] = halves[i]! << 16;
  return out;
}
