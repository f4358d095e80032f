import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, beforeEach, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { all } from '../../test/bytes-source.ts';
import { blobName, refuse, startHub } from '../../test/hub-server.ts';
import type { HubServer } from '../../test/hub-server.ts';
import { NotFoundError } from '../errors.ts';
import { hubFiles } from './hub-dataset.ts';
import { rowsOf as rowsOfFiles } from './formats.ts';
import type { Row } from './row.ts';
import { loadDataset } from './source.ts';
import type { DatasetSpec } from './source.ts';

const fixture = (name: string): Buffer => fs.readFileSync(fileURLToPath(new URL(`../../test/fixtures/parquet/${name}`, import.meta.url)));
const common = JSON.parse(fixture('questions.json').toString()) as Row[];
const folder = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), 'tsrl-hub-data-')));
const before = { ...process.env };
let hub: HubServer = await startHub();
let cacheDir: string;
after(() => {
  hub.close();
  process.env = before;
  fs.rmSync(folder, { recursive: true });
});

const card = `---
configs:
- config_name: main
  data_files:
  - split: train
    path: main/train-*
  - split: test
    path: main/test-*
- config_name: socratic
  data_files:
  - split: train
    path: socratic/train-*
---
`;
const files = {
  'README.md': card,
  'main/train-00000-of-00002.parquet': fixture('snappy.parquet'),
  'main/train-00001-of-00002.parquet': fixture('zstd.parquet'),
  'main/test-00000-of-00001.parquet': fixture('plain.parquet'),
  'socratic/train-00000-of-00001.parquet': fixture('gzip.parquet'),
};

beforeEach(async () => {
  hub.close();
  hub = await startHub();
  for (const name of Object.keys(process.env)) if (/^(HF_|HUGGING|TRANSFORMERS_)/.test(name)) delete process.env[name];
  process.env['HF_ENDPOINT'] = hub.endpoint;
  cacheDir = fs.mkdtempSync(path.join(folder, 'cache-'));
  process.env['HF_HOME'] = path.join(cacheDir, 'home');
});

async function load(spec: Partial<DatasetSpec> = {}): Promise<Row[]> {
  const dataset = await loadDataset({ path: 'org/questions', config: 'main', ...spec }, { cacheDir });
  return dataset.kind === 'rows' ? dataset.rows : all(dataset.open());
}

const inCache = (...parts: string[]): string => path.join(cacheDir, 'datasets--org--questions', ...parts);
const asked = (method: string): string[] => hub.asked.filter((one) => one.method === method && !one.storage).map(({ path }) => path);

test('the files of a split and no others, in the layout of huggingface_hub', async () => {
  const commit = hub.commit('datasets/org/questions', files);
  assert.deepEqual(await load(), [...common, ...common]);
  const name = 'main/train-00000-of-00002.parquet';
  assert.equal(fs.readlinkSync(inCache('snapshots', commit, name)), path.join('..', '..', '..', 'blobs', blobName(name, files[name])));
  assert.deepEqual(fs.readdirSync(inCache('snapshots', commit, 'main')), ['train-00000-of-00002.parquet', 'train-00001-of-00002.parquet']);
  assert.deepEqual(fs.readdirSync(inCache('snapshots', commit)).sort(), ['README.md', 'main']);
  assert.equal(fs.readFileSync(inCache('refs', 'main'), 'utf8'), commit);
  assert.deepEqual(asked('GET')[0], '/api/datasets/org/questions/revision/main');
  assert.ok(asked('GET').includes(`/datasets/org/questions/resolve/${commit}/${name}`));
  assert.deepEqual(await load({ split: 'train[:2]+test[58:]' }), [...common.slice(0, 2), ...common.slice(58)]);
  assert.deepEqual((await load({ config: 'socratic', columns: ['id'] })).at(-1), { id: 59 });
});

test('what is there is not fetched again; a commit is not even asked for', async () => {
  const commit = hub.commit('datasets/org/questions', files);
  await load();
  hub.asked.length = 0;
  await load();
  assert.deepEqual(hub.asked.map(({ path }) => path), ['/api/datasets/org/questions/revision/main']);
  await load({ path: `org/questions@${commit}` });
  assert.equal(hub.asked.length, 1);
});

test('a configuration or split that is not there lists those that are', async () => {
  hub.commit('datasets/org/questions', files);
  await assert.rejects(loadDataset('org/questions', { cacheDir }), { name: 'InputError', message: /`config` to be one of org\/questions: 'main', 'socratic', got null/ });
  await assert.rejects(load({ split: 'dev' }), { name: 'InputError', message: /org\/questions, configuration main has: train, test/ });
  await assert.rejects(load({ config: 'socratic', split: 'test' }), { name: 'InputError', message: /has: train, got "test"/ });
});

test('revisions; the layout of the Parquet copy; lines of JSON', async () => {
  hub.commit('datasets/org/questions', { 'questions.py': 'no' });
  hub.commit('datasets/org/questions', { 'main/train/0000.parquet': files['main/test-00000-of-00001.parquet'], 'main/test/0000.parquet': '' }, 'refs/convert/parquet');
  hub.commit('datasets/org/questions', { 'data/train.jsonl': '{"q":1}\n', 'data/test.jsonl': '{"q":2}\n' }, 'lines');
  await assert.rejects(load(), { name: 'InputError', message: /to hold \.jsonl, .* got \["questions\.py"\]; .*`org\/questions@refs\/convert\/parquet`/ });
  assert.deepEqual(await load({ path: 'org/questions@refs/convert/parquet' }), common);
  assert.deepEqual(await loadDataset({ path: 'org/questions@lines', split: 'test' }, { cacheDir }), { kind: 'rows', rows: [{ q: 2 }] });
});

