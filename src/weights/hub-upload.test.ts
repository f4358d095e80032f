import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, before, beforeEach, describe, test } from 'node:test';
import { inspect } from 'node:util';
import { READ_TOKEN, startUploadHub, WRITE_TOKEN } from '../../test/hub-upload-server.ts';
import type { Received, UploadHub } from '../../test/hub-upload-server.ts';
import { InputError, UploadError } from '../errors.ts';
import { uploadFolder } from './hub-upload.ts';
import type { CardFiles, Upload, UploadOptions } from './hub-upload.ts';
import { fetchFromHub } from './hub.ts';

const root = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), 'tsrl-push-')));
const folder = path.join(root, 'model');
const environment = { ...process.env };
let hub: UploadHub = await startUploadHub();
let lines: string[];

/** 300 kB that are no two bytes alike for long. */
const weights = Buffer.from(Uint8Array.from({ length: 300_000 }, (_, i) => (i * i * 31 + (i >> 8)) & 255));
const texts = { 'config.json': '{"model_type": "llama"}', 'tokenizer.json': '{"version": "ü"}', 'tokenizer_config.json': '{}' };
const files: Record<string, string | Buffer> = { ...texts, 'model.safetensors': weights };
const card: CardFiles = { files: { 'README.md': 'A card <!-- mark -->', 'curve.svg': '<svg/>' }, mark: '<!-- mark -->' };

before(() => {
  fs.mkdirSync(folder);
  for (const [name, content] of Object.entries(files)) fs.writeFileSync(path.join(folder, name), content);
});
beforeEach(async () => {
  hub.close();
  hub = await startUploadHub();
  for (const name of Object.keys(process.env)) if (/^(HF_|HUGGING|TRANSFORMERS_)/.test(name)) delete process.env[name];
  Object.assign(process.env, { HF_ENDPOINT: hub.endpoint, HF_HOME: path.join(root, 'home'), HF_TOKEN: WRITE_TOKEN });
  lines = [];
});
after(() => {
  hub.close();
  process.env = environment;
  fs.rmSync(root, { recursive: true });
});

function push(options: UploadOptions = {}, more: { repository?: string; from?: string; card?: CardFiles | null } = {}): Promise<Upload> {
  const { repository = 'org/name', from = folder, card: given = null } = more;
  return uploadFolder(repository, from, given, { private: true, pauseMs: 1, attempts: 3, onMessage: (line) => lines.push(line), ...options });
}

const routes = (): string[] => hub.received.map(({ method, path }) => `${method} ${path.replace(/[0-9a-f]{64}/, 'OID').replace(/\?.*/, '')}`);
const committed = (repository = 'org/name'): Record<string, Buffer> => hub.repositories.get(repository)!.files;
const is = (received: Received, route: RegExp): boolean => route.test(`${received.method} ${received.path}`);

/** The error that a push ends with; its sentence says what to do, and neither it nor a line holds a secret. */
async function fault(message: RegExp, options?: UploadOptions, more?: Parameters<typeof push>[1]): Promise<UploadError> {
  const error: unknown = await push(options, more).then(() => assert.fail('it was pushed'), (error: unknown) => error);
  assert.ok(error instanceof UploadError || error instanceof InputError, inspect(error));
  assert.match(error.message, /^Expected .*, got .*; .*\.$/);
  assert.match(error.message, message);
  const told = [inspect(error, { depth: 9 }), ...lines].join('\n');
  for (const secret of [WRITE_TOKEN, READ_TOKEN, 'hf_unknownNeverShown', 'secret-signature']) assert.ok(!told.includes(secret), told);
  return error;
}

