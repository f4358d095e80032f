/** A server that speaks the Hub's paths on 127.0.0.1, with a second one that stores the large files, as the real Hub has. */
import { createHash } from 'node:crypto';
import { createServer } from 'node:http';
import type { IncomingMessage, RequestListener, Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** What was asked. */
export interface Asked {
  method: string;
  path: string;
  /** True for the server that stores the large files. */
  storage: boolean;
  authorization: string | undefined;
  range: string | undefined;
}

interface Repository {
  /** Branch or tag → commit. */
  refs: Map<string, string>;
  /** Commit → name → content. */
  commits: Map<string, Map<string, Buffer>>;
}

/** A running pair of servers. */
export interface HubServer {
  endpoint: string;
  asked: Asked[];
  /** Puts a commit on a branch and returns its hash; `datasets/org/name` is a dataset. */
  commit(repository: string, files: Readonly<Record<string, string | Uint8Array>>, revision?: string): string;
  /** Called before each answer; true when it has answered (badly) itself. `body` is the content of the file asked for. */
  misbehave: ((asked: Asked, response: ServerResponse, body: Buffer) => boolean) | null;
  /** Sees each request first; true when it has answered. The server that takes uploads is one. */
  receive: ((request: IncomingMessage, response: ServerResponse, storage: boolean) => Promise<boolean>) | null;
  /** Address of the server that stores the large files. */
  storage: string;
  close(): void;
}

/** Large files are those with tensors, and Parquet. */
export const isLarge = (name: string): boolean => /\.(safetensors|bin|gguf|parquet)$/.test(name);

/** The name of a file's blob: sha256 for a large file, git's sha1 for a small one. */
export function blobName(name: string, content: Uint8Array): string {
  return isLarge(name) ? createHash('sha256').update(content).digest('hex') : createHash('sha1').update(`blob ${content.length}\0`).update(content).digest('hex');
}

/** Starts both servers. */
export async function startHub(): Promise<HubServer> {
  const repositories = new Map<string, Repository>();
  const stored = new Map<string, Buffer>();
  const asked: Asked[] = [];
  const notes = (request: IncomingMessage, storage: boolean): Asked => {
    const one: Asked = { method: request.method!, path: decodeURIComponent(request.url!), storage, authorization: request.headers.authorization, range: request.headers.range };
    asked.push(one);
    return one;
  };
  const receiving = (answer: RequestListener, storage: boolean): RequestListener => (request, response) => {
    if (!hub.receive) return answer(request, response);
    void hub.receive(request, response, storage).then((answered) => answered || answer(request, response));
  };
  const store: RequestListener = (request, response) => {
    const one = notes(request, true);
    const body = stored.get(/[0-9a-f]{64}/.exec(one.path)?.[0] ?? '');
    if (hub.misbehave?.(one, response, body ?? Buffer.alloc(0))) return;
    if (body) sendPart(request, response, body);
    else response.writeHead(403).end();
  };
  const storage = await listen(receiving(store, true));
  const answer: RequestListener = (request, response) => {
    const one = notes(request, false);
    const [, api, repository = '', ...last] = /^\/(api\/(?:models\/|(?=datasets\/)))?((?:datasets\/)?[^/]+\/[^/]+)\/(?:revision|resolve)\/([^/]+)(?:\/(.+))?$/.exec(request.url!) ?? [];
    const [revision = '', name] = last.map((part) => part && decodeURIComponent(part));
    const found = repositories.get(repository);
    const commit = found?.refs.get(revision) ?? revision;
    const files = found?.commits.get(commit);
    const body = files?.get(name ?? '');
    if (hub.misbehave?.(one, response, body ?? Buffer.alloc(0))) return;
    if (!found) return refuse(response, one.authorization ? 404 : 401, 'RepoNotFound');
    if (!files) return refuse(response, 404, 'RevisionNotFound');
    if (api) return void response.setHeader('content-type', 'application/json').end(JSON.stringify({ id: repository, sha: commit, siblings: [...files.keys()].map((rfilename) => ({ rfilename })) }));
    if (!name || !body) return refuse(response, 404, 'EntryNotFound');
    response.setHeader('x-repo-commit', commit);
    if (!isLarge(name)) return sendPart(request, response.setHeader('etag', `"${blobName(name, body)}"`), body);
    stored.set(blobName(name, body), body);
    response.writeHead(302, { 'x-linked-etag': `"${blobName(name, body)}"`, 'x-linked-size': body.length, location: `${addressOf(storage)}/stored/${blobName(name, body)}?Signature=secret-signature` }).end();
  };
  const server = await listen(receiving(answer, false));
  const hub: HubServer = {
    endpoint: addressOf(server),
    asked,
    misbehave: null,
    receive: null,
    storage: addressOf(storage),
    commit: (repository, files, revision = 'main') => {
      const entries = Object.entries(files).map(([name, content]) => [name, Buffer.from(content)] as const);
      const hash = createHash('sha1');
      for (const [name, content] of entries) hash.update(name).update(content);
      const commit = hash.digest('hex');
      const found = repositories.get(repository) ?? { refs: new Map(), commits: new Map() };
      repositories.set(repository, found);
      found.refs.set(revision, commit);
      found.commits.set(commit, new Map(entries));
      return commit;
    },
    close: () => {
      for (const one of [server, storage]) {
        one.closeAllConnections();
        one.close();
      }
    },
  };
  return hub;
}

/** Refuses as the Hub does. */
export function refuse(response: ServerResponse, status: number, code: string, message = code): void {
  response.writeHead(status, { 'x-error-code': code, 'x-error-message': message }).end();
}

function sendPart(request: IncomingMessage, response: ServerResponse, body: Buffer): void {
  const [, first, last] = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '') ?? [];
  const start = Number(first ?? 0);
  const end = last ? Math.min(body.length, Number(last) + 1) : body.length;
  const tag = response.getHeader('etag');
  const condition = request.headers['if-range'];
  if ((start === 0 && !last) || (condition !== undefined && condition !== tag)) response.writeHead(200, { 'content-length': body.length }).end(request.method === 'HEAD' ? undefined : body);
  else if (start >= body.length) response.writeHead(416, { 'content-range': `bytes */${body.length}` }).end();
  else response.writeHead(206, { 'content-length': end - start, 'content-range': `bytes ${start}-${end - 1}/${body.length}` }).end(body.subarray(start, end));
}

async function listen(listener: RequestListener): Promise<Server> {
  const server = createServer(listener);
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
  return server;
}

function addressOf(server: Server): string {
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}
