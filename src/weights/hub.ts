/**
 * Models from the Hugging Face Hub: the files of `org/name[@revision]` that a model needs, in the cache folder that
 * Python's huggingface_hub uses too. What is there is not fetched again.
 */
import fs from 'node:fs';
import path from 'node:path';
import { cachedCommit, COMMIT, repositoryCache, writeNoExist, writeRef } from './hub-cache.ts';
import type { RepositoryCache } from './hub-cache.ts';
import { filesToFetch, missingFiles, OPTIONAL, shardNames } from './hub-files.ts';
import type { HubReference } from './hub-files.ts';
import { fetchFiles, hubClient, lookUp, refuseOffline, writingTo } from './hub-repository.ts';
import type { HubFetchOptions } from './hub-repository.ts';
import type { HubClient } from './hub-request.ts';
import { INDEX_FILE } from './safetensors.ts';

/** How a model is fetched. */
export interface ModelFetchOptions extends HubFetchOptions {
  /** False for config and tokenizer alone. Default true. */
  weights?: boolean;
}

/**
 * Gives the folder of a model, from the cache or fetched into it.
 *
 * @throws NotFoundError when the Hub has no such model, does not let it be read, or cannot be reached; `data.reason` says which
 * @throws FileFormatError when a file arrives damaged
 * @throws ResourceError when the disk is full or cannot be written
 */
export async function fetchFromHub(reference: HubReference, options: ModelFetchOptions = {}): Promise<string> {
  const { weights = true } = options;
  const client = hubClient(reference, options);
  const { settings } = client;
  const cache = repositoryCache(settings.cacheDir, reference);
  const known = knownSnapshot(cache, reference.revision, weights);
  if (settings.offline) return known.whole ?? refuseOffline(client, known.missing);
  if (known.whole && COMMIT.test(reference.revision) && nothingOptionalIsOpen(cache, reference.revision)) return known.whole;
  const found = await lookUp(client, known.whole);
  if (found === null) return known.whole!;
  const snapshot = await fillSnapshot(client, cache, found.commit, found.names, weights);
  writeRef(cache, reference.revision, found.commit);
  return snapshot;
}

/** What the cache has for a revision. */
function knownSnapshot(cache: RepositoryCache, revision: string, withWeights: boolean): { whole: string | null; missing: string[] | null } {
  const commit = cachedCommit(cache, revision);
  if (commit === null) return { whole: null, missing: null };
  const snapshot = path.join(cache.snapshots, commit);
  const missing = missingFiles(snapshot, withWeights);
  return { whole: missing.length === 0 ? snapshot : null, missing };
}

/** Whether it is known of every file that not every model has, that it is here or does not exist. */
function nothingOptionalIsOpen(cache: RepositoryCache, commit: string): boolean {
  return OPTIONAL.every((name) => [cache.snapshots, cache.noExist].some((folder) => fs.existsSync(path.join(folder, commit, name))));
}

/** Fetches what the snapshot of a commit lacks: first the small files, so that weights are fetched only for what can be used. */
async function fillSnapshot(client: HubClient, cache: RepositoryCache, commit: string, names: ReadonlySet<string>, withWeights: boolean): Promise<string> {
  const snapshot = path.join(cache.snapshots, commit);
  const { small, weights } = filesToFetch(names, client.reference, client.settings.endpoint, withWeights);
  return writingTo(client, async () => {
    await fetchFiles(client, cache, commit, small);
    if (weights !== null) await fetchFiles(client, cache, commit, weights === INDEX_FILE ? shardNames(snapshot) : [weights]);
    for (const name of OPTIONAL) if (!names.has(name)) writeNoExist(cache, commit, name);
    return snapshot;
  });
}
