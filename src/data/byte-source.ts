/** Bytes that are read piece by piece: a file on disk, or one on the Hub. */
import { open } from 'node:fs/promises';

/** Something with a length of which any part can be read. */
export interface ByteSource {
  /** Path or address, for errors. */
  readonly name: string;
  /** Bytes. */
  readonly size: number;
  /** The bytes from `start` to before `end`, both within the size. */
  read(start: number, end: number): Promise<Uint8Array>;
  close(): Promise<void>;
}

/** Pieces in which a text is read; a piece is all that is in memory of it. */
const PIECE = 1 << 20;

/**
 * Opens a file on disk.
 *
 * @param name what errors call it, where it is not its path
 */
export async function fileSource(path: string, name = path): Promise<ByteSource> {
  const handle = await open(path, 'r');
  const { size } = await handle.stat();
  return {
    name,
    size,
    read: async (start, end) => {
      const bytes = new Uint8Array(end - start);
      for (let done = 0; done < bytes.length; ) {
        const { bytesRead } = await handle.read(bytes, done, bytes.length - done, start + done);
        // The file became shorter while it was read.
        if (bytesRead === 0) return bytes.subarray(0, done);
        done += bytesRead;
      }
      return bytes;
    },
    close: () => handle.close(),
  };
}

/** All bytes in order, piece by piece. */
export async function* piecesOf(source: ByteSource, piece = PIECE): AsyncGenerator<Uint8Array> {
  for (let start = 0; start < source.size; start += piece) yield source.read(start, Math.min(source.size, start + piece));
}

/** All bytes at once. */
export function wholeOf(source: ByteSource): Promise<Uint8Array> {
  return source.read(0, source.size);
}
