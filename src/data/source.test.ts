import assert from 'node:assert/strict';
import { copyFile, mkdtemp, mkdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, test } from 'node:test';
import { all } from '../../test/bytes-source.ts';
import type { Row } from './row.ts';
import { promptOf } from './prompt-column.ts';
import { requireColumn } from './shape.ts';
import { loadDataset, type DatasetInput, type DatasetSpec } from './source.ts';

let folder: string;

async function write(files: Readonly<Record<string, string>>): Promise<void> {
  for (const [name, text] of Object.entries(files)) {
    await mkdir(dirname(join(folder, name)), { recursive: true });
    await writeFile(join(folder, name), text);
  }
}

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tsrl-data-'));
  await write({
    'posts.jsonl': '{"q":"a","n":1}\n{"q":"b","n":2}\n{"q":"c","n":3}\n',
    'empty.jsonl': '\n',
    'notes.txt': 'q\n',
    'set/train.csv': 'q\na\n',
    'set/test.json': '[{"q":"t"}]',
    'both/train.csv': 'q\na\n',
    'both/train.jsonl': '{"q":"a"}\n',
    'shards/data/train-00000-of-00003.jsonl': '{"q":"a"}\n',
    'shards/data/train-00001-of-00003.jsonl': '{"q":"b"}\n{"q":"c"}\n',
    'shards/data/train-00002-of-00003.jsonl': '{"q":"d"}\n',
    'shards/data/test-00000-of-00001.jsonl': '{"q":"t"}\n',
    'shards/dataset_infos.json': '{}',
    'shards/.hidden/train.csv': 'no\n1\n',
    'cut/train-00000-of-00002.jsonl': '{"q":"a"}\n',
    'configs/main/train.jsonl': '{"q":"m"}\n',
    'configs/socratic/train/0000.jsonl': '{"q":"s"}\n',
    'configs/socratic/validation/0000.jsonl': '{"q":"v"}\n',
    'nosplit/a.jsonl': '{"q":"a"}\n',
    'nosplit/b.jsonl': '{"q":"b"}\n',
    'card/README.md': '---\nconfigs:\n- config_name: easy\n  data_files:\n  - split: train\n    path: rows/e*\n- config_name: hard\n  data_files:\n  - split: train\n    path: "rows/h*"\n  - split: dev\n    path: rows/none*\n- config_name: apart\n  data_dir: apart\n---\n',
    'card/apart/train.jsonl': '{"q":"p"}\n',
    'card/apart/test.jsonl': '{"q":"t"}\n',
    'card/rows/e1.jsonl': '{"q":"e"}\n',
    'card/rows/h1.jsonl': '{"q":"h"}\n',
  });
  await copyFile(new URL('../../test/fixtures/parquet/snappy.parquet', import.meta.url), join(folder, 'messages.parquet'));
});
after(() => rm(folder, { recursive: true }));

async function rowsOf(input: DatasetInput): Promise<Row[]> {
  const dataset = await loadDataset(input);
  assert.ok(dataset.kind === 'rows');
  return dataset.rows;
}
async function streamOf(input: DatasetInput): Promise<Row[]> {
  const dataset = await loadDataset(input);
  assert.ok(dataset.kind === 'stream');
  return all(dataset.open());
}
const posts = (more: object = {}): Promise<Row[]> => rowsOf({ path: join(folder, 'posts.jsonl'), ...more });
const letters = async (path: string, more: Partial<DatasetSpec> = {}): Promise<string> => (await rowsOf({ path: join(folder, path), ...more })).map(({ q }) => q).join('');

