/** A file in memory. */
import type { ByteSource } from '../src/data/byte-source.ts';

/** A text or bytes as something to read from; `reads` keeps what was read. */
export function bytesSource(content: string | Uint8Array, name = 'f', reads: [number, number][] = []): ByteSource {
  const bytes = typeof content === 'string' ? new TextEncoder().encode(content) : content;
  return {
    name,
    size: bytes.length,
    read: async (start, end) => {
      reads.push([start, end]);
      return bytes.slice(start, end);
    },
    close: async () => {},
  };
}

/** All that comes; Node 20 has no `Array.fromAsync`. */
export async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const result: T[] = [];
  for await (const item of items) result.push(item);
  return result;
}
