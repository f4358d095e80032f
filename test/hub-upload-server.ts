/**
 * The local Hub, taking uploads as the real one does: makes repositories, says which files are large, gives addresses for
 * them (whole or by parts), takes the commit. What was committed can be fetched from the same server.
 */
import { createHash } from 'node:crypto';
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';
import { isLarge, startHub } from './hub-server.ts';
import type { HubServer } from './hub-server.ts';

/** A request with its whole body. */
export interface Received {
  method: string;
  path: string;
  headers: IncomingHttpHeaders;
  body: Buffer;
  /** True for the server that stores the large files. */
  storage: boolean;
}

/** A commit as it arrived. */
export interface ReceivedCommit {
  repository: string;
  summary: string;
  /** Names that came with their content, and names of large files. */
  small: string[];
  large: string[];
}

interface Repository {
  private: boolean;
  files: Record<string, Buffer>;
}

/** A running Hub that takes uploads. */
export interface UploadHub extends HubServer {
  repositories: Map<string, Repository>;
  received: Received[];
  commits: ReceivedCommit[];
  /** sha256 → content: what the storage has whole. */
  objects: Map<string, Buffer>;
  /** Bytes of one part of a large file; null for whole files. */
  partBytes: number | null;
  /** Called before each answer; true when it has answered (badly) itself. */
  spoil: ((received: Received, response: ServerResponse) => boolean) | null;
  /** Bytes after which the connection of an upload to the storage is cut; null leaves it. */
  cutAfter: (() => number | null) | null;
}

/** May write to `org`; may only read; both are known to the server. */
export const WRITE_TOKEN = 'hf_mayWriteNeverShown';
export const READ_TOKEN = 'hf_mayReadNeverShown';

type Answer = [status: number, body: unknown, headers?: Record<string, string>];

const refusal = (status: number, error: string): Answer => [status, { error }, { 'x-error-message': error, ...(status === 404 ? { 'x-error-code': 'RepoNotFound' } : {}) }];

/** Starts it; `org/…` is what the token may write to. */
export async function startUploadHub(): Promise<UploadHub> {
  const served = await startHub();
  const hub: UploadHub = Object.assign(served, { repositories: new Map(), received: [], commits: [], objects: new Map(), partBytes: null, spoil: null, cutAfter: null });
  const parts = new Map<string, Buffer[]>();
  hub.receive = async (request, response, storage) => {
    const body = await bodyOf(request, storage && request.method === 'PUT' ? (hub.cutAfter?.() ?? null) : null);
    if (body === null) return true;
    const received: Received = { method: request.method!, path: request.url!, headers: request.headers, body, storage };
    hub.received.push(received);
    if (hub.spoil?.(received, response)) return true;
    const answer = storage ? store(hub, parts, received) : answerTo(hub, parts, received);
    if (answer === null) return false;
    const [status, content, headers = {}] = answer;
    response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(content));
    return true;
  };
  return hub;
}

/** null when the connection is cut on the way. */
async function bodyOf(request: IncomingMessage, cutAfter: number | null): Promise<Buffer | null> {
  const pieces: Buffer[] = [];
  let length = 0;
  for await (const piece of request) {
    pieces.push(piece as Buffer);
    length += (piece as Buffer).length;
    if (cutAfter !== null && length > cutAfter) {
      request.socket.destroy();
      return null;
    }
  }
  return Buffer.concat(pieces);
}

/** What the storage of large files does; null leaves it to the server that gives them out. */
function store(hub: UploadHub, parts: Map<string, Buffer[]>, { method, path, body, headers }: Received): Answer | null {
  const [, oid, part] = /^\/upload\/([0-9a-f]{64})(?:\/(\d+))?\?Signature=secret-signature$/.exec(path) ?? [];
  if (method !== 'PUT' || !oid) return null;
  if (headers.authorization !== undefined) return refusal(400, 'Only one auth mechanism allowed');
  if (headers['content-length'] === undefined) return refusal(411, 'MissingContentLength');
  if (part !== undefined) {
    const sofar = parts.get(oid) ?? [];
    parts.set(oid, sofar);
    sofar[Number(part) - 1] = body;
    return [200, {}, { etag: `"${createHash('md5').update(body).digest('hex')}"` }];
  }
  return keep(hub, oid, body);
}

function keep(hub: UploadHub, oid: string, content: Buffer): Answer {
  if (createHash('sha256').update(content).digest('hex') !== oid) return refusal(400, 'content does not match its hash');
  hub.objects.set(oid, content);
  return [200, {}];
}

/** What the Hub itself does; null leaves it to the server that gives files out. */
function answerTo(hub: UploadHub, parts: Map<string, Buffer[]>, received: Received): Answer | null {
  const { method, path } = received;
  const route = `${method} ${path.replace(/\?.*$/, '')}`;
  if (route === 'POST /api/repos/create') return create(hub, received);
  if (route === 'POST /api/validate-yaml') return [200, { errors: [], warnings: [] }];
  if (route === 'POST /api/complete-multipart') return complete(hub, parts, received);
  if (received.headers.authorization !== undefined && accountOf(received) === null) return refusal(401, 'Invalid credentials in Authorization header');
  const [, repository, rest = ''] = /^\w+ \/(?:api\/models\/)?([^/]+\/[^/]+?)(?:\.git)?((?:\/(?:preupload|commit|info|revision|resolve)\/.*)?)$/.exec(route) ?? [];
  const found = hub.repositories.get(repository ?? '');
  const mayRead = found && (!found.private || accountOf(received) !== null);
  if (repository === undefined || !mayRead) return refusal(accountOf(received) === null ? 401 : 404, 'Repository not found');
  if (method === 'GET' && rest === '') return [200, { id: repository, private: found.private, sha: '0'.repeat(40), siblings: Object.keys(found.files).map((rfilename) => ({ rfilename })) }];
  if (method !== 'POST') return null;
  const denied = deniedWrite(received, repository);
  if (denied) return denied;
  if (rest.startsWith('/preupload/')) return preupload(received);
  if (rest === '/info/lfs/objects/batch') return batch(hub, repository, received);
  if (rest === '/info/lfs/verify') return verify(hub, received);
  if (rest === '/commit/main') return commit(hub, repository, found, received);
  return refusal(404, 'no such page');
}

