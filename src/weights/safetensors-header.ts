/**
 * The header of a safetensors file: 8 bytes of length (unsigned, little-endian), then so many bytes of JSON that map
 * tensor names to dtype, shape and the half-open byte range in the data that follows. Ranges tile the data exactly.
 */
import { show } from '../errors.ts';
import type { DType, TensorInfo } from './dtype.ts';
import { byteLength } from './dtype.ts';
import type { OpenFile } from './file-bytes.ts';
import { FETCH_AGAIN, fileFault, readAt } from './file-bytes.ts';
import { duplicateKey, isObject, parseJsonObject } from './json-file.ts';

/** The limit the reference implementation sets on the JSON, in bytes. */
const MAX_HEADER = 100_000_000;

/** Bytes before the JSON. */
export const LENGTH_BYTES = 8;

const FROM_FILE: Readonly<Record<string, DType>> = {
  F64: 'float64',
  F32: 'float32',
  BF16: 'bfloat16',
  F16: 'float16',
  I64: 'int64',
  I32: 'int32',
  U8: 'uint8',
  BOOL: 'bool',
};

/** Of the format, but without a dtype of ours: floats of 8 bits and fewer, which need scales to mean anything, and rare integers. */
const NOT_READ: ReadonlySet<unknown> = new Set(['F8_E4M3', 'F8_E5M2', 'F8_E8M0', 'F8_E4M3FNUZ', 'F8_E5M2FNUZ', 'F6_E2M3', 'F6_E3M2', 'F4', 'C64', 'I8', 'I16', 'U16', 'U32', 'U64']);

/** Names of our dtypes in safetensors. */
export const TO_FILE = Object.fromEntries(Object.entries(FROM_FILE).map(([stored, dtype]) => [dtype, stored])) as Readonly<Record<DType, string>>;

/** A tensor of the file with its place, in bytes from the start of the file. */
export interface PlacedTensor extends TensorInfo {
  name: string;
  start: number;
  end: number;
}

/** Reads and checks the whole header; the data is not touched. */
export function readHeader(file: OpenFile): Map<string, PlacedTensor> {
  const { text, dataStart } = headerText(file);
  const header = parseJsonObject(text, file.path, 'a header that is a JSON object');
  const twice = duplicateKey(text);
  if (twice !== null) throw fileFault(file.path, 'every name once', `\`${twice}\` twice`, FETCH_AGAIN, { tensor: twice });

  const tensors = new Map<string, PlacedTensor>();
  for (const [name, entry] of Object.entries(header)) {
    if (name === '__metadata__') continue;
    tensors.set(name, placedTensor(file, name, entry, dataStart));
  }
  checkTiling(file, [...tensors.values()], dataStart);
  return tensors;
}

function headerText(file: OpenFile): { text: string; dataStart: number } {
  if (file.size < LENGTH_BYTES) throw fileFault(file.path, `at least ${LENGTH_BYTES} bytes`, `${file.size}`, FETCH_AGAIN);
  const length = new DataView(readAt(file, 0, LENGTH_BYTES).buffer).getBigUint64(0, true);
  if (length > BigInt(MAX_HEADER)) {
    throw fileFault(file.path, `a header of at most ${MAX_HEADER} bytes`, `a header length of ${length}`, 'this is no safetensors file, or it is damaged; fetch it again');
  }
  if (LENGTH_BYTES + Number(length) > file.size) {
    throw fileFault(file.path, `its ${length}-byte header inside the file`, `a file of ${file.size} bytes`, FETCH_AGAIN);
  }
  const bytes = readAt(file, LENGTH_BYTES, Number(length));
  try {
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
    return { text, dataStart: LENGTH_BYTES + bytes.length };
  } catch {
    throw fileFault(file.path, 'a header in UTF-8', 'other bytes', FETCH_AGAIN);
  }
}

function placedTensor(file: OpenFile, name: string, entry: unknown, dataStart: number): PlacedTensor {
  const fault = (wanted: string, got: unknown, mend: string = FETCH_AGAIN): never => {
    throw fileFault(file.path, `${wanted} for tensor \`${name}\``, show(got), mend, { tensor: name });
  };
  if (!isObject(entry)) return fault('an object', entry);
  const { dtype: stored, shape, data_offsets: offsets } = entry;
  const dtype = typeof stored === 'string' && Object.hasOwn(FROM_FILE, stored) ? FROM_FILE[stored] : undefined;
  if (dtype === undefined) {
    return fault(`a dtype out of ${Object.keys(FROM_FILE).join(', ')}`, stored, NOT_READ.has(stored) ? 'take the model in BF16, F16 or F32' : FETCH_AGAIN);
  }
  if (!isSizeList(shape)) return fault('a shape of whole numbers', shape);
  if (!isSizeList(offsets) || offsets.length !== 2) return fault('two data offsets', offsets);
  const [begin, end] = offsets as [number, number];
  if (begin > end || dataStart + end > file.size) {
    return fault(`offsets inside the ${file.size - dataStart} bytes of data`, offsets);
  }
  const bytes = byteLength({ dtype, shape });
  if (bytes !== end - begin) return fault(`${bytes} bytes (${stored} of shape [${shape}])`, end - begin);
  return { name, dtype, shape, start: dataStart + begin, end: dataStart + end };
}

function isSizeList(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((size) => Number.isSafeInteger(size) && size >= 0);
}

/** Neither overlaps nor holes: sorted by place, each tensor starts where the one before ended, up to the file's end. */
function checkTiling(file: OpenFile, tensors: PlacedTensor[], dataStart: number): void {
  let position = dataStart;
  for (const tensor of tensors.sort((a, b) => a.start - b.start || a.end - b.end)) {
    if (tensor.start !== position) {
      const got = tensor.start < position ? 'an overlap with the tensor before it' : `a hole of ${tensor.start - position} bytes before it`;
      throw fileFault(file.path, `tensor \`${tensor.name}\` at data offset ${position - dataStart}`, got, FETCH_AGAIN, { tensor: tensor.name });
    }
    position = tensor.end;
  }
  if (position !== file.size) {
    throw fileFault(file.path, `${position} bytes as its header says`, `${file.size}`, FETCH_AGAIN);
  }
}
