import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, beforeEach, describe, test } from 'node:test';
import { inspect } from 'node:util';
import { blobName, refuse, startHub } from '../../test/hub-server.ts';
import type { HubServer } from '../../test/hub-server.ts';
import { FileFormatError, InputError, NotFoundError, ResourceError } from '../errors.ts';
import { placeInSnapshot } from './hub-cache.ts';
import { hubReference } from './hub-files.ts';
import { fetchFromHub } from './hub.ts';
import type { ModelFetchOptions } from './hub.ts';
import { resolveModel } from './reference.ts';

const TOKEN = 'hf_neverShownAnywhere';
const folder = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), 'tsrl-hub-')));
const before = { ...process.env };
let hub: HubServer = await startHub();
let cacheDir: string;
let lines: string[];
after(() => {
  hub.close();
  process.env = before;
  fs.rmSync(folder, { recursive: true });
});

/** 100 kB that are no two bytes alike for long. */
const weights = Buffer.from(Uint8Array.from({ length: 100_000 }, (_, i) => (i * i * 31 + (i >> 8)) & 255));
const texts = { 'config.json': '{"model_type": "llama"}', 'tokenizer.json': '{"version": "1.0"}', 'tokenizer_config.json': '{}' };
const model = { ...texts, 'generation_config.json': '{"eos_token_id": 2}', 'model.safetensors': weights };

beforeEach(async () => {
  hub.close();
  hub = await startHub();
  for (const name of Object.keys(process.env)) if (/^(HF_|HUGGING|TRANSFORMERS_)/.test(name)) delete process.env[name];
  process.env['HF_ENDPOINT'] = hub.endpoint;
  cacheDir = fs.mkdtempSync(path.join(folder, 'cache-'));
  process.env['HF_HOME'] = path.join(cacheDir, 'home');
  lines = [];
});

function fetchModel(text = 'org/name', more: ModelFetchOptions = {}): Promise<string> {
  return fetchFromHub(hubReference(text)!, { cacheDir, pauseMs: 1, idleMs: 5000, onMessage: (line) => lines.push(line), ...more });
}

const inCache = (...parts: string[]): string => path.join(cacheDir, 'models--org--name', ...parts);
const blobs = (): string[] => fs.readdirSync(inCache('blobs')).sort();
const gets = (): string[] => hub.asked.filter(({ method, storage }) => method === 'GET' && !storage).map(({ path }) => path.split('/').at(-1)!).sort();

/** The error that a fetch ends with; its sentence must say what to do. */
async function fault(kind: new (...args: never[]) => Error, message: RegExp, text?: string, more?: ModelFetchOptions): Promise<NotFoundError> {
  const error: unknown = await fetchModel(text, more).then(() => assert.fail('it was fetched'), (error: unknown) => error);
  assert.ok(error instanceof kind, String(error));
  assert.match(error.message, /^Expected .*, got .*; .*\.$/);
  assert.match(error.message, message);
  return error as NotFoundError;
}

