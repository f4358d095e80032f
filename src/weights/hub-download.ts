/** One file of the Hub into the cache: resumed where it was cut, and not believed before its hash is right. */
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import fsp from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { append } from './atomic-file.ts';
import { fileFault } from './file-bytes.ts';
import { claimPartial, releasePartial, removeAbandoned } from './hub-cache.ts';
import { pagePath } from './hub-files.ts';
import type { HubClient } from './hub-request.ts';
import { failed, faultOf, Passing, patiently, request } from './hub-request.ts';

/** What the Hub states about a file, before it is fetched. */
export interface RemoteFile {
  name: string;
  address: string;
  /** Name of the blob: sha256 of a large file, git's sha1 of a small one; on other servers anything. */
  etag: string;
  /** null where the server does not say. */
  size: number | null;
}

/** Asks what a file is, at a commit. */
export async function describeFile(client: HubClient, commit: string, name: string): Promise<RemoteFile> {
  const address = `${client.settings.endpoint}/${pagePath(client.reference)}/resolve/${commit}/${name.split('/').map(encodeURIComponent).join('/')}`;
  const { headers, redirected } = await patiently(client, async () => {
    const response = await request(client, address, name, { method: 'HEAD', timeout: AbortSignal.timeout(client.idleMs) });
    return { headers: response.headers, redirected: !response.ok };
  });
  const odd = (got: string): Error => failed(client, 'refused', `with ${name} as the Hub does`, got, 'check HF_ENDPOINT, and whether a proxy stands between');
  const stated = headers.get('x-repo-commit');
  if (stated !== commit) throw odd(stated === null ? 'an answer without X-Repo-Commit' : `commit ${stated} for ${commit}`);
  const etag = bare(headers.get('x-linked-etag') ?? headers.get('etag') ?? '');
  // It becomes the name of a file.
  if (!/^\w[\w.-]*$/.test(etag)) throw odd(etag === '' ? 'an answer without ETag' : 'an ETag that is no file name');
  const size = headers.get('x-linked-size') ?? (redirected ? null : headers.get('content-length'));
  return { name, address, etag, size: size !== null && /^\d+$/.test(size) ? Number(size) : null };
}

function bare(etag: string): string {
  return etag.replace(/^W\//, '').replaceAll('"', '');
}

/**
 * Fetches a file and renames it to `blob` when it is whole and has the stated hash.
 *
 * @param onHave hears how many bytes of the file are here
 * @throws FileFormatError when what comes is twice not what the Hub states
 */
export async function downloadBlob(client: HubClient, remote: RemoteFile, blob: string, onHave: (bytes: number) => void): Promise<void> {
  const partial = claimPartial(blob);
  try {
    await fetchRight(client, remote, partial, onHave);
    await fsp.rename(partial, blob);
  } catch (error) {
    releasePartial(blob, partial);
    throw error;
  }
  removeAbandoned(blob);
}

async function fetchRight(client: HubClient, remote: RemoteFile, partial: string, onHave: (bytes: number) => void): Promise<void> {
  for (let damaged = 0; ; damaged++) {
    await patiently(client, () => fetchRest(client, remote, partial, onHave), () => fs.statSync(partial, { throwIfNoEntry: false })?.size ?? 0);
    const fault = await whatIsWrong(partial, remote);
    if (fault === null) return;
    await fsp.rm(partial, { force: true });
    if (damaged === 1) {
      throw fileFault(`${remote.name} of ${client.reference.repository}`, fault.wanted, fault.got, 'try again later; if it stays so, something on the way changes files: check HF_ENDPOINT and proxies', { reason: 'damaged' });
    }
    client.onMessage(`${remote.name}: expected ${fault.wanted}, got ${fault.got}; fetching it from the start`);
  }
}

/** Appends to the partial file what it lacks, or, after a fault that may pass, a part of it. */
async function fetchRest(client: HubClient, remote: RemoteFile, partial: string, onHave: (bytes: number) => void): Promise<void> {
  const file = await fsp.open(partial, 'a');
  const idle = new AbortController();
  const clock = setTimeout(() => idle.abort(new Error(`no byte in ${client.idleMs / 1000} s`)), client.idleMs);
  try {
    let have = (await file.stat()).size;
    if (have > 0 && have === remote.size) return;
    const rest = { range: `bytes=${have}-`, 'if-range': `"${remote.etag}"` };
    const response = await request(client, remote.address, remote.name, { method: 'GET', headers: have > 0 ? rest : {}, timeout: idle.signal });
    if (have > 0 && !continuesAt(response, have)) {
      await file.truncate(0);
      have = 0;
    }
    if (!response.ok) throw new Passing(`${remote.name}: the server has less than what came before`);
    await appendBody(response, remote, file, have, (bytes) => {
      clock.refresh();
      onHave(bytes);
    });
    await file.sync();
  } finally {
    clearTimeout(clock);
    await file.close();
  }
}

/** Whether the body starts where the partial file ends; a server may also send the whole file again. */
function continuesAt({ status, headers }: Response, position: number): boolean {
  return status === 206 && Number(/^bytes (\d+)-/.exec(headers.get('content-range') ?? '')?.[1]) === position;
}

async function appendBody(response: Response, remote: RemoteFile, file: FileHandle, from: number, onHave: (bytes: number) => void): Promise<void> {
  const { name, size } = remote;
  const reader = (response.body ?? new Blob([]).stream()).getReader();
  let have = from;
  for (;;) {
    const { done, value } = await reader.read().catch((error: unknown) => {
      throw new Passing(`${name}: cut after ${have} of ${size ?? 'unknown'} bytes (${faultOf(error)})`);
    });
    if (done) break;
    await append(file, value);
    have += value.length;
    onHave(have);
    // Enough to see that the length is wrong.
    if (size !== null && have > size) await reader.cancel();
  }
  if (size !== null && have < size) throw new Passing(`${name}: ended after ${have} of ${size} bytes`);
}

/** Compares a whole file with what the Hub states; null when all is well, or when the server states neither size nor hash. */
async function whatIsWrong(file: string, { etag, size }: RemoteFile): Promise<{ wanted: string; got: string } | null> {
  const bytes = (await fsp.stat(file)).size;
  if (size !== null && bytes !== size) return { wanted: `${size} bytes`, got: bytes > size ? 'more' : String(bytes) };
  const large = /^[0-9a-f]{64}$/.test(etag);
  if (!large && !/^[0-9a-f]{40}$/.test(etag)) return null;
  // Git hashes a header before the content.
  const hash = large ? createHash('sha256') : createHash('sha1').update(`blob ${bytes}\0`);
  for await (const piece of fs.createReadStream(file, { highWaterMark: 1 << 20 })) hash.update(piece as Buffer);
  const got = hash.digest('hex');
  return got === etag ? null : { wanted: `${large ? 'sha256' : 'the git hash'} ${etag}`, got };
}
