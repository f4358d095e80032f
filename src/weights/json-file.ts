import fs from 'node:fs';
import { FETCH_AGAIN, fileFault } from './file-bytes.ts';

/** A JSON object as it came from a file. */
export type JsonObject = Record<string, unknown>;

/** Parses text that must be one JSON object; `file` names it in errors. */
export function parseJsonObject(text: string, file: string, what = 'a JSON object'): JsonObject {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw fileFault(file, what, `text that is not JSON (${(cause as Error).message})`, FETCH_AGAIN);
  }
  if (!isObject(value)) throw fileFault(file, what, Array.isArray(value) ? 'an array' : String(value), FETCH_AGAIN);
  return value;
}

/** Reads a JSON object from a file, or null where there is no such file. */
export function readJsonIfThere(path: string): JsonObject | null {
  let text: string;
  try {
    text = fs.readFileSync(path, 'utf8');
  } catch (cause) {
    if (['ENOENT', 'ENOTDIR'].includes((cause as NodeJS.ErrnoException).code ?? '')) return null;
    throw cause;
  }
  return parseJsonObject(text, path);
}

/** True for a JSON object, false for arrays, null and plain values. */
export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/**
 * The first key that occurs twice in one object, at any depth, or null. `JSON.parse` keeps the last of the two without a
 * word, which would hide one of two tensors of the same name. `text` must be valid JSON.
 */
export function duplicateKey(text: string): string | null {
  const open: (Set<string> | null)[] = []; // keys seen in each open object; null for an array
  let expectKey = false;
  for (let i = 0; i < text.length; i++) {
    const char = text[i];
    const keys = open.at(-1);
    if (char === '"') {
      const end = stringEnd(text, i);
      if (keys && expectKey) {
        const key = JSON.parse(text.slice(i, end)) as string;
        if (keys.has(key)) return key;
        keys.add(key);
      }
      expectKey = false;
      i = end - 1;
    } else if (char === '{' || char === '[') {
      open.push(char === '{' ? new Set() : null);
      expectKey = true;
    } else if (char === '}' || char === ']') open.pop();
    else if (char === ',') expectKey = true;
  }
  return null;
}

/** Position after the closing quote of the string that starts at `start`. */
function stringEnd(text: string, start: number): number {
  let i = start + 1;
  while (text[i] !== '"') i += text[i] === '\\' ? 2 : 1;
  return i + 1;
}