describe('what arrives', () => {
  test('every file, in one commit; a new repository as asked; large files to the storage, without the token', async () => {
    const upload = await push({ commitMessage: 'Say "hello"' });
    const names = Object.keys(files).sort();
    assert.deepEqual(upload, { repository: 'org/name', url: `${hub.endpoint}/org/name`, commit: upload.commit, private: true, created: true, files: names, bytes: 300_000 + Object.values(texts).reduce((sum, text) => sum + Buffer.byteLength(text), 0) });
    for (const [name, content] of Object.entries(files)) assert.deepEqual(committed()[name], Buffer.from(content), name);
    assert.deepEqual(hub.commits, [{ repository: 'org/name', summary: 'Say "hello"', small: names.filter((name) => name !== 'model.safetensors'), large: ['model.safetensors'] }]);
    assert.equal(hub.repositories.get('org/name')!.private, true);
    assert.deepEqual(routes(), ['GET /api/models/org/name', 'POST /api/repos/create', 'POST /api/models/org/name/preupload/main', 'POST /org/name.git/info/lfs/objects/batch', 'PUT /upload/OID', 'POST /api/models/org/name/commit/main']);
    for (const { storage, headers } of hub.received) assert.equal(headers.authorization, storage ? undefined : `Bearer ${WRITE_TOKEN}`);
    assert.ok(lines.some((line) => /^made the private repository org\/name$/.test(line)) && lines.some((line) => /^sent 4 files of org\/name at commit [0-9a-f]{12} \(301 kB, 0 s\)$/.test(line)), lines.join('\n'));
    assert.ok(!lines.join('\n').includes(WRITE_TOKEN));
  });

  test('what was pushed comes back byte by byte with our own client', async () => {
    const { commit } = await push({ private: false });
    assert.equal(hub.repositories.get('org/name')!.private, false);
    const snapshot = await fetchFromHub({ repository: 'org/name', revision: 'main' }, { cacheDir: path.join(root, 'fetched') });
    assert.equal(path.basename(snapshot), commit);
    for (const [name, content] of Object.entries(files)) assert.deepEqual(fs.readFileSync(path.join(snapshot, name)), Buffer.from(content), name);
  });

  test('a large file in parts, where the Hub asks for them', async () => {
    hub.partBytes = 70_001;
    await push();
    assert.equal(routes().filter((route) => route.startsWith('PUT ')).length, 5);
    assert.deepEqual(committed()['model.safetensors'], weights);
  });

  test('a large file that the Hub has is not sent again; files of the repository stay', async () => {
    await push();
    hub.received.length = 0;
    const { created } = await push({ private: undefined });
    assert.equal(created, false);
    assert.ok(!routes().some((route) => route.startsWith('PUT ')));
    assert.ok('.gitattributes' in committed() && hub.commits.length === 2);
  });

  test('subfolders and links to files; neither hidden nor half-written ones', async () => {
    const from = path.join(root, 'mixed');
    fs.mkdirSync(path.join(from, 'onnx'), { recursive: true });
    fs.mkdirSync(path.join(from, '.cache'));
    fs.symlinkSync(path.join(folder, 'config.json'), path.join(from, 'config.json'));
    for (const name of ['onnx/a b.json', '.env', '.cache/x', 'model.safetensors.12.partial', 'empty.txt']) fs.writeFileSync(path.join(from, name), name === 'empty.txt' ? '' : 'x');
    assert.deepEqual((await push({}, { from })).files, ['config.json', 'empty.txt', 'onnx/a b.json']);
    assert.deepEqual([committed()['config.json']!.toString(), committed()['onnx/a b.json']!.toString(), committed()['empty.txt']!.length], [texts['config.json'], 'x', 0]);
  });

  test('a token of the call, of any form, in place of that of the environment', async () => {
    process.env['HF_TOKEN'] = 'not-this';
    await push({ token: WRITE_TOKEN });
    await fault(/HTTP 401: the token is not valid/, { token: 'any-form' });
    assert.equal(hub.received.at(-1)!.headers.authorization, 'Bearer any-form');
  });
});

describe('the card', () => {
  test('is added, and replaced where it is ours', async () => {
    assert.ok((await push({}, { card })).files.includes('curve.svg'));
    const next = { ...card, files: { ...card.files, 'README.md': 'Another <!-- mark -->' } };
    await push({}, { card: next });
    assert.equal(committed()['README.md']!.toString(), 'Another <!-- mark -->');
  });

  test("does not replace the folder's README.md", async () => {
    const from = path.join(root, 'with-card');
    fs.mkdirSync(from);
    fs.writeFileSync(path.join(from, 'README.md'), 'own');
    assert.deepEqual((await push({}, { from, card })).files, ['README.md']);
    assert.equal(committed()['README.md']!.toString(), 'own');
  });

  test("does not replace the repository's own", async () => {
    await push({}, { card: { ...card, files: { 'README.md': 'Edited by hand.' } } });
    const { files: sent } = await push({}, { card });
    assert.ok(!sent.includes('README.md') && !sent.includes('curve.svg'));
    assert.equal(committed()['README.md']!.toString(), 'Edited by hand.');
    assert.ok(lines.includes('org/name has a README.md of its own, which is kept'));
  });
});

