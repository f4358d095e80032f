/**
 * A folder to the Hugging Face Hub, as one commit. The protocol (what is large, the addresses of large files, the commit)
 * is `@huggingface/hub`'s; settings, patience and words are ours.
 */
import fs from 'node:fs/promises';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { expected, UploadError } from '../errors.ts';
import { hubReference } from './hub-files.ts';
import { progressLines } from './hub-progress.ts';
import type { HubClient } from './hub-request.ts';
import { hubSettings } from './hub-settings.ts';
import { refusedUpload, strangeFault, uploadError } from './hub-upload-faults.ts';
import { uploadingFetch } from './hub-upload-fetch.ts';
import { isObject } from './json-file.ts';

/** How a folder is pushed. */
export interface UploadOptions {
  /** Who may see the repository. Needed where it does not exist yet; one that exists keeps what it is. */
  private?: boolean;
  /** Default: `Upload with tsrl`. */
  commitMessage?: string;
  /** In place of the token that the environment holds. */
  token?: string;
  onMessage?: (line: string) => void;
  signal?: AbortSignal;
  /** Tries of a request before giving up. Default 6. */
  attempts?: number;
  /** First pause between tries; it doubles. Default 1,000. */
  pauseMs?: number;
}

/** A model card: its README.md, and the files that it shows. */
export interface CardFiles {
  /** Name → content. */
  files: Readonly<Record<string, string>>;
  /** Stands in a README.md that may be replaced; one without it in the repository is somebody's own and stays. */
  mark: string;
}

/** What was pushed. */
export interface Upload {
  repository: string;
  /** The repository's page. */
  url: string;
  commit: string;
  /** null where the Hub does not say. */
  private: boolean | null;
  /** Whether the push made the repository. */
  created: boolean;
  /** Names in the repository, sorted. */
  files: string[];
  bytes: number;
}

type HubLibrary = typeof import('@huggingface/hub');

/** What is sent: a file of the folder, or text that was written for it. */
interface OutgoingFile {
  name: string;
  content: URL | Blob;
  size: number;
}

/** A repository as it is before the commit. */
interface Found {
  private: boolean | null;
  names: ReadonlySet<string>;
}

/**
 * Pushes a folder, subfolders included; hidden and half-written files are left out.
 *
 * @param repository `org/name`
 * @param card is added where the folder has no README.md of its own
 * @throws InputError when the name is none or the folder is empty
 * @throws UploadError when the Hub does not take it or cannot be reached; `data.reason` says which
 */
export async function uploadFolder(repository: string, folder: string, card: CardFiles | null, options: UploadOptions = {}): Promise<Upload> {
  const client = uploadClient(repository, options);
  const outgoing = await filesOf(folder);
  const bytesOf = (files: readonly OutgoingFile[]): number => files.reduce((sum, { size }) => sum + size, 0);
  // Here, and not above: only a push needs it, and `tsrl --help` need not wait for it.
  const library = await import('@huggingface/hub');
  const { found, created } = await openRepository(client, library, options.private);
  if (card !== null && !outgoing.some(({ name }) => name === 'README.md') && (await mayReplaceCard(client, found, card))) {
    const own = new Set(outgoing.map(({ name }) => name));
    outgoing.push(...Object.entries(card.files).flatMap(([name, text]) => (own.has(name) ? [] : [textFile(name, text)])));
    outgoing.sort((a, b) => (a.name < b.name ? -1 : 1));
  }
  const commit = await sendCommit(client, library, outgoing, bytesOf(outgoing), options.commitMessage ?? 'Upload with tsrl');
  return {
    repository,
    url: `${client.settings.endpoint}/${repository}`,
    commit,
    private: found.private,
    created,
    files: outgoing.map(({ name }) => name),
    bytes: bytesOf(outgoing),
  };
}

/**
 * Checks what needs no network: the name, the token. Worth doing before work that a push would follow.
 *
 * @throws InputError, UploadError as `uploadFolder`
 */
export function checkUpload(repository: string, options: UploadOptions = {}): void {
  uploadClient(repository, options);
}

function uploadClient(repository: string, { token, onMessage = () => {}, signal, attempts = 6, pauseMs = 1000 }: UploadOptions): HubClient {
  const reference = hubReference(repository);
  if (reference === null || repository.includes('@')) throw expected('repository', 'to be org/name, a repository of the Hub', repository, 'write it like my-name/my-model');
  const settings = hubSettings(null, token === undefined ? process.env : { ...process.env, HF_TOKEN: token });
  const client: HubClient = { settings, reference, onMessage, attempts, pauseMs, idleMs: 30_000, ...(signal ? { signal } : {}) };
  if (settings.offline) throw uploadError(client, 'offline', 'HF_HUB_OFFLINE, which forbids to ask it', 'unset HF_HUB_OFFLINE');
  if (settings.token === null) throw uploadError(client, 'token', 'no token', `make one that may write at ${settings.endpoint}/settings/tokens and set HF_TOKEN`);
  return client;
}

/** Hidden files are nobody's to publish; the others are half-written, or a lock. */
const LEFT_OUT = /^\.|\.(partial|incomplete|tmp|lock)$|^__pycache__$/;