describe('what is fetched, and where it is kept', () => {
  test('the files of a model and no others, in the layout of huggingface_hub', async () => {
    const commit = hub.commit('org/name', { ...model, 'README.md': 'no', 'pytorch_model.bin': 'no', 'vocab.json': '{}', 'model.fp16.safetensors': 'no' });
    const snapshot = await fetchModel();
    assert.equal(snapshot, inCache('snapshots', commit));
    assert.deepEqual(fs.readdirSync(snapshot).sort(), Object.keys(model).sort());
    for (const [name, content] of Object.entries(model)) {
      assert.equal(fs.readlinkSync(path.join(snapshot, name)), path.join('..', '..', 'blobs', blobName(name, Buffer.from(content))));
      assert.deepEqual(fs.readFileSync(path.join(snapshot, name)), Buffer.from(content));
    }
    assert.deepEqual(blobs(), Object.entries(model).map(([name, content]) => blobName(name, Buffer.from(content))).sort());
    assert.equal(fs.readFileSync(inCache('refs', 'main'), 'utf8'), commit);
    assert.deepEqual(fs.readdirSync(inCache('.no_exist', commit)).sort(), ['chat_template.jinja', 'special_tokens_map.json']);
  });

  test('of several weight files, those that the index names', async () => {
    const index = JSON.stringify({ weight_map: { a: 'model-00001-of-00002.safetensors', b: 'model-00002-of-00002.safetensors', c: 'model-00001-of-00002.safetensors' } });
    hub.commit('org/name', { ...texts, 'model.safetensors.index.json': index, 'model-00001-of-00002.safetensors': 'one', 'model-00002-of-00002.safetensors': 'two', 'consolidated.safetensors': 'no' });
    const snapshot = await fetchModel();
    assert.deepEqual(fs.readdirSync(snapshot).sort(), [...Object.keys(texts), 'model-00001-of-00002.safetensors', 'model-00002-of-00002.safetensors', 'model.safetensors.index.json'].sort());
  });

  test('without weights where config and tokenizer are enough; they are fetched when they are wanted', async () => {
    const small = Object.keys(model).filter((name) => name !== 'model.safetensors').sort();
    const snapshot = await fetchModelOf(model, { weights: false });
    assert.deepEqual(fs.readdirSync(snapshot).sort(), small);
    hub.asked.length = 0;
    assert.equal(await fetchModel('org/name', { weights: false }), snapshot);
    assert.deepEqual(gets(), ['main']);
    process.env['HF_HUB_OFFLINE'] = '1';
    assert.equal(await fetchModel('org/name', { weights: false }), snapshot);
    await fault(NotFoundError, /without model\.safetensors/);
    delete process.env['HF_HUB_OFFLINE'];
    assert.equal(await fetchModel(), snapshot);
    assert.deepEqual(fs.readFileSync(path.join(snapshot, 'model.safetensors')), weights);
    assert.deepEqual(gets(), ['main', 'main', 'model.safetensors']);
    hub.commit('org/bin', { ...texts, 'pytorch_model.bin': '' });
    assert.deepEqual(fs.readdirSync(await fetchModel('org/bin', { weights: false })).sort(), Object.keys(texts).sort());
  });

  test('an index cannot name a file outside its folder', async () => {
    hub.commit('org/name', { ...texts, 'model.safetensors.index.json': '{"weight_map": {"a": "../../../x.safetensors"}}' });
    await fault(FileFormatError, /a plain file name/);
  });

  test('what is there is not fetched again: one question for a branch, none for a commit', async () => {
    const commit = hub.commit('org/name', model);
    const snapshot = await fetchModel();
    hub.asked.length = 0;
    assert.equal(await fetchModel(), snapshot);
    assert.deepEqual(hub.asked.map(({ path }) => path), ['/api/models/org/name/revision/main']);
    assert.equal(await fetchModel(`org/name@${commit}`), snapshot);
    assert.equal(hub.asked.length, 1);
  });

  test('a new commit brings only the files that changed, and the old one stays', async () => {
    const old = await fetchModelOf(model);
    hub.asked.length = 0;
    const next = await fetchModelOf({ ...model, 'config.json': '{"model_type": "llama", "x": 1}' });
    assert.notEqual(next, old);
    assert.deepEqual(gets(), ['config.json', 'main']);
    assert.equal(fs.readFileSync(path.join(old, 'config.json'), 'utf8'), texts['config.json']);
    assert.equal(fs.readFileSync(inCache('refs', 'main'), 'utf8'), path.basename(next));
  });

  test('branches with slashes, tags and commits', async () => {
    hub.commit('org/name', model);
    const other = hub.commit('org/name', { ...model, 'config.json': '{}' }, 'refs/pr/1');
    assert.equal(await fetchModel('org/name@refs/pr/1'), inCache('snapshots', other));
    assert.equal(fs.readFileSync(inCache('refs', 'refs', 'pr', '1'), 'utf8'), other);
    assert.equal(await fetchModel(`org/name@${other}`), inCache('snapshots', other));
    assert.ok(!fs.existsSync(inCache('refs', other)));
  });

  test('four files at a time', async () => {
    const shards = Array.from({ length: 9 }, (_, i) => `model-0000${i}.safetensors`);
    hub.commit('org/name', { ...texts, 'model.safetensors.index.json': JSON.stringify({ weight_map: Object.fromEntries(shards.map((name) => [name, name])) }), ...Object.fromEntries(shards.map((name) => [name, name])) });
    let [open, most] = [0, 0];
    hub.misbehave = ({ storage }, response, body) => {
      if (!storage) return false;
      most = Math.max(most, ++open);
      setTimeout(() => {
        open--;
        response.end(body);
      }, 20);
      return true;
    };
    await fetchModel();
    assert.equal(most, 4);
  });

  test('three at once share the folder without harm', async () => {
    hub.commit('org/name', model);
    const found = await Promise.all([fetchModel(), fetchModel(), fetchModel()]);
    for (const snapshot of found) assert.deepEqual(fs.readFileSync(path.join(snapshot, 'model.safetensors')), weights);
    assert.equal(blobs().length, Object.keys(model).length);
  });

  test('where links cannot be made, files are copied', () => {
    const [blob, at] = [path.join(cacheDir, 'blob'), path.join(cacheDir, 'snapshots', 'c', 'file')];
    fs.writeFileSync(blob, 'content');
    placeInSnapshot(blob, at, () => {
      throw Object.assign(new Error('EPERM'), { code: 'EPERM' });
    });
    assert.ok(!fs.lstatSync(at).isSymbolicLink());
    assert.equal(fs.readFileSync(at, 'utf8'), 'content');
    assert.deepEqual(fs.readdirSync(path.dirname(at)), ['file']);
  });

  test('says what it fetches', async () => {
    const snapshot = await fetchModelOf(model);
    assert.deepEqual(lines.map((line) => line.replace(/\d+ s\)/, 'N s)')), [
      'fetching org/name: 4 files, 1 kB',
      `fetched 4 files of org/name at commit ${path.basename(snapshot).slice(0, 12)} (1 kB, N s)`,
      'fetching org/name: 1 file, 100 kB',
      `fetched 1 file of org/name at commit ${path.basename(snapshot).slice(0, 12)} (100 kB, N s)`,
    ]);
  });
});

