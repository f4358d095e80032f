/** Rows from JSON: one object per line, or one array of objects per file. */
import { FileFormatError, show } from '../errors.ts';
import type { Row } from './row.ts';

const NEWLINE = 0x0a;

/**
 * Reads JSON lines. Lines of nothing but white space are passed over.
 *
 * @param bytes the whole file
 * @param file its name, for errors
 * @throws FileFormatError with the line number (from 1) for a line that is not a JSON object in UTF-8
 */
export function parseJsonl(bytes: Uint8Array, file: string): Row[] {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  const rows: Row[] = [];
  // Split at the byte, not with readline: that also splits at U+2028, which JSON allows inside text.
  for (let start = 0, line = 1; start < bytes.length; line++) {
    const newline = bytes.indexOf(NEWLINE, start);
    const end = newline === -1 ? bytes.length : newline;
    const text = decode(decoder, bytes.subarray(start, end), file, line);
    if (text.trim() !== '') rows.push(asRow(parse(text, file, line), file, `line ${line}`));
    start = end + 1;
  }
  return rows;
}

/**
 * Reads one JSON array of objects.
 *
 * @throws FileFormatError for anything else
 */
export function parseJsonArray(bytes: Uint8Array, file: string): Row[] {
  const text = decode(new TextDecoder('utf-8', { fatal: true }), bytes, file, null);
  const value = parse(text, file, null);
  if (!Array.isArray(value)) {
    throw new FileFormatError(`Expected \`${file}\` to hold an array of objects, got ${show(value)}; one object per line belongs into a .jsonl file.`, { file });
  }
  return value.map((row, i) => asRow(row, file, `element ${i}`));
}

function decode(decoder: InstanceType<typeof TextDecoder>, bytes: Uint8Array, file: string, line: number | null): string {
  try {
    return decoder.decode(bytes);
  } catch (cause) {
    throw new FileFormatError(`Expected \`${file}\` to be UTF-8, got other bytes${onLine(line)}; save it as UTF-8.`, { file, line }, { cause });
  }
}

function parse(text: string, file: string, line: number | null): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new FileFormatError(`Expected \`${file}\` to hold JSON, got ${show(text.trim())}${onLine(line)} (${reason}); correct it there.`, { file, line }, { cause });
  }
}

function onLine(line: number | null): string {
  return line === null ? '' : ` on line ${line}`;
}

function asRow(value: unknown, file: string, place: string): Row {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new FileFormatError(`Expected every row of \`${file}\` to be an object, got ${show(value)} (${place}); correct it there.`, { file, place });
  }
  return value as Row;
}
