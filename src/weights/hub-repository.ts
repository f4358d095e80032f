/** What every kind of repository of the Hub needs: its commit and files by name, and the files themselves in the cache. */
import fs from 'node:fs';
import path from 'node:path';
import { NotFoundError, ResourceError } from '../errors.ts';
import { COMMIT, placeInSnapshot } from './hub-cache.ts';
import type { RepositoryCache } from './hub-cache.ts';
import { describeFile, downloadBlob } from './hub-download.ts';
import { at } from './hub-files.ts';
import type { HubReference } from './hub-files.ts';
import { progressLines } from './hub-progress.ts';
import { failed, requestJson } from './hub-request.ts';
import type { HubClient } from './hub-request.ts';
import { hubSettings } from './hub-settings.ts';
import { isObject } from './json-file.ts';
import { checkFreeDisk } from './save.ts';

/** How something is fetched. */
export interface HubFetchOptions {
  /** In place of the folder that the environment names. */
  cacheDir?: string | null;
  onMessage?: (line: string) => void;
  /** Tries without any gain before giving up. Default 6. */
  attempts?: number;
  /** First pause between tries; it doubles. Default 1,000. */
  pauseMs?: number;
  /** So long without a byte is a cut. Default 30,000. */
  idleMs?: number;
}

/** Files that are fetched at the same time. */
const AT_ONCE = 4;

/** Who asks for a repository, by the environment and the options. */
export function hubClient(reference: HubReference, { cacheDir = null, onMessage = () => {}, attempts = 6, pauseMs = 1000, idleMs = 30_000 }: HubFetchOptions = {}): HubClient {
  return { settings: hubSettings(cacheDir), reference, onMessage, attempts, pauseMs, idleMs };
}

/** The refusal of what is not in the cache while the network is forbidden. */
export function refuseOffline({ reference, settings }: HubClient, missing: readonly string[] | null): never {
  const got = missing === null ? 'no such revision' : `it without ${missing.join(', ')}`;
  throw new NotFoundError(`Expected the cache ${settings.cacheDir} to hold ${at(reference)}, because HF_HUB_OFFLINE forbids to ask the Hub, got ${got}; unset HF_HUB_OFFLINE once to fetch it.`, { ...reference, reason: 'offline', cacheDir: settings.cacheDir });
}

/**
 * Which commit the revision is and which files it has; null when the Hub does not say and there is a snapshot to use instead.
 *
 * @param known folder of that snapshot
 */
export async function lookUp(client: HubClient, known: string | null): Promise<{ commit: string; names: Set<string> } | null> {
  if (known === null) return askRevision({ ...client, attempts: Math.min(client.attempts, 4) });
  try {
    // With a snapshot at hand, a network that is down is not worth waiting for; a kept connection may just have closed.
    return await askRevision({ ...client, attempts: Math.min(client.attempts, 2), idleMs: Math.min(client.idleMs, 10_000) });
  } catch (error) {
    // Python's huggingface_hub does the same, but for a revision that is gone.
    if (!(error instanceof NotFoundError) || error.data['reason'] === 'revision') throw error;
    client.onMessage(`${error.message} Using what was fetched before, commit ${path.basename(known).slice(0, 12)}.`);
    return null;
  }
}

async function askRevision(client: HubClient): Promise<{ commit: string; names: Set<string> }> {
  const { repository, revision, dataset } = client.reference;
  const address = `${client.settings.endpoint}/api/${dataset ? 'datasets' : 'models'}/${repository}/revision/${encodeURIComponent(revision)}`;
  const answer = await requestJson(client, address, at(client.reference));
  const { sha, siblings } = isObject(answer) ? answer : {};
  if (typeof sha !== 'string' || !COMMIT.test(sha) || !Array.isArray(siblings)) {
    throw failed(client, 'refused', 'with its commit and files', 'an answer without them', 'check HF_ENDPOINT, and whether a proxy stands between');
  }
  const names = siblings.map((one: unknown) => (isObject(one) ? one['rfilename'] : null)).filter((name) => typeof name === 'string');
  return { commit: sha, names: new Set(names) };
}

/**
 * Does what writes to the cache.
 *
 * @throws ResourceError when the disk is full or cannot be written
 */
export async function writingTo<T>({ settings }: HubClient, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    const { code, syscall, message } = cause as NodeJS.ErrnoException;
    if (!syscall || !['EACCES', 'EPERM', 'EROFS', 'ENOSPC', 'EDQUOT', 'ENOTDIR', 'EEXIST'].includes(code ?? '')) throw cause;
    throw new ResourceError(`Expected \`${settings.cacheDir}\` to be a folder to write what is fetched to, got ${message}; set HF_HOME (or HF_HUB_CACHE) to a folder with room that you can write to.`, { folder: settings.cacheDir, code }, { cause });
  }
}

/** Fetches the files that a snapshot lacks, four at a time. */
export async function fetchFiles(client: HubClient, cache: RepositoryCache, commit: string, names: readonly string[]): Promise<void> {
  const place = (name: string): string => path.join(cache.snapshots, commit, name);
  const lacking = names.filter((name) => !fs.existsSync(place(name)));
  if (lacking.length === 0) return;
  const remotes = await fourAtOnce(client, lacking, (client, name) => describeFile(client, commit, name));
  const blobOf = (etag: string): string => path.join(cache.blobs, etag);
  // Two names with one content are one blob.
  const wanted = [...new Map(remotes.map((remote) => [remote.etag, remote])).values()].filter(({ etag }) => !fs.existsSync(blobOf(etag)));
  const total = wanted.reduce((sum, { size }) => sum + (size ?? 0), 0);
  fs.mkdirSync(cache.blobs, { recursive: true });
  await checkFreeDisk(cache.blobs, total);
  const progress = progressLines(client.onMessage, at(client.reference), wanted.length, total);
  await fourAtOnce(client, wanted, (client, remote) => downloadBlob(client, remote, blobOf(remote.etag), (bytes) => progress.have(remote.name, bytes)));
  for (const { name, etag } of remotes) placeInSnapshot(blobOf(etag), place(name));
  progress.end(commit);
}

/** Does the work for every item, four at a time. The first fault stops the others and is thrown when all have stopped. */
async function fourAtOnce<T, R>(client: HubClient, items: readonly T[], work: (client: HubClient, item: T) => Promise<R>): Promise<R[]> {
  const stop = new AbortController();
  const results: R[] = [];
  const faults: unknown[] = [];
  let next = 0;
  const lane = async (): Promise<void> => {
    while (next < items.length && !stop.signal.aborted) {
      const index = next++;
      try {
        results[index] = await work({ ...client, signal: stop.signal }, items[index]!);
      } catch (error) {
        faults.push(error);
        stop.abort();
      }
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, lane));
  if (faults.length > 0) throw faults[0];
  return results;
}
