/** Where set-up keeps things, and how it recognises them. */
import { createHash } from 'node:crypto';
import { readdirSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

/** A failure of set-up that the user can mend: the message says what is missing and the command that mends it. */
export class SetupError extends Error {}

/** `TSRL_CACHE`, or `tsrl` in the user's cache folder. */
export function cacheFolder() {
  if (process.env.TSRL_CACHE) return process.env.TSRL_CACHE;
  return join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'tsrl');
}

/** SHA-256 of the parts, in hexadecimal. */
export function digest(parts) {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part).update('\0');
  return hash.digest('hex');
}

/** All files below a folder that `wanted` accepts, in a fixed order. */
export function filesUnder(folder, wanted) {
  return readdirSync(folder, { withFileTypes: true })
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap((entry) => {
      const path = join(folder, entry.name);
      if (entry.isDirectory()) return filesUnder(path, wanted);
      return wanted(path) ? [path] : [];
    });
}
