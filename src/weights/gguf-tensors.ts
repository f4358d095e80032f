/** The tensors of a GGUF file under their Hugging Face names, as float32, in the order and on the scale of Hugging Face. */
import { NotFoundError } from '../errors.ts';
import type { RawTensor, RowRange, TensorInfo } from './dtype.ts';
import type { GgufFile, GgufTensor } from './gguf.ts';
import type { GgufArchitecture } from './gguf-architectures.ts';
import type { GgufModel } from './gguf-config.ts';
import type { MetadataReader } from './gguf-metadata.ts';
import { metadataReader } from './gguf-metadata.ts';
import { FACTOR_TABLE } from './gguf-rotary.ts';
import { USE_FOLDER } from './gguf-vocabulary.ts';
import type { TensorFile } from './safetensors.ts';

/** Names outside the layers: GGUF to Hugging Face. */
const TOP_NAMES: Readonly<Record<string, string>> = {
  'token_embd.weight': 'model.embed_tokens.weight',
  'output_norm.weight': 'model.norm.weight',
  'output.weight': 'lm_head.weight',
};

/**
 * The view of a file.
 *
 * @throws FileFormatError when a tensor has no place in a network of this architecture
 */
export function ggufTensors(gguf: GgufFile, { architecture, config }: GgufModel): TensorFile {
  const read = metadataReader(gguf);
  const layers = config.num_hidden_layers as number;
  const stored = new Map([...gguf.tensors.values()].flatMap((tensor) => (tensor.name === FACTOR_TABLE ? [] : [[huggingFaceName(tensor.name, architecture, layers, read), tensor]])));
  const find = (name: string): GgufTensor => {
    const tensor = stored.get(name);
    if (!tensor) throw new NotFoundError(`Expected tensor \`${name}\` in \`${gguf.path}\`, got none; the file holds ${stored.size} others.`, { file: gguf.path, tensor: name });
    return tensor;
  };
  const info = (name: string): TensorInfo => ({ dtype: 'float32', shape: find(name).shape });
  const headsOf: Readonly<Record<string, unknown>> = architecture.pairedRows ? { attn_q: config.num_attention_heads, attn_k: config.num_key_value_heads } : {};
  const blocksOf = (tensor: GgufTensor, rows: RowRange, memory: ArrayBuffer | undefined): Uint8Array<ArrayBuffer> => {
    const heads = headsOf[partOf(tensor.name)] as number | undefined;
    if (heads === undefined) return gguf.readBlocks(tensor.name, rows, memory);
    if (memory) headMemory ??= new ArrayBuffer(memory.byteLength);
    return rowsOfHeads(gguf, tensor, rows, { heads, headRows: config.head_dim as number }, read, memory && [memory, headMemory!]);
  };
  let blockMemory: ArrayBuffer | undefined;
  let headMemory: ArrayBuffer | undefined;
  return {
    names: () => [...stored.keys()],
    info,
    read: (name, range, memory): RawTensor => {
      const tensor = find(name);
      const rows = range ?? { start: 0, end: tensor.shape[0]! };
      if (memory) blockMemory ??= new ArrayBuffer(memory.byteLength); // blocks are never larger than what is in them
      const values = tensor.format.dequantise(blocksOf(tensor, rows, memory && blockMemory), memory);
      // 1 + w rounds once, when the file is made; back again is exact, and a norm that multiplies by 1 + w has its number back.
      if (architecture.normShift !== 0 && partOf(tensor.name).endsWith('norm')) for (let i = 0; i < values.length; i++) values[i]! -= architecture.normShift;
      return { dtype: 'float32', shape: [rows.end - rows.start, ...tensor.shape.slice(1)], bytes: new Uint8Array(values.buffer, values.byteOffset, values.byteLength) };
    },
    blocks: {
      format: (name) => find(name).format,
      read: (name, rows, memory) => blocksOf(find(name), rows, memory),
    },
    close: () => gguf.close(),
  };
}

/** `attn_q` of `blk.0.attn_q.weight`. */
function partOf(name: string): string {
  return name.replace(/^blk\.\d+\./, '').replace(/\.\w+$/, '');
}

function huggingFaceName(name: string, { layerNames, biases }: GgufArchitecture, layers: number, read: MetadataReader): string {
  const [, layer, part, kind] = /^blk\.(\d+)\.(\w+)\.(weight|bias)$/.exec(name) ?? [];
  const fits = part !== undefined && Object.hasOwn(layerNames, part) && Number(layer) < layers && (kind === 'weight' || biases.some(({ names }) => names.includes(part)));
  const mapped = fits ? `model.layers.${layer}.${layerNames[part]}.${kind}` : Object.hasOwn(TOP_NAMES, name) ? TOP_NAMES[name] : undefined;
  if (mapped === undefined) throw read.fault(`only tensors of a plain ${read.string('general.architecture')} model of ${layers} layers`, `\`${name}\``, USE_FOLDER);
  return mapped;
}

/** Rows in the order of Hugging Face: the heads that hold them are read whole, because their rows are mixed. */
function rowsOfHeads(gguf: GgufFile, { name, shape, format }: GgufTensor, { start, end }: RowRange, { heads, headRows }: { heads: number; headRows: number }, read: MetadataReader, memory: readonly ArrayBuffer[] = []): Uint8Array<ArrayBuffer> {
  // A bias has rows of one element, which no block holds alone.
  if (shape[0] !== heads * headRows || shape.length > 2 || (shape.length === 1 && format.blockSize !== 1)) {
    throw read.fault(`${heads} heads of ${headRows} rows in \`${name}\``, `shape [${shape}]`, USE_FOLDER);
  }
  const first = Math.floor(start / headRows) * headRows;
  const last = Math.ceil(end / headRows) * headRows;
  const blocks = halvesFromPairs(gguf.readBlocks(name, { start: first, end: last }, memory[0]), last - first, (last - first) / headRows, memory[1]);
  const rowBytes = blocks.length / (last - first);
  return blocks.subarray((start - first) * rowBytes, (end - first) * rowBytes);
}

/**
 * Undoes llama.cpp's permutation of query and key rows. It rotates neighbours (2j, 2j+1) of a head, Hugging Face rotates
 * j with j + head/2; so row 2j + i of a head goes back to row i·head/2 + j.
 *
 * @param blocks rows of whole blocks, so that rows move before anything is dequantised
 * @param memory where the result may lie if it fits
 */
export function halvesFromPairs(blocks: Uint8Array<ArrayBuffer>, rows: number, heads: number, memory?: ArrayBuffer): Uint8Array<ArrayBuffer> {
  const rowBytes = blocks.length / rows;
  const headRows = rows / heads;
  const half = headRows / 2;
  const out = memory && blocks.length <= memory.byteLength ? new Uint8Array(memory, 0, blocks.length) : new Uint8Array(blocks.length);
  for (let row = 0; row < rows; row++) {
    const within = row % headRows;
    const to = row - within + (within % 2) * half + Math.floor(within / 2);
    out.set(blocks.subarray(row * rowBytes, (row + 1) * rowBytes), to * rowBytes);
  }
  return out;
}