async function filesOf(folder: string): Promise<OutgoingFile[]> {
  const found: OutgoingFile[] = [];
  const walk = async (below: string): Promise<void> => {
    for (const entry of await fs.readdir(path.join(folder, below), { withFileTypes: true })) {
      const name = path.posix.join(below, entry.name);
      if (LEFT_OUT.test(entry.name)) continue;
      if (entry.isDirectory()) await walk(name);
      else {
        // Follows links to files, of which the Hub's cache is made.
        const at = path.join(folder, name);
        const stat = await fs.stat(at);
        if (stat.isFile()) found.push({ name, content: pathToFileURL(at), size: stat.size });
      }
    }
  };
  await walk('');
  if (found.length === 0) throw expected('folder', 'to hold files', folder, 'name the folder of a model');
  return found.sort((a, b) => (a.name < b.name ? -1 : 1));
}

function textFile(name: string, text: string): OutgoingFile {
  const content = new Blob([text]);
  return { name, content, size: content.size };
}

/** Finds the repository, or makes it. */
async function openRepository(client: HubClient, library: HubLibrary, wanted: boolean | undefined): Promise<{ found: Found; created: boolean }> {
  const before = await lookUp(client);
  if (before !== null) return { found: asWanted(client, before, wanted), created: false };
  const { repository } = client.reference;
  if (wanted === undefined) {
    throw uploadError(client, 'visibility', 'the name of a repository that does not exist yet, without a word on who may see it', 'say --private or --public (in a program `private: true` or `private: false`), or correct the name');
  }
  try {
    const { endpoint: hubUrl } = client.settings;
    // The empty token: ours is added by the `fetch`, and the library would refuse those that do not start with hf_.
    await library.createRepo({ repo: { type: 'model', name: repository }, visibility: wanted ? 'private' : 'public', hubUrl, accessToken: '', fetch: uploadingFetch(client, () => {}) });
  } catch (error) {
    // Made by a try whose answer was lost, by somebody else just now, or there all along and not to be seen.
    const now = error instanceof library.HubApiError && error.statusCode === 409 ? await lookUp(client) : null;
    if (now === null) throw asUploadError(client, library, error);
    return { found: asWanted(client, now, wanted), created: false };
  }
  client.onMessage(`made the ${wanted ? 'private' : 'public'} repository ${repository}`);
  return { found: { private: wanted, names: new Set() }, created: true };
}

/** A repository keeps what it is, except that nothing meant to be private is sent where all can see it. */
function asWanted(client: HubClient, found: Found, wanted: boolean | undefined): Found {
  const { repository } = client.reference;
  if (wanted === true && found.private === false) {
    const settings = `${client.settings.endpoint}/${repository}/settings`;
    throw uploadError(client, 'visibility', 'a public repository of that name where a private one was asked for', `make it private at ${settings}, choose another name, or leave --private out to push for all to see`);
  }
  if (wanted === false && found.private === true) client.onMessage(`${repository} exists and is private; it stays so`);
  return found;
}

async function lookUp(client: HubClient): Promise<Found | null> {
  const text = await textAt(client, `api/models/${client.reference.repository}`);
  if (text === null) return null;
  const answer = parseAnswer(client, text);
  const { private: isPrivate, siblings } = isObject(answer) ? answer : {};
  const names = Array.isArray(siblings) ? siblings.map((one: unknown) => (isObject(one) ? one['rfilename'] : null)) : [];
  return { private: typeof isPrivate === 'boolean' ? isPrivate : null, names: new Set(names.filter((name) => typeof name === 'string')) };
}

async function mayReplaceCard(client: HubClient, { names }: Found, { mark }: CardFiles): Promise<boolean> {
  if (!names.has('README.md')) return true;
  const { repository } = client.reference;
  const text = await textAt(client, `${repository}/resolve/main/README.md`);
  if (text === null || text.includes(mark)) return true;
  client.onMessage(`${repository} has a README.md of its own, which is kept`);
  return false;
}

/** What the Hub has at a path; null where it has nothing. */
async function textAt(client: HubClient, where: string): Promise<string | null> {
  const response = await uploadingFetch(client, () => {})(`${client.settings.endpoint}/${where}`);
  const text = await response.text().catch((error: unknown) => {
    throw strangeFault(client, error);
  });
  if (response.ok) return text;
  if (response.status === 404) return null;
  throw refusedUpload(client, { statusCode: response.status, url: response.url, data: { error: response.headers.get('x-error-message') ?? '' }, message: '' });
}

function parseAnswer(client: HubClient, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw strangeFault(client, error);
  }
}

async function sendCommit(client: HubClient, library: HubLibrary, files: readonly OutgoingFile[], bytes: number, title: string): Promise<string> {
  const { repository } = client.reference;
  const progress = progressLines(client.onMessage, repository, files.length, bytes, { doing: 'sending', done: 'sent' });
  try {
    const output = await library.commit({
      repo: { type: 'model', name: repository },
      title,
      operations: files.map(({ name, content }) => ({ operation: 'addOrUpdate', path: name, content })),
      hubUrl: client.settings.endpoint,
      // What is tested is what is used: the plain transfer, by parts where the Hub asks for them.
      useXet: false,
      fetch: uploadingFetch(client, progress.have),
      ...(client.signal ? { abortSignal: client.signal } : {}),
    });
    const commit = output?.commit.oid;
    if (typeof commit !== 'string') throw uploadError(client, 'refused', 'an answer without a commit', 'check HF_ENDPOINT, and whether a proxy stands between');
    progress.end(commit);
    return commit;
  } catch (error) {
    throw asUploadError(client, library, error);
  }
}

/** An error of a request as ours; throws the signal's own where it was that. */
function asUploadError(client: HubClient, library: HubLibrary, error: unknown): UploadError {
  client.signal?.throwIfAborted();
  if (error instanceof UploadError) return error;
  return error instanceof library.HubApiError ? refusedUpload(client, error) : strangeFault(client, error);
}