function fetchModelOf(files: Readonly<Record<string, string | Uint8Array>>, more: ModelFetchOptions = {}): Promise<string> {
  hub.commit('org/name', files);
  return fetchModel('org/name', more);
}

/** Writes a cache folder as Python's huggingface_hub leaves it. */
function pythonCache(commit: string, files: Readonly<Record<string, string | Uint8Array>>): string {
  const snapshot = inCache('snapshots', commit);
  for (const at of [inCache('refs'), inCache('blobs'), snapshot, path.join(cacheDir, '.locks', 'models--org--name')]) fs.mkdirSync(at, { recursive: true });
  fs.writeFileSync(inCache('refs', 'main'), commit);
  for (const [name, content] of Object.entries(files)) {
    const blob = blobName(name, Buffer.from(content));
    fs.writeFileSync(inCache('blobs', blob), content);
    fs.writeFileSync(path.join(cacheDir, '.locks', 'models--org--name', `${blob}.lock`), '');
    fs.symlinkSync(`../../blobs/${blob}`, path.join(snapshot, name));
  }
  return snapshot;
}

describe('a cache that Python wrote', () => {
  test('is used as it is', async () => {
    const commit = hub.commit('org/name', { ...model, 'README.md': '' });
    const snapshot = pythonCache(commit, model);
    assert.equal(await fetchModel(), snapshot);
    assert.deepEqual(hub.asked.map(({ path }) => path), ['/api/models/org/name/revision/main']);
    process.env['HF_HUB_OFFLINE'] = '1';
    assert.equal(await fetchModel(), snapshot);
  });

  test('is completed: blobs of other commits are linked, what is missing comes', async () => {
    pythonCache('a'.repeat(40), { 'model.safetensors': weights, 'tokenizer.json': 'old' });
    const snapshot = await fetchModelOf(model);
    assert.deepEqual(gets(), ['config.json', 'generation_config.json', 'main', 'tokenizer.json', 'tokenizer_config.json']);
    assert.deepEqual(hub.asked.filter(({ storage }) => storage), []);
    assert.deepEqual(fs.readFileSync(path.join(snapshot, 'model.safetensors')), weights);
  });

  test('a link to a blob that is gone is made good', async () => {
    const snapshot = pythonCache(hub.commit('org/name', model), model);
    fs.rmSync(inCache('blobs', blobName('model.safetensors', weights)));
    await fetchModel();
    assert.deepEqual(fs.readFileSync(path.join(snapshot, 'model.safetensors')), weights);
  });
});

/** Sends the head of a whole answer and the first `bytes` of its body, then cuts the line. */
function cut(response: Parameters<NonNullable<HubServer['misbehave']>>[1], body: Buffer, bytes: number, status = 200, headers = {}): true {
  response.writeHead(status, { 'content-length': body.length, ...headers });
  response.write(body.subarray(0, bytes), () => setTimeout(() => response.destroy(), 5));
  return true;
}

const ranges = (): (string | undefined)[] => hub.asked.filter(({ storage }) => storage).map(({ range }) => range);
const arrived = (snapshot: string): void => assert.deepEqual(fs.readFileSync(path.join(snapshot, 'model.safetensors')), weights);
/** Only blobs, nothing partial. */
const nothingPartial = (): void => assert.deepEqual(blobs().filter((name) => name.includes('.')), []);

