import fs from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';

/**
 * Writes a file under a temporary name beside it and renames it at the end, so that a reader (or a crash) meets the old
 * file or the whole new one, never a part. The bytes are on disk before the rename.
 */
export async function writeAtomically(path: string, write: (file: FileHandle) => Promise<void>): Promise<void> {
  const temporary = `${path}.${process.pid}.partial`;
  try {
    const file = await fs.open(temporary, 'w');
    try {
      await write(file);
      await file.sync();
    } finally {
      await file.close();
    }
    await fs.rename(temporary, path);
  } catch (error) {
    await fs.rm(temporary, { force: true });
    throw error;
  }
}

/** Largest piece of one write call; the operating system takes less than 2 GiB. */
const PIECE = 1 << 30;

/** Writes all of `bytes` at the file's current end. */
export async function append(file: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    const { bytesWritten } = await file.write(bytes, done, Math.min(PIECE, bytes.length - done), null);
    done += bytesWritten;
  }
}
