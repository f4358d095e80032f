/**
 * Datasets of the Hugging Face Hub: the files of one split, in the cache folder that Python's huggingface_hub uses too, or
 * read by parts where they are to be streamed.
 */
import fs from 'node:fs';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { expected, NotFoundError } from '../errors.ts';
import { cachedCommit, cachedListing, COMMIT, repositoryCache, writeListing, writeRef } from '../weights/hub-cache.ts';
import type { RepositoryCache } from '../weights/hub-cache.ts';
import { describeFile } from '../weights/hub-download.ts';
import { at, hubReference } from '../weights/hub-files.ts';
import { readRange } from '../weights/hub-range.ts';
import { fetchFiles, hubClient, lookUp, refuseOffline, writingTo } from '../weights/hub-repository.ts';
import type { HubFetchOptions } from '../weights/hub-repository.ts';
import type { HubClient } from '../weights/hub-request.ts';
import { failed } from '../weights/hub-request.ts';
import { fileSource } from './byte-source.ts';
import type { ByteSource } from './byte-source.ts';
import { splitFiles } from './data-files.ts';
import type { Choice } from './data-files.ts';
import type { DataFile } from './formats.ts';

/** How a dataset is fetched. */
export interface DatasetFetchOptions extends HubFetchOptions {
  /** True: files that are not in the cache are read by parts, and not kept. */
  streaming: boolean;
}

/** A repository at one commit. */
interface Snapshot {
  client: HubClient;
  cache: RepositoryCache;
  commit: string;
  names: readonly string[];
}

/**
 * The files of a split of `org/name[@revision]`.
 *
 * @throws NotFoundError when the Hub has no such dataset, does not let it be read, or cannot be reached; `data.reason` says which
 * @throws InputError for a split, configuration or files that it lacks
 */
export async function hubFiles(text: string, choice: Choice, { streaming, ...options }: DatasetFetchOptions): Promise<DataFile[]> {
  const reference = hubReference(text);
  if (!reference) throw expected('dataset', 'to be a path, or org/name[@revision] on the Hub', text, 'correct the name');
  const client = hubClient({ ...reference, dataset: true }, options);
  const snapshot = await openSnapshot(client).catch((error: unknown) => {
    const cause = error instanceof NotFoundError && ['missing', 'offline', 'unreachable'].includes(String(error.data['reason']));
    throw cause ? new NotFoundError(`${error.message} There is no such path here either.`, error.data) : error;
  });
  const listing = {
    where: reference.repository,
    names: snapshot.names,
    readText: async (name: string) => {
      await provide(snapshot, [name]);
      return readFile(placeOf(snapshot, name), 'utf8');
    },
    mend: `take the copy in Parquet that the Hub keeps of most datasets: \`${reference.repository}@refs/convert/parquet\``,
  };
  const names = await splitFiles(listing, choice);
  if (!streaming || client.settings.offline) await provide(snapshot, names);
  const called = (name: string): string => `${at(reference)}/${name}`;
  return names.map((name) => ({
    name: called(name),
    open: () => (fs.existsSync(placeOf(snapshot, name)) ? fileSource(placeOf(snapshot, name), called(name)) : remoteSource(snapshot, name, called(name))),
  }));
}

/** Which commit is meant and what it holds, from the Hub, or from the cache where the Hub need not or cannot say. */
async function openSnapshot(client: HubClient): Promise<Snapshot> {
  const { settings, reference } = client;
  const cache = repositoryCache(settings.cacheDir, reference);
  const commit = cachedCommit(cache, reference.revision);
  const names = commit === null ? null : cachedListing(cache, commit);
  const known = commit !== null && names !== null ? { client, cache, commit, names: names.filter(isInside) } : null;
  if (settings.offline) return known ?? refuseOffline(client, null);
  if (known && COMMIT.test(reference.revision) && fs.existsSync(path.join(cache.listings, `${commit}.json`))) return known;
  const found = await lookUp(client, known ? path.join(cache.snapshots, known.commit) : null);
  if (found === null) return known!;
  const snapshot: Snapshot = { client, cache, commit: found.commit, names: [...found.names].filter(isInside) };
  await writingTo(client, async () => {
    writeListing(cache, snapshot.commit, snapshot.names);
    writeRef(cache, reference.revision, snapshot.commit);
  });
  return snapshot;
}

/** The names are the server's; each becomes a path below the snapshot. */
function isInside(name: unknown): name is string {
  return typeof name === 'string' && !/[\\\0]/.test(name) && name.split('/').every((part) => part !== '' && part !== '.' && part !== '..');
}

function placeOf({ cache, commit }: Snapshot, name: string): string {
  return path.join(cache.snapshots, commit, name);
}

/** Fetches what is lacking. */
async function provide(snapshot: Snapshot, names: readonly string[]): Promise<void> {
  const { client, cache, commit } = snapshot;
  const missing = names.filter((name) => !fs.existsSync(placeOf(snapshot, name)));
  if (missing.length === 0) return;
  if (client.settings.offline) refuseOffline(client, missing);
  await writingTo(client, () => fetchFiles(client, cache, commit, missing));
}

async function remoteSource({ client, commit }: Snapshot, name: string, called: string): Promise<ByteSource> {
  const remote = await describeFile(client, commit, name);
  const { size } = remote;
  if (size === null) throw failed(client, 'refused', `with the size of ${name}`, 'an answer without it', 'leave out `streaming`, so that the file is fetched whole');
  return { name: called, size, read: (start, end) => readRange(client, remote, start, end), close: async () => {} };
}
