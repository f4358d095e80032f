/**
 * The GGUF container, versions 2 and 3: magic, counts, key-value metadata, tensor descriptions, aligned data.
 * Files come from strangers: counts, lengths, types, offsets and overlaps are checked before they are believed.
 */
import fs from 'node:fs';
import { NotFoundError } from '../errors.ts';
import { elementCount } from './dtype.ts';
import type { RowRange } from './dtype.ts';
import type { OpenFile } from './file-bytes.ts';
import { FETCH_AGAIN, byteRange, fileFault, openFile, readAt } from './file-bytes.ts';
import type { BlockFormat } from './gguf-blocks.ts';
import { BLOCK_FORMATS, OTHER_TYPES } from './gguf-blocks.ts';
import { GgufReader } from './gguf-reader.ts';

/** A metadata value. Numeric arrays are typed arrays; 64-bit integers are numbers where that is exact, else bigints. */
export type GgufValue = number | bigint | boolean | string | NumericArray | GgufValue[];

type NumericArray = Uint8Array | Int8Array | Uint16Array | Int16Array | Uint32Array | Int32Array | Float32Array | Float64Array | BigInt64Array | BigUint64Array;

/** A tensor of the file. */
export interface GgufTensor {
  name: string;
  /** Row-major, slowest axis first (GGUF stores the reverse). */
  shape: number[];
  format: BlockFormat;
  /** Bytes from the start of the file. */
  start: number;
  bytes: number;
}

/** An open GGUF file. */
export interface GgufFile {
  path: string;
  metadata: ReadonlyMap<string, GgufValue>;
  tensors: ReadonlyMap<string, GgufTensor>;
  /** The blocks of a tensor, or of some of its rows, as they lie in the file. */
  readBlocks(name: string, rows?: RowRange, memory?: ArrayBuffer): Uint8Array<ArrayBuffer>;
  close(): void;
}

const MAGIC = 0x46554747; // "GGUF" read as a little-endian number
const MAX_DIMENSIONS = 4; // GGML_MAX_DIMS
const DEFAULT_ALIGNMENT = 32;
const MAX_NESTING = 4;

/** Metadata value types by number: a scalar's bytes and reader, and the array that holds many of them. */
const SCALARS: ReadonlyMap<number, { bytes: number; array: new (buffer: ArrayBuffer) => NumericArray }> = new Map<number, { bytes: number; array: new (buffer: ArrayBuffer) => NumericArray }>([
  [0, { bytes: 1, array: Uint8Array }],
  [1, { bytes: 1, array: Int8Array }],
  [2, { bytes: 2, array: Uint16Array }],
  [3, { bytes: 2, array: Int16Array }],
  [4, { bytes: 4, array: Uint32Array }],
  [5, { bytes: 4, array: Int32Array }],
  [6, { bytes: 4, array: Float32Array }],
  [10, { bytes: 8, array: BigUint64Array }],
  [11, { bytes: 8, array: BigInt64Array }],
  [12, { bytes: 8, array: Float64Array }],
]);
const BOOL = 7;
const STRING = 8;
const ARRAY = 9;

/**
 * Opens a GGUF file and reads its header; tensor data stays on disk.
 *
 * @throws FileFormatError when the header is damaged, hostile, or uses a version or tensor type we do not read
 */
export function openGguf(path: string): GgufFile {
  const file = openFile(path);
  try {
    const reader = new GgufReader(file);
    const { tensorCount, metadataCount } = readCounts(reader);
    const metadata = readMetadata(reader, metadataCount);
    const tensors = readTensors(reader, tensorCount);
    placeTensors(file, tensors, alignUp(reader.position, alignment(file, metadata)), alignment(file, metadata));
    const byName = new Map(tensors.map((tensor) => [tensor.name, tensor]));
    return {
      path,
      metadata,
      tensors: byName,
      readBlocks: (name, rows, memory) => {
        const tensor = byName.get(name);
        if (!tensor) throw new NotFoundError(`Expected tensor \`${name}\` in \`${path}\`, got none; the file holds ${byName.size} others.`, { file: path, tensor: name });
        const part = rows ? byteRange(rows, tensor.shape, tensor.bytes) : { start: 0, length: tensor.bytes };
        return readAt(file, tensor.start + part.start, part.length, memory);
      },
      close: () => fs.closeSync(file.fd),
    };
  } catch (error) {
    fs.closeSync(file.fd);
    throw error;
  }
}

function readCounts(reader: GgufReader): { tensorCount: number; metadataCount: number } {
  const magic = reader.u32();
  if (magic !== MAGIC) throw reader.fault('the letters GGUF at its start', `0x${magic.toString(16)}`, 'name a GGUF file');
  const version = reader.u32();
  if (version !== 2 && version !== 3) {
    throw reader.fault('GGUF version 2 or 3, little-endian', `version ${version}`, 'convert the model again with a current llama.cpp');
  }
  // A tensor description takes at least 24 bytes (name length, dimensions, type, offset), a metadata entry 13.
  return { tensorCount: reader.count('a tensor count', 24), metadataCount: reader.count('a metadata count', 13) };
}

function readMetadata(reader: GgufReader, count: number): Map<string, GgufValue> {
  const metadata = new Map<string, GgufValue>();
  for (let i = 0; i < count; i++) {
    const key = reader.string('a metadata key');
    if (metadata.has(key)) throw reader.fault('every metadata key once', `\`${key}\` twice`);
    metadata.set(key, readValue(reader, reader.u32(), key, 0));
  }
  return metadata;
}