describe('resuming', () => {
  test('a download that is cut twice goes on where it was', async () => {
    let times = 0;
    hub.misbehave = ({ storage }, response, body) => {
      if (!storage || ++times > 2) return false;
      if (times === 1) return cut(response, body, 30_000);
      return cut(response, body.subarray(30_000), 20_000, 206, { 'content-range': 'bytes 30000-99999/100000' });
    };
    arrived(await fetchModelOf(model));
    assert.deepEqual(ranges(), [undefined, 'bytes=30000-', 'bytes=50000-']);
    assert.match(lines.join('\n'), /model\.safetensors: cut after 30000 of 100000 bytes .*; trying again in 0\.001 s/);
    nothingPartial();
  });

  test('progress resets the patience: ten cuts with six tries', async () => {
    let times = 0;
    hub.misbehave = ({ storage, range }, response, body) => {
      if (!storage || ++times > 10) return false;
      const start = Number(/\d+/.exec(range ?? '0')![0]);
      return cut(response, body.subarray(start), 1000, start > 0 ? 206 : 200, start > 0 ? { 'content-range': `bytes ${start}-99999/100000` } : {});
    };
    arrived(await fetchModelOf(model));
    assert.equal(times, 11);
  });

  test('a small file asks for the rest only if it is still the same', async () => {
    const long = { ...model, 'tokenizer.json': `"${'x'.repeat(50_000)}"` };
    let conditions: unknown[] = [];
    hub.misbehave = ({ method, path }, response, body) => {
      if (method !== 'GET' || !path.endsWith('/tokenizer.json')) return false;
      conditions.push(response.req.headers['if-range']);
      return conditions.length === 1 && cut(response, body, 20_000);
    };
    const snapshot = await fetchModelOf(long);
    assert.deepEqual(conditions, [undefined, `"${blobName('tokenizer.json', Buffer.from(long['tokenizer.json']))}"`]);
    assert.equal(fs.readFileSync(path.join(snapshot, 'tokenizer.json'), 'utf8'), long['tokenizer.json']);
  });

  test('what a dead process has left is taken over, what a living one writes is not touched', async () => {
    fs.mkdirSync(inCache('blobs'), { recursive: true });
    const dead = spawnSync(process.execPath, ['-e', '']).pid;
    const blob = inCache('blobs', blobName('model.safetensors', weights));
    const host = os.hostname().replaceAll(/[^\w-]/g, '-');
    const living = `${blob}.${host}.${process.ppid}.00000001.incomplete`;
    fs.writeFileSync(`${blob}.${host}.${dead}.00000002.incomplete`, weights.subarray(0, 70_000));
    fs.writeFileSync(living, weights.subarray(0, 90_000));
    fs.writeFileSync(`${blob}.0123abcd.incomplete`, 'of Python');
    arrived(await fetchModelOf(model));
    assert.deepEqual(ranges(), ['bytes=70000-']);
    assert.deepEqual(blobs().filter((name) => name.includes('.')), [path.basename(living), path.basename(`${blob}.0123abcd.incomplete`)].sort());
    assert.equal(fs.statSync(living).size, 90_000);
  });

  test('a fetch that failed is gone on with by the next', async () => {
    hub.misbehave = ({ storage }, response, body) => storage && cut(response, body, 40_000);
    hub.commit('org/name', model);
    await fault(NotFoundError, /after 1 try: model\.safetensors: cut after 40000 of 100000 bytes.*what has come is kept/, 'org/name', { attempts: 1 });
    hub.misbehave = null;
    hub.asked.length = 0;
    arrived(await fetchModel());
    assert.deepEqual(ranges(), ['bytes=40000-']);
    nothingPartial();
  });

  for (const [name, status, headers] of [
    ['the whole file', 200, {}],
    ['another part', 206, { 'content-range': 'bytes 10-99999/100000' }],
    ['no range at all', 206, {}],
    ['416', 416, {}],
  ] as const) {
    test(`a server that answers the rest with ${name} costs a fresh start, not a broken file`, async () => {
      let times = 0;
      hub.misbehave = ({ storage }, response, body) => {
        if (!storage || ++times > 2) return false;
        if (times === 1) return cut(response, body, 30_000);
        response.writeHead(status, headers).end(status === 416 ? undefined : body);
        return true;
      };
      arrived(await fetchModelOf(model));
      nothingPartial();
    });
  }

  test('a line that falls silent is cut and resumed', async () => {
    let times = 0;
    hub.misbehave = ({ storage }, response, body) => {
      if (!storage || ++times > 1) return false;
      response.writeHead(200, { 'content-length': body.length }).write(body.subarray(0, 25_000));
      return true;
    };
    hub.commit('org/name', model);
    arrived(await fetchModel('org/name', { idleMs: 150 }));
    assert.equal(ranges()[1], 'bytes=25000-');
    assert.match(lines.join('\n'), /no byte in 0\.15 s/);
  });
});