test('lists, iterables, files and folders', async () => {
  assert.deepEqual(await rowsOf([{ a: 1 }]), [{ a: 1 }]);
  assert.deepEqual(await rowsOf(new Set([{ a: 1 }])), [{ a: 1 }]);
  assert.equal((await rowsOf(join(folder, 'posts.jsonl'))).length, 3);
  assert.deepEqual(await rowsOf(join(folder, 'set')), [{ q: 'a' }]);
  assert.deepEqual(await rowsOf({ path: join(folder, 'set'), split: 'test' }), [{ q: 't' }]);
  const parquet = await rowsOf({ path: join(folder, 'messages.parquet'), columns: { prompt: 'messages' }, split: 'train[1:3]' });
  assert.deepEqual(parquet, [
    { prompt: [{ role: 'user', content: 'What is 1 + 1?' }, { role: 'assistant', content: '2' }] },
    { prompt: [{ role: 'user', content: 'What is 2 + 2?' }, { role: 'assistant', content: '4' }] },
  ]);
});

test('patterns, in the order of the names', async () => {
  assert.equal(await letters('shards/data/train-*.jsonl'), 'abcd');
  assert.equal(await letters('shards/**/*.{jsonl,csv}'), 'tabcd');
  assert.equal(await letters('shards/data/train-0000[01]*', { split: 'train[1:]' }), 'bc');
  await assert.rejects(letters('shards/*.csv'), { name: 'NotFoundError', message: /to fit at least one file/ });
});

test('the shards of a split, and sums of splits', async () => {
  assert.equal(await letters('shards'), 'abcd');
  assert.equal(await letters('shards', { split: 'train[1:3]+test+train[-25%:]' }), 'bctd');
  assert.equal(await letters('nosplit'), 'ab');
  assert.equal(await letters('nosplit', { split: 'b' }), 'b');
  assert.equal(await letters('shards', { files: 'data/t*-00000-*' }), 'ta');
  await assert.rejects(letters('cut'), { name: 'InputError', message: /to hold all 2 parts of train in .*, got "it without train-00001-of-00002\.jsonl"/ });
  assert.equal(await letters('cut', { files: ['*.jsonl'] }), 'a');
  await assert.rejects(letters('shards', { split: 'dev' }), { name: 'InputError', message: /to be one that .* has: test, train, got "dev"/ });
});

test('configurations by folder and by README', async () => {
  assert.equal(await letters('configs', { config: 'main' }), 'm');
  assert.equal(await letters('configs', { config: 'socratic' }), 's');
  assert.equal(await letters('configs', { config: 'socratic', split: 'validation' }), 'v');
  await assert.rejects(letters('configs'), { name: 'InputError', message: /`config` to be one of .*: 'main', 'socratic'/ });
  await assert.rejects(letters('configs', { config: 'all' }), { name: 'InputError', message: /'main', 'socratic', got "all"/ });
  assert.equal(await letters('card', { config: 'hard' }), 'h');
  assert.equal(await letters('card', { config: 'apart', split: 'train+test' }), 'pt');
  await assert.rejects(letters('card'), { name: 'InputError', message: /'easy', 'hard', 'apart', got null; name one, as in `config: 'easy'`/ });
  await assert.rejects(letters('card', { config: 'easy', split: 'test' }), { name: 'InputError', message: /configuration easy has: train/ });
  await assert.rejects(letters('card', { config: 'hard', split: 'dev' }), { name: 'InputError', message: /the files rows\/none\*/ });
});

test('a slice from the beginning reads no further than it must', async () => {
  await write({ 'broken.jsonl': '{"q":"a"}\n{"q":"b"}\n', 'late/train-00000-of-00002.jsonl': '{"q":"a"}\n{"q":"b"}\n', 'late/train-00001-of-00002.jsonl': 'broken\n' });
  assert.equal(await letters('late', { split: 'train[:2]' }), 'ab');
  await assert.rejects(letters('late', { split: 'train[:3]' }), { name: 'FileFormatError', message: /train-00001-of-00002\.jsonl.*on line 1/ });
});

async function* badSecondRow(): AsyncGenerator<Row> {
  yield { a: 1 };
  yield 3 as unknown as Row;
}