describe('who may see it', () => {
  test('must be said of a repository that does not exist yet', async () => {
    const { data } = await fault(/does not exist yet, without a word on who may see it; say --private or --public/, { private: undefined });
    assert.deepEqual([data['reason'], hub.repositories.size], ['visibility', 0]);
  });

  test('stays as it is; what is meant to be private is not sent where all can see it', async () => {
    await push({ private: true });
    assert.equal((await push({ private: false })).private, true);
    assert.ok(lines.includes('org/name exists and is private; it stays so'));
    await push({ private: false }, { repository: 'org/open' });
    assert.equal((await push({ private: undefined }, { repository: 'org/open' })).private, false);
    const before = hub.commits.length;
    const { data } = await fault(/a public repository of that name where a private one was asked for/, { private: true }, { repository: 'org/open' });
    assert.deepEqual([data['reason'], hub.commits.length], ['visibility', before]);
  });
});

describe('what the Hub refuses', () => {
  test('no token, or HF_HUB_OFFLINE: nothing is asked', async () => {
    process.env['HF_TOKEN'] = '';
    assert.equal((await fault(/got no token; make one that may write at .*\/settings\/tokens and set HF_TOKEN/)).data['reason'], 'token');
    Object.assign(process.env, { HF_TOKEN: WRITE_TOKEN, HF_HUB_OFFLINE: '1' });
    assert.equal((await fault(/unset HF_HUB_OFFLINE/)).data['reason'], 'offline');
    assert.deepEqual(hub.received, []);
  });

  test('401: a token that is not valid, also when the server echoes it', async () => {
    process.env['HF_TOKEN'] = 'hf_unknownNeverShown';
    await fault(/got HTTP 401: the token is not valid \("Invalid credentials in Authorization header"\)/);
    process.env['HF_TOKEN'] = WRITE_TOKEN;
    hub.spoil = (received, response) => is(received, /create/) && Boolean(response.writeHead(401, { 'content-type': 'application/json' }).end(JSON.stringify({ error: `no account has ${received.headers.authorization}` })));
    const { data } = await fault(/got HTTP 401: the token is not valid \("no account has Bearer \[token\]"\); make one/);
    assert.deepEqual([data['reason'], data['status']], ['token', 401]);
  });

  test('403: a token without write permission, or of another account', async () => {
    process.env['HF_TOKEN'] = READ_TOKEN;
    assert.equal((await fault(/got HTTP 403: the token may not write there \("Forbidden: .*org"\); check that its account may write to org/)).data['reason'], 'permission');
    process.env['HF_TOKEN'] = WRITE_TOKEN;
    assert.equal((await fault(/HTTP 403/, {}, { repository: 'other/name' })).data['status'], 403);
  });

  test('404 at the commit, and what is wrong with it in its own words', async () => {
    hub.spoil = (received, response) => is(received, /preupload/) && Boolean(response.writeHead(404).end());
    assert.equal((await fault(/HTTP 404: there is no such repository, or the token does not see it; check the name/)).data['reason'], 'missing');
    hub.spoil = (received, response) => is(received, /commit\/main/) && Boolean(response.writeHead(400, { 'content-type': 'application/json' }).end('{"error": "Invalid metadata in README.md"}'));
    assert.equal((await fault(/got HTTP 400 \("Invalid metadata in README\.md"\); mend what it names/)).data['reason'], 'refused');
  });

  test('409 when it is made: it exists already, and is used', async () => {
    await push();
    let looked = 0;
    hub.spoil = (received, response) => is(received, /^GET \/api\/models\/org\/name$/) && ++looked === 1 && Boolean(response.writeHead(404, { 'x-error-code': 'RepoNotFound' }).end());
    const { created } = await push();
    assert.deepEqual([created, looked, hub.commits.length], [false, 2, 2]);
    hub.spoil = (received, response) => is(received, /^GET/) && Boolean(response.writeHead(404, { 'x-error-code': 'RepoNotFound' }).end());
    assert.equal((await fault(/got HTTP 409: .* \("You already created this model repo"\); push again/)).data['reason'], 'conflict');
  });

  test('409 and 412 at the commit: another was faster', async () => {
    for (const status of [409, 412]) {
      hub.spoil = (received, response) => is(received, /commit\/main/) && Boolean(response.writeHead(status).end());
      assert.equal((await fault(new RegExp(`HTTP ${status}: something else changes the repository`))).data['reason'], 'conflict');
    }
  });

  test('an answer of the storage is named without its address', async () => {
    hub.spoil = ({ storage, path }, response) => storage && Boolean(response.writeHead(403).end(`<Error>${path}</Error>`));
    assert.equal((await fault(/HTTP 403 from the storage of large files \(127\.0\.0\.1:\d+\); push again/)).data['reason'], 'storage');
  });

  test('one object of a batch', async () => {
    hub.spoil = (received, response) => {
      if (!is(received, /objects\/batch/)) return false;
      const { objects } = JSON.parse(received.body.toString()) as { objects: { oid: string; size: number }[] };
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ objects: objects.map((one) => ({ ...one, error: { code: 403, message: 'Storage is full' } })) }));
      return true;
    };
    await fault(/HTTP 403: .*model\.safetensors: Storage is full/);
  });

  test('a page in place of an answer', async () => {
    await push();
    hub.spoil = (received, response) => is(received, /preupload/) && Boolean(response.end('<html>Please log in</html>'));
    await fault(/an answer that is not JSON; check HF_ENDPOINT/);
    hub.spoil = (received, response) => is(received, /commit\/main/) && Boolean(response.end('{}'));
    await fault(/an answer without a commit/);
  });

  test('a name that is none, and an empty folder', async () => {
    for (const repository of ['name', 'org/name@main', 'a/b/c', 'org/../x']) await fault(/`repository` to be org\/name/, {}, { repository });
    const from = path.join(root, 'nothing');
    fs.mkdirSync(from);
    await fault(/`folder` to hold files/, {}, { from });
    assert.deepEqual(hub.received, []);
  });
});