describe('damage', () => {
  test('a wrong hash is fetched again from the start; if it stays so, it is refused and nothing is kept', async () => {
    const flipped = Buffer.from(weights);
    flipped[77_777]! ^= 1;
    let times = 0;
    hub.misbehave = ({ storage }, response) => storage && ++times <= 1 && Boolean(response.end(flipped));
    arrived(await fetchModelOf(model));
    assert.match(lines.join('\n'), /expected sha256 .* fetching it from the start/);

    hub.misbehave = ({ storage }, response) => storage && Boolean(response.end(flipped));
    hub.commit('org/other', model);
    const error = await fault(FileFormatError, /model\.safetensors of org\/other` to have sha256 [0-9a-f]{64}, got [0-9a-f]{64}/, 'org/other');
    assert.equal(error.data['reason'], 'damaged');
    assert.ok(!fs.readdirSync(path.join(cacheDir, 'models--org--other', 'blobs')).some((name) => name.startsWith(blobName('model.safetensors', weights))));
    assert.ok(!fs.existsSync(path.join(cacheDir, 'models--org--other', 'refs')));
  });

  test('a small file is held against its git hash', async () => {
    hub.commit('org/name', model);
    hub.misbehave = ({ method, path }, response) => method === 'GET' && path.endsWith('/config.json') && Boolean(response.end('{"model_type": "LLAMA"}'));
    await fault(FileFormatError, /config\.json of org\/name` to have the git hash/);
  });

  test('too many bytes are refused, without taking them all', async () => {
    hub.commit('org/name', model);
    hub.misbehave = ({ storage }, response, body) => {
      if (!storage) return false;
      response.write(body);
      const more = setInterval(() => response.write(body), 1);
      response.on('close', () => clearInterval(more));
      return true;
    };
    await fault(FileFormatError, /to have 100000 bytes, got more/);
    nothingPartial();
  });

  test('too few bytes are asked for again, and given up with both numbers', async () => {
    hub.commit('org/name', model);
    hub.misbehave = ({ storage, range }, response, body) => storage && (range ? Boolean(response.writeHead(416).end()) : Boolean(response.end(body.subarray(0, 500))));
    await fault(NotFoundError, /after 3 tries: model\.safetensors: .*(500|less than what came before)/, 'org/name', { attempts: 3 });
  });

  test('a partial file with wrong bytes does not spoil the download', async () => {
    fs.mkdirSync(inCache('blobs'), { recursive: true });
    const dead = spawnSync(process.execPath, ['-e', '']).pid;
    fs.writeFileSync(`${inCache('blobs', blobName('model.safetensors', weights))}.${os.hostname().replaceAll(/[^\w-]/g, '-')}.${dead}.00000002.incomplete`, Buffer.alloc(70_000));
    arrived(await fetchModelOf(model));
  });
});