test('async iterables are left to come, and checked row by row', async () => {
  const dataset = await loadDataset(badSecondRow());
  assert.ok(dataset.kind === 'stream' && dataset.once);
  const iterator = dataset.open()[Symbol.asyncIterator]();
  assert.deepEqual((await iterator.next()).value, { a: 1 });
  await assert.rejects(iterator.next(), { name: 'InputError', message: /correct row 1/ });
});

test('split, columns, map and filter, in this order; map and filter may be async', async () => {
  assert.deepEqual(await posts({ split: 'train[:2]', columns: ['q'] }), [{ q: 'a' }, { q: 'b' }]);
  assert.deepEqual(await posts({ columns: { prompt: 'q' } }), [{ prompt: 'a' }, { prompt: 'b' }, { prompt: 'c' }]);
  const shape = {
    columns: { prompt: 'q', number: 'n' },
    map: async (row: Row, i: number) => ({ ...row, i }),
    filter: async ({ number }: Row) => number === 3,
  };
  assert.deepEqual(await posts({ split: 'train[1:]', ...shape }), [{ prompt: 'c', number: 3, i: 1 }]);
  assert.deepEqual(await streamOf({ path: join(folder, 'posts.jsonl'), split: 'train[1:]', streaming: true, ...shape }), [{ prompt: 'c', number: 3, i: 1 }]);
  await assert.rejects(posts({ map: () => 'row' }), { name: 'InputError', message: /to hold objects .* correct row 0/ });
});

test('rows held out are the same whatever is done with the rest', async () => {
  const spec = { path: join(folder, 'posts.jsonl'), testSize: 1, columns: ['q'] };
  const [train, held] = [await rowsOf({ ...spec, part: 'train' }), await rowsOf({ ...spec, part: 'test' })];
  assert.deepEqual([train.length, held.length], [2, 1]);
  assert.deepEqual([...train, ...held].map(({ q }) => q).sort(), ['a', 'b', 'c']);
  assert.deepEqual(await rowsOf({ ...spec, part: 'test', filter: () => true }), held);
  assert.deepEqual(await rowsOf(spec), train);
  await assert.rejects(posts({ testSize: 3 }), { name: 'InputError', message: /leaves some of the 3 on both sides, got 3/ });
  await assert.rejects(posts({ part: 'test' }), { name: 'InputError', message: /`testSize` to be given/ });
});

test('streamed rows come from the beginning each time they are opened', async () => {
  const dataset = await loadDataset({ path: join(folder, 'shards'), split: 'train[1:]+test', streaming: true, shuffleBuffer: 7 });
  assert.ok(dataset.kind === 'stream' && !dataset.once && dataset.shuffleBuffer === 7);
  for (let pass = 0; pass < 2; pass++) assert.deepEqual((await all(dataset.open())).map(({ q }) => q), ['b', 'c', 'd', 't']);
  for (const [wrong, message] of [[{ split: 'train[-1:]' }, /from the beginning with `streaming`/], [{ testSize: 1 }, /left out with `streaming`/]] as const) {
    await assert.rejects(loadDataset({ path: join(folder, 'shards'), streaming: true, ...wrong }), { name: 'InputError', message });
  }
  await assert.rejects(posts({ shuffleBuffer: 7 }), { name: 'InputError', message: /left out without `streaming`/ });
});

test('tasks by name', async () => {
  assert.equal((await rowsOf('task:copy?count=3')).length, 3);
  assert.equal((await rowsOf({ path: 'task:copy?count=30', testSize: 0.1, part: 'test', columns: ['prompt'] })).length, 3);
  await assert.rejects(rowsOf({ path: 'task:copy?count=3', split: 'train' }), { name: 'InputError', message: /`split` to be left out for a task/ });
});

