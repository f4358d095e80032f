import { InputError } from '../errors.ts';
import { append, writeAtomically } from './atomic-file.ts';
import type { TensorEntry } from './dtype.ts';
import { BYTES_PER_ELEMENT, byteLength } from './dtype.ts';
import { LENGTH_BYTES, TO_FILE } from './safetensors-header.ts';

/**
 * Writes one safetensors file, tensor by tensor: only one tensor's bytes are held at a time. Tensors of wider elements
 * come first (else in the order given), so that each starts at a multiple of its element size. The file appears under
 * its name when it is whole.
 *
 * @throws InputError when two entries share a name or `bytes()` does not give shape × dtype bytes
 */
export async function writeSafetensors(path: string, entries: Iterable<TensorEntry>): Promise<void> {
  const ordered = [...entries].sort((a, b) => BYTES_PER_ELEMENT[b.dtype] - BYTES_PER_ELEMENT[a.dtype]);
  const header = headerBytes(path, ordered);
  await writeAtomically(path, async (file) => {
    await append(file, header);
    for (const entry of ordered) {
      const bytes = entry.bytes();
      if (bytes.length !== byteLength(entry)) {
        throw new InputError(
          `Expected tensor \`${entry.name}\` to give ${byteLength(entry)} bytes (${entry.dtype} of shape [${entry.shape}]), got ${bytes.length}; give it contiguous and in its stated dtype.`,
          { file: path, tensor: entry.name },
        );
      }
      await append(file, bytes);
    }
  });
}

/** Bytes of the file that `writeSafetensors` would write. */
export function safetensorsSize(entries: readonly TensorEntry[]): number {
  return entries.reduce((total, entry) => total + byteLength(entry), headerBytes('the file', entries).length);
}

/** Length and JSON, padded with spaces so that the data starts at a multiple of 8. */
function headerBytes(path: string, entries: readonly TensorEntry[]): Uint8Array {
  const names = new Set<string>();
  let position = 0;
  const tensors = entries.map((entry) => {
    if (names.has(entry.name) || entry.name === '__metadata__') {
      throw new InputError(`Expected every tensor name in \`${path}\` once, got \`${entry.name}\` ${names.has(entry.name) ? 'twice' : '(a reserved name)'}; rename one.`, { file: path, tensor: entry.name });
    }
    names.add(entry.name);
    const start = position;
    position += byteLength(entry);
    return [entry.name, { dtype: TO_FILE[entry.dtype], shape: entry.shape, data_offsets: [start, position] }] as const;
  });
  // `format: pt` is what transformers looks for before it loads a file.
  const json = new TextEncoder().encode(JSON.stringify(Object.fromEntries([['__metadata__', { format: 'pt' }], ...tensors])));
  const padded = Math.ceil(json.length / 8) * 8;
  const bytes = new Uint8Array(LENGTH_BYTES + padded).fill(0x20);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(padded), true);
  bytes.set(json, LENGTH_BYTES);
  return bytes;
}
