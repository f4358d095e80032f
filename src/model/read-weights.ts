/** Weights from a file into memory, a few rows at a time: as numbers of one type, or as blocks of a few bits. */
import { FileFormatError } from '../errors.ts';
import { breathe } from '../tensor/breathe.ts';
import * as ops from '../tensor/ops.ts';
import { keep, scope } from '../tensor/scope.ts';
import { tensorFromBytes } from '../tensor/tensor.ts';
import type { DType, Tensor } from '../tensor/tensor.ts';
import { BLOCK_FORMATS } from '../weights/gguf-blocks.ts';
import type { BlockFormat } from '../weights/gguf-blocks.ts';
import { BlockMatrix } from './weight.ts';
import type { Weight } from './weight.ts';

/** Weights as a file holds them; `weights/` provides them. */
export interface StoredWeights {
  names(): readonly string[];
  info(name: string): { dtype: DType; shape: readonly number[] };
  /** A whole tensor, or the rows of its first axis from `start` up to, not including, `end`; in `memory` where the bytes fit. */
  read(name: string, rows?: { start: number; end: number }, memory?: ArrayBuffer): { dtype: DType; shape: readonly number[]; bytes: Uint8Array };
  /** Where the file holds blocks: how it holds a tensor, and its rows as they are. */
  blocks?: {
    format(name: string): BlockFormat;
    read(name: string, rows: { start: number; end: number }, memory?: ArrayBuffer): Uint8Array;
  };
}

/** In what the matrices of a network are held: blocks made when they are read, or the file's own. */
export type Quantisation = 'q4_0' | 'q4_1' | 'q8_0' | 'asStored';

/** Every way to hold a matrix in blocks. */
export const quantisations = ['q4_0', 'q4_1', 'q8_0', 'asStored'] as const satisfies Quantisation[];

/** Formats that products know (native/blocks.cc). */
export const heldFormats: ReadonlySet<string> = new Set(['F16', 'BF16', 'Q4_0', 'Q4_1', 'Q5_0', 'Q5_1', 'Q8_0', 'Q4_K', 'Q5_K', 'Q6_K']);

/** Elements of a weight that are on their way at a time: 4 MiB of float32. A larger weight comes in pieces of whole rows. */
const PIECE = 1 << 20;

/** Largest float16, which scales and minima are. */
const MOST = 65504;

/** Memory for pieces on their way, one after the other: garbage of several hundred MB would wait for the collector otherwise. */
export function pieceMemory(): ArrayBuffer {
  return new ArrayBuffer(8 * PIECE); // enough for float64; what is never written takes nothing
}

/** One weight in the dtype asked for, row by row where it is large. The caller disposes it. */
export async function readWeight(stored: StoredWeights, name: string, shape: readonly number[], dtype: DType, memory?: ArrayBuffer): Promise<Tensor> {
  return fill(keep(ops.empty(shape, dtype)), shape, (rows) => {
    const piece = stored.read(name, rows, memory);
    return tensorFromBytes(piece.bytes, piece.shape, piece.dtype);
  });
}

/**
 * The format in which each matrix of a network will be held; what is not in the map stays in numbers.
 *
 * @throws FileFormatError when a matrix cannot be held so
 */
export function formatsOf(stored: StoredWeights, shapes: ReadonlyMap<string, readonly number[]>, quantisation: Quantisation): Map<string, BlockFormat> {
  const made = [...BLOCK_FORMATS.values()].find(({ name }) => name === quantisation.toUpperCase());
  const whole = () => new FileFormatError("Expected a file that holds blocks for `quantisation: 'asStored'`, got one of whole numbers; name a format such as 'q4_1' or 'q8_0'.", { quantisation });
  if (!made && !stored.blocks) throw whole();
  const formats = new Map<string, BlockFormat>();
  for (const [name, shape] of shapes) {
    if (shape.length !== 2) continue;
    const format = made ?? stored.blocks!.format(name);
    if (format.name === 'F32') continue;
    if (!heldFormats.has(format.name)) throw new FileFormatError(`Expected \`${name}\` in one of the formats that can be held (${[...heldFormats].join(', ')}), got ${format.name}; name the format to make of it, such as 'q4_1'.`, { name, format: format.name });
    if (shape[1]! % format.blockSize !== 0) {
      throw new FileFormatError(`Expected \`${name}\` to have rows of whole ${format.name} blocks (${format.blockSize}), got rows of ${shape[1]}; leave \`quantisation\` out for this model.`, { name, shape });
    }
    formats.set(name, format);
  }
  if (formats.size === 0) throw whole();
  return formats;
}

/**
 * One matrix in blocks: those of the file, or made from its numbers on the way. The caller disposes it.
 *
 * @throws FileFormatError when a number is none, or too large
 */
export async function readBlocks(stored: StoredWeights, name: string, shape: readonly number[], format: BlockFormat, quantisation: Quantisation, memory: ArrayBuffer): Promise<Weight> {
  const [out, input] = shape as [number, number];
  const rowBytes = (input / format.blockSize) * format.bytesPerBlock;
  const blocks = await fill(keep(ops.empty([out, rowBytes], 'uint8')), shape, (rows = { start: 0, end: out }) => {
    if (quantisation === 'asStored') return tensorFromBytes(stored.blocks!.read(name, rows, memory), [rows.end - rows.start, rowBytes], 'uint8');
    const piece = stored.read(name, rows, memory);
    const numbers = ops.to(tensorFromBytes(piece.bytes, piece.shape, piece.dtype), 'float32');
    const most = ops.amax(ops.abs(numbers), [0, 1]).item();
    if (!(most <= MOST)) throw new FileFormatError(`Expected \`${name}\` to hold numbers up to ${MOST}, got ${most}; its scales would not fit their 16 bits: leave \`quantisation\` out, or take an undamaged file.`, { name });
    return ops.toBlocks(numbers, format.name);
  });
  return new BlockMatrix(blocks, format.name, [out, input]);
}

/** Copies a weight of this shape into `target`, in pieces of whole rows that `piece` makes; without rows it is asked for all. A failure frees the target. */
async function fill(target: Tensor, shape: readonly number[], piece: (rows?: { start: number; end: number }) => Tensor): Promise<Tensor> {
  const rows = shape[0]!;
  const atOnce = Math.max(1, Math.floor((PIECE * rows) / shape.reduce((product, size) => product * size, 1)));
  try {
    for (let start = 0; start < rows; start += atOnce) {
      const end = Math.min(rows, start + atOnce);
      scope(() => void ops.copy_(ops.narrow(target, 0, start, end - start), piece(atOnce < rows ? { start, end } : undefined)));
      await breathe();
    }
    return target;
  } catch (error) {
    target.dispose();
    throw error;
  }
}