describe('a server in trouble', () => {
  test('429 waits as long as Retry-After says, as seconds, date or RateLimit', async () => {
    const waits = [{ 'retry-after': '1' }, { 'retry-after': new Date(Date.now() - 5000).toUTCString() }, { ratelimit: '"api";r=0;t=0' }];
    let times = 0;
    hub.misbehave = (_, response) => times < waits.length && Boolean(response.writeHead(429, waits[times++]).end());
    await fetchModelOf(model);
    assert.deepEqual(lines.slice(0, 3).map((line) => /in ([\d.]+) s$/.exec(line)?.[1]), ['1', '0', '0']);
  });

  test('a wait beyond patience is said, not waited', async () => {
    hub.commit('org/name', model);
    hub.misbehave = (_, response) => Boolean(response.writeHead(429, { 'retry-after': '3600' }).end());
    const error = await fault(NotFoundError, /too many requests \(429\), and asks to wait 3600 s; try again then/);
    assert.equal(error.data['reason'], 'unreachable');
    assert.equal(hub.asked.length, 1);
  });

  test('errors of the server pass, for every kind of request', async () => {
    const seen = new Map<string, number>();
    hub.misbehave = ({ method, path }, response) => {
      const key = `${method} ${path}`;
      seen.set(key, (seen.get(key) ?? 0) + 1);
      return seen.get(key) === 1 && Boolean(response.writeHead(503).end());
    };
    arrived(await fetchModelOf(model));
  });

  test('when they do not pass, it says how often it tried', async () => {
    hub.commit('org/name', model);
    hub.misbehave = (_, response) => Boolean(response.writeHead(500).end());
    const error = await fault(NotFoundError, /after 4 tries: org\/name: the Hub answers 500; try again later, check the network/, 'org/name', { attempts: 4 });
    assert.deepEqual([error.data['reason'], hub.asked.length], ['unreachable', 4]);
  });

  test('a model that was fetched before serves while the Hub cannot be asked, and it says so', async () => {
    const snapshot = await fetchModelOf(model);
    hub.misbehave = (_, response) => Boolean(response.writeHead(502).end());
    hub.asked.length = 0;
    assert.equal(await fetchModel(), snapshot);
    assert.equal(hub.asked.length, 2);
    assert.match(lines.at(-1)!, /the Hub answers 502.* Using what was fetched before, commit [0-9a-f]{12}\.$/);
    hub.close();
    assert.equal(await fetchModel(), snapshot);
    assert.match(lines.at(-1)!, /127\.0\.0\.1:\d+ cannot be reached \(ECONNREFUSED\).*Using what was fetched before/);
    hub = await startHub();
  });

  test('one file that fails stops the others', async () => {
    hub.commit('org/name', model);
    hub.misbehave = ({ method, path }, response) => {
      if (method !== 'GET' || path.includes('/api/')) return false;
      if (path.endsWith('/tokenizer.json')) refuse(response, 403, 'Forbidden', 'no');
      return true; // the others never answer
    };
    await fault(NotFoundError, /\(tokenizer\.json\), got HTTP 403 \("no"\) for a request with no token; use a token/);
  });

  test('the address of a stored file that has run out is asked for anew', async () => {
    let times = 0;
    hub.misbehave = ({ storage }, response) => storage && ++times === 1 && Boolean(response.writeHead(403).end());
    arrived(await fetchModelOf(model));
    assert.ok(!lines.join('\n').includes('secret-signature'));
  });

  for (const [name, answer, message] of [
    ['text', 'Please log in', /not JSON; check HF_ENDPOINT/],
    ['other JSON', '{"ok": true}', /without them; check HF_ENDPOINT/],
    ['a commit that is a path', '{"sha": "../../../../etc", "siblings": []}', /without them; check HF_ENDPOINT/],
  ] as const) {
    test(`something that is no Hub: ${name}`, async () => {
      hub.misbehave = (_, response) => Boolean(response.end(answer));
      await fault(NotFoundError, message);
    });
  }

  for (const [name, headers, message] of [
    ['no commit', { etag: '"abc"' }, /without X-Repo-Commit/],
    ['another commit', { etag: '"abc"', 'x-repo-commit': 'b'.repeat(40) }, /commit bbbb/],
    ['no tag', {}, /without ETag/],
    ['a tag that is a path', { etag: '"../../x"' }, /no file name/],
  ] as const) {
    test(`a file described with ${name}`, async () => {
      const commit = hub.commit('org/name', model);
      hub.misbehave = ({ method }, response) => method === 'HEAD' && Boolean(response.writeHead(200, { 'x-repo-commit': commit, ...headers, ...(name === 'no commit' ? { 'x-repo-commit': [] } : {}) }).end());
      await fault(NotFoundError, message);
    });
  }

  test('redirects without end, and to something that is no web address', async () => {
    hub.commit('org/name', model);
    hub.misbehave = ({ path }, response) => Boolean(response.writeHead(307, { location: path }).end());
    await fault(NotFoundError, /ten redirects/);
    hub.misbehave = (_, response) => Boolean(response.writeHead(302, { location: 'file:///etc/passwd' }).end());
    await fault(NotFoundError, /redirect to no web address/);
  });

  test('a repository that was renamed is followed', async () => {
    hub.commit('new/name', model);
    hub.misbehave = ({ path }, response) => path.includes('org/name') && Boolean(response.writeHead(307, { location: path.replace('org/name', 'new/name') }).end());
    arrived(await fetchModel());
  });
});

