/** Rows from comma-separated values. */
import { pipeline } from 'node:stream/promises';
import { FileFormatError } from '../errors.ts';
import { piecesOf } from './byte-source.ts';
import type { ByteSource } from './byte-source.ts';
import { withOrigin } from './row.ts';
import type { Row } from './row.ts';

/**
 * Reads CSV whose first line names the columns, from front to back, a piece of the file in memory at a time. Every value is
 * text: CSV has no types.
 *
 * @throws FileFormatError with the line number (from 1) for a line that does not fit, or bytes that are not UTF-8
 */
export async function* csvRows(source: ByteSource): AsyncGenerator<Row> {
  const file = source.name;
  const { parse, CsvError } = await import('csv-parse');
  const columns = (header: string[]): string[] => {
    const twice = header.find((name, i) => header.indexOf(name) !== i);
    if (twice === undefined) return header;
    throw new FileFormatError(`Expected \`${file}\` to name each column once, got \`${twice}\` twice; rename one.`, { file, line: 1 });
  };
  const parser = parse({ bom: true, columns, skip_empty_lines: true, info: true });
  // A fault of either side ends both, and is thrown by the loop below.
  pipeline(textOf(source), parser).catch(() => {});
  try {
    for await (const { record, info } of parser as AsyncIterable<{ record: Row; info: { lines: number } }>) yield withOrigin(record, { file, unit: 'line', number: info.lines });
  } catch (cause) {
    if (!(cause instanceof CsvError)) throw cause;
    const line = Number(cause['lines'] ?? 0);
    throw new FileFormatError(`Expected \`${file}\` to be CSV, got a line that does not fit (${cause.message}); correct line ${line}.`, { file, line }, { cause });
  }
}

async function* textOf(source: ByteSource): AsyncGenerator<string> {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  try {
    for await (const piece of piecesOf(source)) yield decoder.decode(piece, { stream: true });
    yield decoder.decode();
  } catch (cause) {
    if (!(cause instanceof TypeError)) throw cause;
    throw new FileFormatError(`Expected \`${source.name}\` to be UTF-8, got other bytes; save it as UTF-8.`, { file: source.name }, { cause });
  }
}