function accountOf({ headers }: Received): 'write' | 'read' | null {
  if (headers.authorization === `Bearer ${WRITE_TOKEN}`) return 'write';
  return headers.authorization === `Bearer ${READ_TOKEN}` ? 'read' : null;
}

function deniedWrite(received: Received, repository: string): Answer | null {
  const account = accountOf(received);
  if (account === null) return refusal(401, 'Invalid username or password.');
  if (account === 'read' || !repository.startsWith('org/')) return refusal(403, `Forbidden: you must have write access to ${repository.split('/')[0]}`);
  return null;
}

function create(hub: UploadHub, received: Received): Answer {
  const { name, organization, visibility, type = 'model' } = jsonOf<{ name: string; organization: string; visibility?: string; type?: string }>(received);
  const repository = `${organization}/${name}`;
  const denied = deniedWrite(received, repository);
  if (denied) return denied;
  if (type !== 'model') return refusal(400, 'only models here');
  if (hub.repositories.has(repository)) return [409, { error: 'You already created this model repo', url: `${hub.endpoint}/${repository}` }];
  const files = { '.gitattributes': Buffer.from('*.safetensors filter=lfs diff=lfs merge=lfs -text\n') };
  hub.repositories.set(repository, { private: visibility === 'private', files });
  hub.commit(repository, files);
  return [200, { url: `${hub.endpoint}/${repository}`, name: repository, id: repository }];
}

function preupload(received: Received): Answer {
  const { files } = jsonOf<{ files: { path: string; size: number; sample: string }[] }>(received);
  const fault = files.find(({ size, sample }) => Buffer.from(sample, 'base64').length !== Math.min(size, 512));
  if (fault) return refusal(400, `the sample of ${fault.path} is not its first 512 bytes`);
  return [200, { files: files.map(({ path }) => ({ path, uploadMode: isLarge(path) ? 'lfs' : 'regular', shouldIgnore: false })) }];
}

function batch(hub: UploadHub, repository: string, received: Received): Answer {
  const { objects } = jsonOf<{ objects: { oid: string; size: number }[] }>(received);
  const upload = (oid: string, size: number): unknown => {
    const whole = `${hub.storage}/upload/${oid}`;
    const end = '?Signature=secret-signature';
    if (hub.partBytes === null) return { href: `${whole}${end}` };
    const addresses = Array.from({ length: Math.ceil(size / hub.partBytes) }, (_, i) => [String(i + 1).padStart(5, '0'), `${whole}/${i + 1}${end}`]);
    return { href: `${hub.endpoint}/api/complete-multipart?Signature=secret-signature`, header: { chunk_size: String(hub.partBytes), ...Object.fromEntries(addresses) } };
  };
  const described = objects.map(({ oid, size }) => ({ oid, size, ...(hub.objects.has(oid) ? {} : { actions: { upload: upload(oid, size), verify: { href: `${hub.endpoint}/${repository}.git/info/lfs/verify` } } }) }));
  return [200, { transfer: hub.partBytes === null ? 'basic' : 'multipart', objects: described }];
}

function complete(hub: UploadHub, parts: Map<string, Buffer[]>, received: Received): Answer {
  const { oid, parts: named } = jsonOf<{ oid: string; parts: { partNumber: number; etag: string }[] }>(received);
  const pieces = parts.get(oid) ?? [];
  const right = named.every(({ partNumber, etag }) => etag.includes(createHash('md5').update(pieces[partNumber - 1] ?? '').digest('hex')));
  return right ? keep(hub, oid, Buffer.concat(named.map(({ partNumber }) => pieces[partNumber - 1]!))) : refusal(400, 'a part is not what was sent');
}

function verify(hub: UploadHub, received: Received): Answer {
  const { oid, size } = jsonOf<{ oid: string; size: number }>(received);
  return hub.objects.get(oid)?.length === size ? [200, {}] : refusal(422, 'the object has another size');
}

function commit(hub: UploadHub, repository: string, found: Repository, received: Received): Answer {
  const [header, ...operations] = received.body.toString().split('\n').filter(Boolean).map((line) => JSON.parse(line) as { key: string; value: Record<string, string | number> });
  const summary = header?.key === 'header' ? header.value['summary'] : undefined;
  if (typeof summary !== 'string' || summary === '') return refusal(400, 'a commit needs a summary');
  const files: Record<string, Buffer> = { ...found.files };
  const one: ReceivedCommit = { repository, summary, small: [], large: [] };
  for (const { key, value } of operations) {
    const name = String(value['path']);
    const object = hub.objects.get(String(value['oid']));
    if (key === 'file' && value['encoding'] === 'base64') files[name] = Buffer.from(String(value['content']), 'base64');
    else if (key === 'lfsFile' && object?.length === value['size']) files[name] = object!;
    else return refusal(400, `${name} cannot be committed`);
    (key === 'file' ? one.small : one.large).push(name);
  }
  found.files = files;
  hub.commits.push(one);
  const commitOid = hub.commit(repository, files);
  return [200, { success: true, commitOid, commitUrl: `${hub.endpoint}/${repository}/commit/${commitOid}`, hookOutput: '' }];
}

function jsonOf<T>({ body }: Received): T {
  return JSON.parse(body.toString()) as T;
}