describe('what cannot be had is explained', () => {
  test('missing or private', async () => {
    const error = await fault(NotFoundError, /give org\/name, got HTTP 401 for a request with no token: the repository does not exist or is private; correct the name; if .* set HF_TOKEN/);
    assert.deepEqual(error.data, { repository: 'org/name', revision: 'main', reason: 'missing', status: 401, code: 'RepoNotFound' });
    process.env['HF_TOKEN'] = TOKEN;
    await fault(NotFoundError, /HTTP 404 for a request with a token: .*correct the name, or use a token that may read the repository/);
  });

  test('no such revision, even when another is cached', async () => {
    await fetchModelOf(model);
    assert.equal((await fault(NotFoundError, /there is no branch, tag or commit v9; look at http.*\/org\/name\/tree\/main/, 'org/name@v9')).data['reason'], 'revision');
  });

  test('a shard that the index names and the repository lacks', async () => {
    hub.commit('org/name', { ...texts, 'model.safetensors.index.json': '{"weight_map": {"a": "gone.safetensors"}}' });
    assert.equal((await fault(NotFoundError, /with gone\.safetensors, got HTTP 404: there is no such file/)).data['reason'], 'file');
  });

  test('gated, without a token and with one', async () => {
    hub.commit('org/name', model);
    hub.misbehave = ({ path, authorization }, response) => {
      if (!path.includes('/resolve/')) return false;
      refuse(response, authorization ? 403 : 401, 'GatedRepo', 'Access is restricted');
      return true;
    };
    const error = await fault(NotFoundError, /gated; accept its terms at http.*\/org\/name, then set HF_TOKEN to a token of that account/);
    assert.equal(error.data['reason'], 'gated');
    process.env['HF_TOKEN'] = TOKEN;
    await fault(NotFoundError, /gated; accept its terms at .* with the account that the token belongs to/);
  });

  test('a token that is not valid', async () => {
    process.env['HF_TOKEN'] = TOKEN;
    hub.misbehave = (_, response) => {
      refuse(response, 401, '', 'Invalid credentials in Authorization header');
      return true;
    };
    await fault(NotFoundError, /the token is not valid.*make a new one at .*\/settings\/tokens/);
  });

  for (const [name, files, message] of [
    ['only .bin', { ...texts, 'pytorch_model.bin': '' }, /only weights in \.bin files.*; convert them \(python3 -c "import transformers as t; .*architectures\[0\].*from_pretrained\('org\/name'\)\.save_pretrained\('\.\/name'\).*"\) and name the folder: \.\/name\.$/],
    ['only GGUF', { 'README.md': '', 'name-Q4.gguf': '', 'name-Q8.gguf': '' }, /only GGUF files: name-Q4\.gguf, name-Q8\.gguf; fetch the one you want \(curl -L -O http:\S+\/org\/name\/resolve\/main\/name-Q4\.gguf\) and name the file: \.\/name-Q4\.gguf/],
    ['GGUF with a name for the shell', { '$(rm x).gguf': '' }, /resolve\/main\/FILE\.gguf\)/],
    ['an adapter in .bin', { 'adapter_config.json': '{}', 'adapter_model.bin': '' }, /to hold adapter_model\.safetensors, got .*save the adapter with a current peft/],
    ['no tokenizer.json', { 'config.json': '{}', 'model.safetensors': '', 'tokenizer_config.json': '{}' }, /to hold tokenizer\.json, got none; write them with Python's transformers/],
    ['nothing of a model', { 'README.md': '' }, /got README\.md; name a repository/],
    ['nothing', {}, /got nothing;/],
  ] as const) {
    test(`a repository with ${name}`, async () => {
      hub.commit('org/name', files);
      await fault(NotFoundError, message);
      assert.equal(hub.asked.length, 1);
    });
  }

  test('offline: from the cache, or what is missing', async () => {
    const snapshot = await fetchModelOf(model);
    process.env['HF_HUB_OFFLINE'] = 'true';
    hub.asked.length = 0;
    assert.equal(await fetchModel(), snapshot);
    await fault(NotFoundError, /hold org\/name@v2, because HF_HUB_OFFLINE forbids to ask the Hub, got no such revision; unset HF_HUB_OFFLINE/, 'org/name@v2');
    fs.rmSync(path.join(snapshot, 'model.safetensors'));
    await fault(NotFoundError, /got it without model\.safetensors/);
    assert.deepEqual(hub.asked, []);
  });

  test('a cache that cannot be written', async () => {
    hub.commit('org/name', model);
    fs.writeFileSync(path.join(cacheDir, 'file'), '');
    await fault(ResourceError, /set HF_HOME \(or HF_HUB_CACHE\)/, 'org/name', { cacheDir: path.join(cacheDir, 'file') });
  });
});