test('offline: what is in the cache, and what is missing of it by name', async () => {
  hub.commit('datasets/org/questions', files);
  await load();
  hub.close();
  assert.equal((await load()).length, 120);
  process.env['HF_HUB_OFFLINE'] = '1';
  assert.equal((await load({ streaming: true })).length, 120);
  await assert.rejects(load({ split: 'test' }), { name: 'NotFoundError', message: /HF_HUB_OFFLINE forbids to ask the Hub, got it without main\/test-00000-of-00001\.parquet; unset/ });
  await assert.rejects(load({ path: 'org/other' }), { name: 'NotFoundError', message: /the dataset org\/other.*no such revision.*no such path here either/ });
  // As Python leaves it: without our list of names.
  fs.rmSync(inCache('.listings'), { recursive: true });
  assert.equal((await load()).length, 120);
});

test('private, gated and missing datasets say what to do', async () => {
  await assert.rejects(load({ path: 'org/none' }), (error: unknown) => {
    assert.ok(error instanceof NotFoundError && error.data['reason'] === 'missing');
    assert.match(error.message, /^Expected the Hub \(.*\) to give the dataset org\/none, got HTTP 401 .*does not exist or is private; .*HF_TOKEN.* There is no such path here either\.$/);
    return true;
  });
  hub.commit('datasets/org/questions', files);
  hub.misbehave = ({ path }, response) => {
    if (path.includes('/api/') || path.endsWith('README.md')) return false;
    refuse(response, 403, 'GatedRepo');
    return true;
  };
  await assert.rejects(load(), { name: 'NotFoundError', message: new RegExp(`gated; accept its terms at ${hub.endpoint}/datasets/org/questions, then set HF_TOKEN`) });
});

test('names that leave the cache are no files of the dataset', async () => {
  hub.commit('datasets/org/questions', { 'train.jsonl': '{"q":1}\n', '../../train.jsonl': '{"q":2}\n', '/train.jsonl': '{"q":3}\n' });
  assert.deepEqual(await loadDataset('org/questions', { cacheDir }), { kind: 'rows', rows: [{ q: 1 }] });
});

test('streamed: Parquet by ranges, a row group at a time, nothing kept', async () => {
  hub.commit('datasets/org/questions', files);
  const dataset = await loadDataset({ path: 'org/questions', config: 'main', streaming: true, columns: ['id'] }, { cacheDir });
  assert.ok(dataset.kind === 'stream');
  assert.ok(hub.asked.every(({ path }) => !path.includes('main/train')));
  const rows: Row[] = [];
  for await (const row of dataset.open()) {
    rows.push(row);
    if (rows.length === 20) break;
  }
  assert.deepEqual(rows, common.slice(0, 20).map(({ id }) => ({ id })));
  const parts = hub.asked.filter(({ path, storage }) => storage && path.includes(blobName('x.parquet', files['main/train-00000-of-00002.parquet'])));
  assert.ok(parts.every(({ range }) => /^bytes=\d+-\d+$/.test(range ?? '')));
  const bytes = parts.slice(1).reduce((sum, { range }) => sum + Number(range!.split('-')[1]) - Number(/\d+/.exec(range!)![0]) + 1, 0);
  assert.ok(bytes > 50 && bytes < 500, `${bytes} bytes of one column of two row groups`);
  assert.ok(!fs.existsSync(inCache('blobs')) || fs.readdirSync(inCache('blobs')).length === 1, 'the README alone');
  assert.equal((await all(dataset.open())).length, 120);
});

test('streamed: a cut is tried again, other kinds of files are streamed too, a server without ranges is refused', async () => {
  hub.commit('datasets/org/questions', files);
  let cuts = 0;
  const quick = { cacheDir, pauseMs: 1, streaming: true };
  hub.misbehave = ({ storage, range }, response) => {
    if (!storage || cuts++ > 0) return false;
    response.writeHead(206, { 'content-range': range!.replace('=', ' ') + '/1', 'content-length': 50 });
    response.write('PAR1', () => response.destroy());
    return true;
  };
  const choice = { split: 'train', config: 'main', files: null };
  assert.deepEqual(await all(rowsOfFiles(await hubFiles('org/questions', choice, quick), ['id'])), [...common, ...common].map(({ id }) => ({ id })));
  assert.ok(cuts > 1);
  hub.misbehave = ({ storage }, response, body) => {
    if (storage) response.writeHead(200).end(body);
    return storage;
  };
  await assert.rejects(async () => all(rowsOfFiles(await hubFiles('org/questions', choice, quick), null)), { name: 'NotFoundError', message: /HTTP 200 for another part; leave out `streaming`/ });
  hub.misbehave = null;
  hub.commit('datasets/org/lines', { 'train.jsonl': '{"q":1}\n\n{"q":2}\n{' });
  const lines = rowsOfFiles(await hubFiles('org/lines', { ...choice, config: null }, quick), null);
  assert.deepEqual([(await lines.next()).value, (await lines.next()).value].length, 2);
  await assert.rejects(async () => all(rowsOfFiles(await hubFiles('org/lines', { ...choice, config: null }, quick), null)), { name: 'FileFormatError', message: /`org\/lines\/train\.jsonl`.*on line 4/ });
});
