/** Rows from JSON: one object per line, or one document that holds a list of objects. */
import { FileFormatError, show } from '../errors.ts';
import { piecesOf, wholeOf } from './byte-source.ts';
import type { ByteSource } from './byte-source.ts';
import { withOrigin } from './row.ts';
import type { Row } from './row.ts';

const NEWLINE = 0x0a;

/**
 * Reads JSON lines from front to back, a piece of the file in memory at a time.
 *
 * @throws FileFormatError with the line number (from 1) for a line that is not a JSON object in UTF-8
 */
export async function* jsonLines(source: ByteSource): AsyncGenerator<Row> {
  let [rest, line] = [new Uint8Array(0), 1];
  for await (const piece of piecesOf(source)) {
    const bytes = rest.length === 0 ? piece : Buffer.concat([rest, piece]);
    const end = bytes.lastIndexOf(NEWLINE) + 1;
    const block = parseJsonl(bytes.subarray(0, end), source.name, line);
    yield* block.rows;
    line = block.nextLine;
    rest = bytes.slice(end);
  }
  yield* parseJsonl(rest, source.name, line).rows;
}

/**
 * Reads lines of JSON. Those of nothing but white space are passed over.
 *
 * @param file name of the file, for errors
 * @param firstLine number of the first line
 */
export function parseJsonl(bytes: Uint8Array, file: string, firstLine = 1): { rows: Row[]; nextLine: number } {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  const rows: Row[] = [];
  let line = firstLine;
  // Split at the byte, not with readline: that also splits at U+2028, which JSON allows inside text.
  for (let start = 0; start < bytes.length; line++) {
    const newline = bytes.indexOf(NEWLINE, start);
    const end = newline === -1 ? bytes.length : newline;
    const text = decode(decoder, bytes.subarray(start, end), file, line);
    if (text.trim() !== '') rows.push(withOrigin(asRow(parse(text, file, line), file, `line ${line}`), { file, unit: 'line', number: line }));
    start = end + 1;
  }
  return { rows, nextLine: line };
}

/**
 * Reads a .json file: a list of objects, or an object with such a list under one of its keys, or JSON lines under that name.
 *
 * @throws FileFormatError for anything else
 */
export async function jsonDocument(source: ByteSource): Promise<Row[]> {
  return parseJson(await wholeOf(source), source.name);
}

/** `jsonDocument` of bytes. */
export function parseJson(bytes: Uint8Array, file: string): Row[] {
  const text = decode(new TextDecoder('utf-8', { fatal: true }), bytes, file, null);
  if (holdsLines(text)) return parseJsonl(bytes, file).rows;
  const value = listIn(parse(text, file, null), file);
  return value.map((row, i) => withOrigin(asRow(row, file, `element ${i}`), { file, unit: 'element', number: i }));
}

/** Whether the first line is an object by itself and another follows. */
function holdsLines(text: string): boolean {
  const [first = '', rest = ''] = [/^.*/.exec(text)![0], text.slice(text.indexOf('\n') + 1)];
  if (!first.startsWith('{') || first.length === text.length || rest.trim() === '') return false;
  try {
    JSON.parse(first);
    return true;
  } catch {
    return false;
  }
}

function listIn(value: unknown, file: string): unknown[] {
  if (Array.isArray(value)) return value;
  const lists = typeof value === 'object' && value !== null ? Object.entries(value).filter(([, one]) => Array.isArray(one)) : [];
  if (lists.length === 1) return lists[0]![1] as unknown[];
  const got = lists.length === 0 ? show(value) : `lists under ${lists.map(([key]) => `\`${key}\``).join(', ')}`;
  throw new FileFormatError(`Expected \`${file}\` to hold an array of objects, or an object with one such array, got ${got}; write the rows as an array, or one per line into a .jsonl file.`, { file });
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
