import type { OpenFile } from './file-bytes.ts';
import { FETCH_AGAIN, fileFault, readAt } from './file-bytes.ts';

/** Bytes fetched from the file at once. */
const WINDOW = 1 << 20;

/** Most bytes that everything before the tensor data may take; the largest vocabularies need a tenth. */
const MAX_HEADER = 1 << 28;

const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/**
 * Reads the header of a GGUF file from front to back. Every length is checked against what the file still holds before
 * anything is allocated for it.
 */
export class GgufReader {
  readonly file: OpenFile;
  /** Position of the next byte to read. */
  position = 0;
  private view = new DataView(new ArrayBuffer(0));
  /** Position of the window's first byte. */
  private windowStart = 0;

  constructor(file: OpenFile) {
    this.file = file;
  }

  u8(): number {
    const at = this.take(1); // may move the window
    return this.view.getUint8(at);
  }

  u32(): number {
    const at = this.take(4); // may move the window
    return this.view.getUint32(at, true);
  }

  u64(): bigint {
    const at = this.take(8); // may move the window
    return this.view.getBigUint64(at, true);
  }

  /** A count or length, refused where `count` things of at least `minimumBytes` each cannot fit in what is left. */
  count(what: string, minimumBytes: number): number {
    const value = this.u64();
    const left = Math.min(this.file.size, MAX_HEADER) - this.position;
    if (value * BigInt(minimumBytes) > BigInt(left)) {
      throw this.fault(`${what} that fits in the ${left} bytes left for the header`, String(value));
    }
    return Number(value);
  }

  string(what: string): string {
    const bytes = this.bytes(this.count(`a length of ${what}`, 1));
    try {
      return UTF8.decode(bytes);
    } catch {
      throw this.fault(`${what} in UTF-8`, 'other bytes');
    }
  }

  /** The next `length` bytes in a buffer of their own. */
  bytes(length: number): Uint8Array<ArrayBuffer> {
    if (length > WINDOW) {
      this.check(length);
      const bytes = readAt(this.file, this.position, length);
      this.position += length;
      return bytes;
    }
    const start = this.take(length);
    return new Uint8Array(this.view.buffer as ArrayBuffer, start, length).slice();
  }

  /** An error about this file at the current position. */
  fault(wanted: string, got: string, mend: string = FETCH_AGAIN): Error {
    return fileFault(this.file.path, wanted, got, mend, { position: this.position });
  }

  /** Moves on by `length` bytes; gives where they start in the window. */
  private take(length: number): number {
    const end = this.windowStart + this.view.byteLength;
    if (this.position < this.windowStart || this.position + length > end) {
      this.check(length);
      this.windowStart = this.position;
      this.view = new DataView(readAt(this.file, this.position, Math.min(WINDOW, this.file.size - this.position)).buffer);
    }
    const start = this.position - this.windowStart;
    this.position += length;
    return start;
  }

  private check(length: number): void {
    if (this.position + length > this.file.size) {
      throw this.fault(`a whole header (${length} more bytes at position ${this.position})`, `the end of the file at ${this.file.size}`);
    }
    if (this.position + length > MAX_HEADER) throw this.fault(`a header of at most ${MAX_HEADER} bytes`, 'a longer one');
  }
}