describe('what may pass', () => {
  test('429 and 5xx at every request: tried again', async () => {
    const seen = new Set<string>();
    hub.spoil = (received, response) => {
      const route = `${received.method} ${received.path}`;
      if (seen.has(route)) return false;
      seen.add(route);
      response.writeHead(seen.size % 2 ? 503 : 429).end();
      return true;
    };
    await push();
    assert.equal(seen.size, 6);
    for (const [name, content] of Object.entries(files)) assert.deepEqual(committed()[name], Buffer.from(content), name);
    assert.ok(lines.some((line) => /^PUT|^127\.0\.0\.1:\d+: the Hub (answers|has had)/.test(line)), lines.join('\n'));
  });

  test('an upload that is cut halfway: sent anew, whole', async () => {
    let cuts = 0;
    hub.cutAfter = () => (++cuts <= 2 ? 100_000 : null);
    await push();
    assert.deepEqual(committed()['model.safetensors'], weights);
    assert.equal(lines.filter((line) => /cannot be reached \(\w+.*\); trying again in/.test(line)).length, 2);
  });

  test('one that is cut each time is given up', async () => {
    hub.cutAfter = () => 100_000;
    assert.equal((await fault(/got after 3 tries: .* cannot be reached .*; try again later, .*large files that have arrived are not sent again/)).data['reason'], 'unreachable');
    assert.deepEqual(hub.commits, []);
  });

  test('a Hub that is not there, and one that answers 500 for ever', async () => {
    hub.spoil = (received, response) => is(received, /create/) && Boolean(response.writeHead(500).end());
    assert.equal((await fault(/got after 3 tries: POST \/api\/repos\/create: the Hub answers 500; try again later/)).data['reason'], 'unreachable');
    hub.close();
    await fault(/cannot be reached \(ECONNREFUSED\)/);
  });

  test('a signal ends it at once, wherever it is', async () => {
    for (const route of [/^GET/, /create/, /preupload/, /^PUT/, /commit\/main/]) {
      const stop = new AbortController();
      hub.spoil = (received) => {
        if (is(received, route)) stop.abort(new Error('enough'));
        return is(received, route);
      };
      await assert.rejects(push({ signal: stop.signal }), { message: 'enough' }, String(route));
    }
    assert.deepEqual(hub.commits, []);
  });
});
