import assert from 'node:assert/strict';
import { mkdtemp, mkdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { Row } from './row.ts';
import { promptOf } from './prompt-column.ts';
import { loadDataset, requireColumn, type DatasetInput } from './source.ts';

let folder: string;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tsrl-data-'));
  await mkdir(join(folder, 'set'));
  await mkdir(join(folder, 'both'));
  await writeFile(join(folder, 'posts.jsonl'), '{"q":"a","n":1}\n{"q":"b","n":2}\n{"q":"c","n":3}\n');
  await writeFile(join(folder, 'empty.jsonl'), '\n');
  await writeFile(join(folder, 'posts.parquet'), 'PAR1');
  await writeFile(join(folder, 'set', 'train.csv'), 'q\na\n');
  await writeFile(join(folder, 'set', 'test.json'), '[{"q":"t"}]');
  await writeFile(join(folder, 'both', 'train.csv'), 'q\na\n');
  await writeFile(join(folder, 'both', 'train.jsonl'), '{"q":"a"}\n');
});
after(() => rm(folder, { recursive: true }));

async function rowsOf(input: DatasetInput): Promise<Row[]> {
  const dataset = await loadDataset(input);
  assert.equal(dataset.kind, 'rows');
  return dataset.kind === 'rows' ? dataset.rows : [];
}
const posts = (more: object = {}): Promise<Row[]> => rowsOf({ path: join(folder, 'posts.jsonl'), ...more });

test('lists, iterables, files and folders', async () => {
  assert.deepEqual(await rowsOf([{ a: 1 }]), [{ a: 1 }]);
  assert.deepEqual(await rowsOf(new Set([{ a: 1 }])), [{ a: 1 }]);
  assert.equal((await rowsOf(join(folder, 'posts.jsonl'))).length, 3);
  assert.deepEqual(await rowsOf(join(folder, 'set')), [{ q: 'a' }]);
  assert.deepEqual(await rowsOf({ path: join(folder, 'set'), split: 'test' }), [{ q: 't' }]);
});

async function* badSecondRow(): AsyncGenerator<Row> {
  yield { a: 1 };
  yield 3 as unknown as Row;
}

test('async iterables are left to come, and checked row by row', async () => {
  const dataset = await loadDataset(badSecondRow());
  assert.ok(dataset.kind === 'stream');
  const iterator = dataset.rows[Symbol.asyncIterator]();
  assert.deepEqual((await iterator.next()).value, { a: 1 });
  await assert.rejects(iterator.next(), { name: 'InputError', message: /correct row 1/ });
});

test('split, columns, map and filter, in this order', async () => {
  assert.deepEqual(await posts({ split: 'train[:2]', columns: ['q'] }), [{ q: 'a' }, { q: 'b' }]);
  assert.deepEqual(await posts({ columns: { prompt: 'q' } }), [{ prompt: 'a' }, { prompt: 'b' }, { prompt: 'c' }]);
  const chosen = await posts({
    split: 'train[1:]',
    columns: { prompt: 'q', number: 'n' },
    map: (row: Row, i: number) => ({ ...row, i }),
    filter: ({ number }: Row) => number === 3,
  });
  assert.deepEqual(chosen, [{ prompt: 'c', number: 3, i: 1 }]);
});

test('a missing column lists the columns there are', async () => {
  await assert.rejects(posts({ columns: { prompt: 'question' } }), {
    name: 'InputError',
    message: 'Expected `dataset` to have the column `question`, got ["q","n"]; row 0 lacks it; name the right one, as in `prompt: \'q\'` or `columns: { question: \'q\' }`.',
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
  await assert.rejects(rowsOf('org/name'), { name: 'InputError', message: /from the Hub is not part of this version yet/ });
  await assert.rejects(rowsOf(join(folder, 'posts.parquet')), { name: 'InputError', message: /parquet .* is not part of this version yet/ });
  await assert.rejects(posts({ split: 'test' }), { name: 'InputError', message: /`train` for a single file/ });
  await assert.rejects(rowsOf({ path: join(folder, 'set'), split: 'dev' }), { name: 'InputError', message: /dev\.jsonl, dev\.json, dev\.csv/ });
  await assert.rejects(rowsOf(join(folder, 'both')), { name: 'InputError', message: /one file for the split/ });
});

test('a prompt is a column or what a function makes of the row', () => {
  const row = { q: 'why?', chat: [{ role: 'user', content: 'why?' }] };
  assert.equal(promptOf(row, 0, 'q'), 'why?');
  assert.equal(promptOf(row, 0, 'chat'), row.chat);
  assert.equal(promptOf(row, 0, ({ q }) => `Q: ${String(q)}`), 'Q: why?');
  assert.throws(() => promptOf(row, 4, 'prompt'), { name: 'InputError', message: /column `prompt`.*row 4 lacks it/ });
  for (const bad of ['', [], [{ role: 'user' }], 3]) {
    assert.throws(() => promptOf({ q: bad }, 4, 'q'), { name: 'InputError', message: /text or messages.*correct row 4/ });
  }
});