describe('the token', () => {
  test('goes to the Hub and to no other server', async () => {
    process.env['HF_TOKEN'] = ` ${TOKEN}\n`;
    await fetchModelOf(model);
    for (const { storage, authorization } of hub.asked) assert.equal(authorization, storage ? undefined : `Bearer ${TOKEN}`);
    assert.ok(hub.asked.some(({ storage }) => storage));
  });

  test('may come from the file that `hf auth login` writes', async () => {
    fs.mkdirSync(process.env['HF_HOME']!);
    fs.writeFileSync(path.join(process.env['HF_HOME']!, 'token'), `${TOKEN}\n`);
    await fetchModelOf(model);
    assert.equal(hub.asked[0]!.authorization, `Bearer ${TOKEN}`);
  });

  test('is in no message, no error and no file, even when the server says it', async () => {
    process.env['HF_TOKEN'] = TOKEN;
    await fetchModelOf(model);
    const seen: unknown[] = [lines];
    const answers: NonNullable<HubServer['misbehave']>[] = [
      (_, response) => Boolean(response.writeHead(403, { 'x-error-message': `the token ${TOKEN} may not` }).end()),
      (_, response) => Boolean(response.writeHead(401, { 'x-error-message': `Invalid credentials ${TOKEN}` }).end()),
      (_, response) => Boolean(response.writeHead(302, { location: `http://127.0.0.1:1/${TOKEN}` }).end()),
      (_, response) => Boolean(response.writeHead(302, { location: `http://user:${TOKEN}@127.0.0.1:1/` }).end()),
      (_, response) => Boolean(response.writeHead(500, { 'x-error-message': TOKEN }).end(TOKEN)),
      (_, response) => Boolean(response.end(TOKEN)),
      (asked, response) => asked.method === 'HEAD' && Boolean(response.writeHead(200, { 'x-repo-commit': TOKEN, etag: TOKEN }).end()),
    ];
    hub.commit('org/other', model);
    for (const answer of answers) {
      hub.misbehave = answer;
      seen.push(await fault(NotFoundError, /the Hub/, 'org/other', { attempts: 2 }));
    }
    process.env['HF_TOKEN'] = `${TOKEN}\u00e9`;
    seen.push(await fault(InputError, /set HF_TOKEN anew/));
    assert.ok(!inspect(seen, { depth: 10, showHidden: true, maxStringLength: null }).includes(TOKEN));
    const files = fs.readdirSync(cacheDir, { recursive: true, encoding: 'utf8' });
    assert.ok(files.length > 10);
    for (const name of files) {
      assert.ok(!name.includes(TOKEN));
      if (fs.statSync(path.join(cacheDir, name)).isFile()) assert.ok(!fs.readFileSync(path.join(cacheDir, name)).includes(TOKEN), name);
    }
  });
});

test('references', () => {
  assert.deepEqual(hubReference('HuggingFaceTB/SmolLM2-135M'), { repository: 'HuggingFaceTB/SmolLM2-135M', revision: 'main' });
  assert.deepEqual(hubReference('a/b.c@refs/pr/3'), { repository: 'a/b.c', revision: 'refs/pr/3' });
  for (const text of ['a', 'a/b/c', 'a/..', '../b', './a', 'a/b@', 'a/b@../../x', 'a/b@/x', 'a/b@x/', 'a/b@x//y', 'a--b/c', 'a/b.git', 'a/-b', 'a/b-', 'a/b@-x', 'a/b c', 'a/b?x', 'a@x/b']) assert.equal(hubReference(text), null, text);
});

test('resolveModel gives the folder; a failure mentions a folder of the same name here', async () => {
  const commit = hub.commit('org/name', model);
  process.env['HF_HUB_CACHE'] = path.join(cacheDir, 'hub');
  assert.deepEqual(await resolveModel('org/name@main'), { reference: 'org/name@main', kind: 'folder', path: path.join(cacheDir, 'hub', 'models--org--name', 'snapshots', commit) });
  fs.mkdirSync(path.join(cacheDir, 'org', 'local'), { recursive: true });
  await assert.rejects(resolveModel('org/local', { baseDir: cacheDir }), /does not exist or is private.* There is a folder of that name here: write \.\/org\/local to use it\.$/);
});