test('mixtures of rows, of files and of streams', async () => {
  const tens = Array.from({ length: 10 }, (_, n) => ({ n }));
  const mixed = await rowsOf({ mixture: [{ dataset: tens, weight: 0.75 }, { dataset: join(folder, 'posts.jsonl'), weight: 0.25 }] });
  assert.equal(mixed.length, 12);
  assert.equal(mixed.filter(({ q }) => q).length, 3);
  const streamed = await loadDataset({ mixture: [{ dataset: { path: join(folder, 'shards'), streaming: true }, weight: 2 }, { dataset: tens, weight: 1 }] });
  assert.ok(streamed.kind === 'stream' && !streamed.once);
  const first = await all(streamed.open());
  assert.deepEqual(first.map(({ q }) => q), ['a', undefined, 'b', 'c', undefined, 'd']);
  assert.deepEqual(await all(streamed.open()), first);
  await assert.rejects(loadDataset({ mixture: [{ dataset: badSecondRow(), weight: 1 }], rows: 5 }), { name: 'InputError', message: /without `rows`/ });
});

test('a missing column lists the columns there are, and where the row stands', async () => {
  await assert.rejects(posts({ split: 'train[1:]', columns: { prompt: 'question' } }), {
    name: 'InputError',
    message: `Expected \`dataset\` to have the column \`question\`, got ["q","n"]; row 0 (${join(folder, 'posts.jsonl')}, line 2) lacks it; name the right one, as in \`prompt: 'q'\` or \`columns: { question: 'q' }\`.`,
  });
  assert.throws(() => requireColumn([{ q: 1 }, { r: 1 }], 'q', 10), { message: /got \["r"\]; row 11 lacks it/ });
});

test('no rows are refused', async () => {
  await assert.rejects(rowsOf([]), { name: 'InputError', message: /at least one row/ });
  await assert.rejects(rowsOf(join(folder, 'empty.jsonl')), { name: 'InputError', message: /at least one row/ });
  await assert.rejects(posts({ filter: () => false }), { name: 'InputError', message: /after filter/ });
});

test('what cannot be read says so', async () => {
  await assert.rejects(rowsOf([3 as unknown as Row]), { name: 'InputError', message: /to hold objects/ });
  await assert.rejects(rowsOf(join(folder, 'nothing.jsonl')), { name: 'NotFoundError' });
  await assert.rejects(rowsOf(join(folder, 'notes.txt')), { name: 'InputError', message: /to be a \.jsonl, \.json, \.csv, \.parquet file/ });
  await assert.rejects(posts({ split: 'test' }), { name: 'InputError', message: /`train` for files that are named/ });
  await assert.rejects(posts({ config: 'main' }), { name: 'InputError', message: /`config` to be left out/ });
  await assert.rejects(rowsOf({ path: join(folder, 'set'), split: 'dev' }), { name: 'InputError', message: /has: test, train/ });
  await assert.rejects(rowsOf(join(folder, 'both')), { name: 'InputError', message: /one kind of file for the split/ });
});

test('a prompt is a column or what a function makes of the row', async () => {
  const row = { q: 'why?', chat: [{ role: 'user', content: 'why?' }] };
  assert.equal(promptOf(row, 0, 'q'), 'why?');
  assert.equal(promptOf(row, 0, 'chat'), row.chat);
  assert.equal(promptOf(row, 0, ({ q }) => `Q: ${String(q)}`), 'Q: why?');
  assert.throws(() => promptOf(row, 4, 'prompt'), { name: 'InputError', message: /column `prompt`.*row 4 lacks it/ });
  for (const bad of ['', [], [{ role: 'user' }], 3]) {
    assert.throws(() => promptOf({ q: bad }, 4, 'q'), { name: 'InputError', message: /text or messages.*correct row 4/ });
  }
  const [, second] = await posts({ map: (one: Row) => ({ q: one['n'] }) });
  assert.throws(() => promptOf(second!, 1, 'q'), { message: new RegExp(`correct row 1 \\(${folder}/posts\\.jsonl, line 2\\)`) });
});
