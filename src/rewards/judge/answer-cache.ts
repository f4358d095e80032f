/** Answers of a judge on disk: one file each, named by a hash of the whole request. */
import { createHash, randomUUID } from 'node:crypto';
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';

/** Everything that decides an answer. The key of the service does not, and is not in it. */
export interface CachedRequest {
  endpoint: string;
  body: Readonly<Record<string, unknown>>;
}

/** The name of a request: equal for equal content, in whatever order its fields stand. */
export function requestKey(request: CachedRequest): string {
  return createHash('sha256').update(canonical(request)).digest('hex');
}

function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null';
  const entries = Object.entries(value).filter(([, one]) => one !== undefined);
  return `{${entries.sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, one]) => `${JSON.stringify(name)}:${canonical(one)}`).join(',')}}`;
}

function fileOf(folder: string, key: string): string {
  return join(folder, key.slice(0, 2), `${key}.json`);
}

/** The answer kept for a request; null when there is none, or its file cannot be read as one, so that it is asked again. */
export async function readAnswer(folder: string, key: string): Promise<string | null> {
  try {
    const kept = JSON.parse(await readFile(fileOf(folder, key), 'utf8')) as { answer?: unknown };
    return typeof kept.answer === 'string' ? kept.answer : null;
  } catch {
    return null;
  }
}

/** Keeps an answer: under a name of its own first, so that a reader meets the whole file or none. */
export async function keepAnswer(folder: string, key: string, request: CachedRequest, answer: string): Promise<void> {
  const file = fileOf(folder, key);
  const temporary = `${file}.${randomUUID()}`;
  await mkdir(dirname(file), { recursive: true });
  try {
    await writeFile(temporary, `${JSON.stringify({ ...request, answer })}\n`);
    await rename(temporary, file);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}