function readValue(reader: GgufReader, type: number, key: string, depth: number): GgufValue {
  if (type === STRING) return reader.string(`\`${key}\``);
  if (type === BOOL) {
    const value = reader.u8();
    if (value > 1) throw reader.fault(`true or false for \`${key}\``, String(value));
    return value === 1;
  }
  if (type === ARRAY) return readArray(reader, key, depth);
  const scalar = SCALARS.get(type);
  if (!scalar) throw reader.fault(`a known metadata type for \`${key}\``, `type ${type}`);
  const value = new scalar.array(reader.bytes(scalar.bytes).buffer)[0]!;
  return typeof value === 'bigint' && BigInt.asIntN(54, value) === value ? Number(value) : value;
}

function readArray(reader: GgufReader, key: string, depth: number): GgufValue {
  if (depth >= MAX_NESTING) throw reader.fault(`arrays nested at most ${MAX_NESTING} deep in \`${key}\``, 'more');
  const type = reader.u32();
  const scalar = SCALARS.get(type);
  // A string takes at least its 8 bytes of length, an array its type and count.
  const minimumBytes = scalar?.bytes ?? { [BOOL]: 1, [STRING]: 8, [ARRAY]: 12 }[type];
  if (minimumBytes === undefined) throw reader.fault(`a known type for the elements of \`${key}\``, `type ${type}`);
  const count = reader.count(`a number of elements of \`${key}\``, minimumBytes);
  if (scalar) return new scalar.array(reader.bytes(count * scalar.bytes).buffer);
  const values: GgufValue[] = [];
  for (let i = 0; i < count; i++) values.push(readValue(reader, type, key, depth + 1));
  return values;
}

function readTensors(reader: GgufReader, count: number): GgufTensor[] {
  const tensors: GgufTensor[] = [];
  const names = new Set<string>();
  for (let i = 0; i < count; i++) {
    const tensor = readTensor(reader);
    if (names.has(tensor.name)) throw reader.fault('every tensor name once', `\`${tensor.name}\` twice`);
    names.add(tensor.name);
    tensors.push(tensor);
  }
  return tensors;
}

/** One description; `start` is still relative to the data section. */
function readTensor(reader: GgufReader): GgufTensor {
  const name = reader.string('a tensor name');
  const dimensions = reader.u32();
  if (dimensions < 1 || dimensions > MAX_DIMENSIONS) throw reader.fault(`1 to ${MAX_DIMENSIONS} dimensions for tensor \`${name}\``, String(dimensions));
  const shape: number[] = [];
  for (let i = 0; i < dimensions; i++) {
    const size = reader.u64();
    if (size < 1n || size > BigInt(Number.MAX_SAFE_INTEGER)) throw reader.fault(`sizes of 1 and more for tensor \`${name}\``, String(size));
    shape.unshift(Number(size));
  }
  const type = reader.u32();
  const start = reader.u64();
  const format = BLOCK_FORMATS.get(type);
  if (!format) {
    const names = [...BLOCK_FORMATS.values()].map((known) => known.name).join(', ');
    throw reader.fault(
      `tensors of type ${names}`,
      `${OTHER_TYPES.get(type) ?? 'an unknown type'} (${type}) for \`${name}\``,
      'use a Q8_0, Q4_K or BF16 file of the model, or its Hugging Face folder',
    );
  }
  const row = shape.at(-1)!;
  if (row % format.blockSize !== 0) throw reader.fault(`rows of whole ${format.name} blocks (${format.blockSize}) for tensor \`${name}\``, `rows of ${row}`);
  const bytes = (elementCount(shape) / format.blockSize) * format.bytesPerBlock;
  if (!Number.isSafeInteger(bytes) || bytes > reader.file.size || start > BigInt(reader.file.size)) {
    throw reader.fault(`tensor \`${name}\` (shape [${shape}]) inside its ${reader.file.size} bytes`, `${bytes} bytes at data offset ${start}`);
  }
  return { name, shape, format, start: Number(start), bytes };
}

function alignment(file: OpenFile, metadata: ReadonlyMap<string, GgufValue>): number {
  const value = metadata.get('general.alignment') ?? DEFAULT_ALIGNMENT;
  if (typeof value !== 'number' || !Number.isInteger(Math.log2(value)) || value < 1 || value > 1 << 20) {
    throw fileFault(file.path, '`general.alignment` a power of two', String(value), FETCH_AGAIN);
  }
  return value;
}

function alignUp(position: number, to: number): number {
  return Math.ceil(position / to) * to;
}

/** Makes every `start` absolute and checks that tensors are aligned, inside the file and apart from each other. */
function placeTensors(file: OpenFile, tensors: GgufTensor[], dataStart: number, aligned: number): void {
  let end = dataStart;
  let before = '';
  for (const tensor of tensors.toSorted((a, b) => a.start - b.start)) {
    const offset = tensor.start;
    if (offset % aligned !== 0) throw fileFault(file.path, `tensor \`${tensor.name}\` at a multiple of ${aligned}`, `data offset ${offset}`, FETCH_AGAIN, { tensor: tensor.name });
    tensor.start += dataStart;
    if (tensor.start < end) throw fileFault(file.path, `tensor \`${tensor.name}\` after \`${before}\``, `an overlap at data offset ${offset}`, FETCH_AGAIN, { tensor: tensor.name });
    end = tensor.start + tensor.bytes;
    before = tensor.name;
    if (end > file.size) {
      throw fileFault(file.path, `tensor \`${tensor.name}\` up to byte ${end}`, `a file of ${file.size} bytes`, FETCH_AGAIN, { tensor: tensor.name });
    }
  }
}
