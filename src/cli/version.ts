import { readFile } from 'node:fs/promises';

/** The version in package.json, which stands two folders above this file in `src` and in `dist` alike. */
export async function version(): Promise<string> {
  const text = await readFile(new URL('../../package.json', import.meta.url), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}
