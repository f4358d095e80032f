import fs from 'node:fs';
import { FileFormatError, NotFoundError, expected } from '../errors.ts';
import type { RowRange } from './dtype.ts';

/** Largest piece one read call is asked for; the operating system refuses 2 GiB and more. */
const PIECE = 1 << 30;

/** An open file that is read by position. */
export interface OpenFile {
  path: string;
  fd: number;
  /** Bytes of the file when it was opened. */
  size: number;
}

/** Opens a regular file for positioned reads. */
export function openFile(path: string): OpenFile {
  let fd: number;
  try {
    fd = fs.openSync(path, 'r');
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code;
    throw new NotFoundError(
      `Expected \`${path}\` to be a readable file, got ${code ?? 'an error'}; check the path and its permissions.`,
      { file: path, code },
      { cause },
    );
  }
  const stat = fs.fstatSync(fd);
  if (!stat.isFile()) {
    fs.closeSync(fd);
    throw new NotFoundError(`Expected \`${path}\` to be a regular file, got something else; name the file itself.`, { file: path });
  }
  return { path, fd, size: stat.size };
}

/** Reads `length` bytes at `position` (aligned for every typed array) into `memory` where they fit, else into memory of their own. */
export function readAt(file: OpenFile, position: number, length: number, memory?: ArrayBuffer): Uint8Array<ArrayBuffer> {
  const bytes = memory && length <= memory.byteLength ? new Uint8Array(memory, 0, length) : new Uint8Array(length);
  let done = 0;
  while (done < length) {
    const got = fs.readSync(file.fd, bytes, done, Math.min(PIECE, length - done), position + done);
    if (got === 0) {
      throw fileFault(file.path, `${length} bytes at position ${position}`, `${done} before the end`, FETCH_AGAIN);
    }
    done += got;
  }
  return bytes;
}

/** Where some rows of a tensor lie among its `bytes`. */
export function byteRange({ start, end }: RowRange, shape: readonly number[], bytes: number): { start: number; length: number } {
  const count = shape[0] ?? 0;
  if (start < 0 || end > count || start >= end) throw expected('rows', `to be a range within ${count} rows`, { start, end }, 'take it from the shape');
  const perRow = bytes / count;
  return { start: start * perRow, length: (end - start) * perRow };
}

/** What mends nearly every broken weight file. */
export const FETCH_AGAIN = 'fetch or convert the file again, it is damaged or incomplete';

/** The house's sentence for a file that is not what its format says. */
export function fileFault(file: string, wanted: string, got: string, mend: string, data: Record<string, unknown> = {}): FileFormatError {
  return new FileFormatError(`Expected \`${file}\` to have ${cut(wanted)}, got ${cut(got)}; ${mend}.`, { file, ...data });
}

/** Names out of a hostile file can be as long as the file. */
function cut(text: string): string {
  return text.length > 400 ? `${text.slice(0, 300)} … ${text.slice(-90)}` : text;
}
