/** Rows from comma-separated values. */
import { FileFormatError } from '../errors.ts';
import type { Row } from './row.ts';

/**
 * Reads CSV whose first line names the columns. Every value is text: CSV has no types.
 *
 * @param bytes the whole file, UTF-8
 * @param file its name, for errors
 * @throws FileFormatError with the line number (from 1) for a line that does not fit
 */
export async function parseCsv(bytes: Uint8Array, file: string): Promise<Row[]> {
  const { parse, CsvError } = await import('csv-parse/sync');
  const columns = (header: string[]): string[] => {
    const twice = header.find((name, i) => header.indexOf(name) !== i);
    if (twice === undefined) return header;
    throw new FileFormatError(`Expected \`${file}\` to name each column once, got \`${twice}\` twice; rename one.`, { file, line: 1 });
  };
  try {
    return parse<Row>(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength), { bom: true, columns, skip_empty_lines: true });
  } catch (cause) {
    if (!(cause instanceof CsvError)) throw cause;
    const line = Number(cause.lines ?? 0);
    throw new FileFormatError(`Expected \`${file}\` to be CSV, got a line that does not fit (${cause.message}); correct line ${line}.`, { file, line }, { cause });
  }
}
