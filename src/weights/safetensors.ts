import fs from 'node:fs';
import path from 'node:path';
import { NotFoundError, show } from '../errors.ts';
import type { RawTensor, RowRange, TensorInfo } from './dtype.ts';
import type { OpenFile } from './file-bytes.ts';
import { FETCH_AGAIN, byteRange, fileFault, openFile, readAt } from './file-bytes.ts';
import type { BlockFormat } from './gguf-blocks.ts';
import { duplicateKey, isObject, parseJsonObject } from './json-file.ts';
import type { PlacedTensor } from './safetensors-header.ts';
import { readHeader } from './safetensors-header.ts';

/** Name of a checkpoint in one file. */
export const SINGLE_FILE = 'model.safetensors';

/** Name of the index of a checkpoint in several files. */
export const INDEX_FILE = 'model.safetensors.index.json';

/** Names of an adapter's files, in peft's layout. */
export const ADAPTER = { config: 'adapter_config.json', weights: 'adapter_model.safetensors' } as const;

/** Whether a folder holds the weights of a whole model. */
export function holdsWeights(folder: string): boolean {
  return [SINGLE_FILE, INDEX_FILE].some((name) => fs.existsSync(path.join(folder, name)));
}

/** Tensors on disk, read one at a time. Names keep the order of the header (or of the index). */
export interface TensorFile {
  names(): string[];
  info(name: string): TensorInfo;
  /**
   * Reads one tensor, or some of its rows; nothing else of the file enters memory.
   *
   * @param memory where the bytes may lie if they fit, good until it is used again: a reader of many tensors leaves nothing behind to collect
   */
  read(name: string, rows?: RowRange, memory?: ArrayBuffer): RawTensor;
  /** Of a file that holds blocks: how it holds a tensor, and some of its rows as they are. */
  blocks?: {
    format(name: string): BlockFormat;
    read(name: string, rows: RowRange, memory?: ArrayBuffer): Uint8Array;
  };
  close(): void;
}

/**
 * Opens safetensors: a file, or a folder with `model.safetensors` or `model.safetensors.index.json` and its shards.
 * Headers and offsets are checked here, so that a damaged file is refused before anything heavy starts.
 *
 * @throws FileFormatError with the file and, where there is one, the tensor
 * @throws NotFoundError when there is no such file or shard
 */
export function openSafetensors(pathOrFolder: string): TensorFile {
  if (!isFolder(pathOrFolder)) return openFiles([pathOrFolder], null);
  const single = path.join(pathOrFolder, SINGLE_FILE);
  if (fs.existsSync(single)) return openFiles([single], null);
  const index = path.join(pathOrFolder, INDEX_FILE);
  if (!fs.existsSync(index)) {
    throw new NotFoundError(
      `Expected \`${pathOrFolder}\` to hold ${SINGLE_FILE} or ${INDEX_FILE}, got neither; name the folder that holds the weights.`,
      { folder: pathOrFolder },
    );
  }
  const shardOf = readIndex(index);
  return openFiles([...new Set(shardOf.values())].map((shard) => path.join(pathOrFolder, shard)), { path: index, shardOf });
}

function isFolder(at: string): boolean {
  return fs.statSync(at, { throwIfNoEntry: false })?.isDirectory() ?? false;
}

interface ShardIndex {
  path: string;
  /** Tensor name to file name. */
  shardOf: Map<string, string>;
}

/** Tensor name → shard, from an index file; every shard is a plain file name. */
export function readIndex(index: string): Map<string, string> {
  const text = fs.readFileSync(index, 'utf8');
  const map = parseJsonObject(text, index)['weight_map'];
  if (!isObject(map)) throw fileFault(index, 'an object `weight_map`', show(map), FETCH_AGAIN);
  const twice = duplicateKey(text);
  if (twice !== null) throw fileFault(index, 'every name once', `\`${twice}\` twice`, FETCH_AGAIN);
  for (const [name, shard] of Object.entries(map)) {
    // A name with a folder in it could point anywhere on the machine.
    if (typeof shard !== 'string' || shard !== path.basename(shard) || shard === '' || shard === '..') {
      throw fileFault(index, `a plain file name for tensor \`${name}\``, show(shard), FETCH_AGAIN, { tensor: name });
    }
  }
  return new Map(Object.entries(map as Record<string, string>));
}

function openFiles(paths: string[], index: ShardIndex | null): TensorFile {
  const files: OpenFile[] = [];
  const place = new Map<string, { file: OpenFile; tensor: PlacedTensor }>();
  const close = (): void => files.splice(0).forEach((file) => fs.closeSync(file.fd));
  try {
    for (const one of paths) {
      const file = openFile(one);
      files.push(file);
      for (const [name, tensor] of readHeader(file)) {
        // The index decides: what it does not list under this shard is not part of the checkpoint.
        if (index === null || index.shardOf.get(name) === path.basename(one)) place.set(name, { file, tensor });
      }
    }
    for (const [name, shard] of index?.shardOf ?? []) {
      if (!place.has(name)) throw fileFault(index?.path ?? shard, `tensor \`${name}\` in ${shard}`, 'a shard without it', FETCH_AGAIN, { tensor: name });
    }
  } catch (error) {
    close();
    throw error;
  }

  const find = (name: string): { file: OpenFile; tensor: PlacedTensor } => {
    const found = place.get(name);
    if (!found) throw new NotFoundError(`Expected tensor \`${name}\` in ${paths.join(', ')}, got none; the file holds ${place.size} others.`, { tensor: name, files: paths });
    return found;
  };
  return {
    names: () => [...(index?.shardOf ?? place).keys()],
    info: (name) => {
      const { dtype, shape } = find(name).tensor;
      return { dtype, shape };
    },
    read: (name, rows, memory) => {
      const { file, tensor } = find(name);
      const { dtype, shape, start, end } = tensor;
      if (!rows) return { dtype, shape, bytes: readAt(file, start, end - start, memory) };
      const part = byteRange(rows, shape, end - start);
      return { dtype, shape: [rows.end - rows.start, ...shape.slice(1)], bytes: readAt(file, start + part.start, part.length, memory) };
    },
    close,
  };
}
