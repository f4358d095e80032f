import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { InputError } from '../errors.ts';
import { checkpointName, listCheckpoints, saveCheckpoint } from './checkpoints.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tsrl-checkpoints-'));
});
afterEach(() => rm(folder, { recursive: true }));

function content(text: string): (folder: string) => Promise<void> {
  return (path) => writeFile(join(path, 'model'), text);
}

test('names sort as numbers do', () => {
  assert.equal(checkpointName(25), 'step-000025');
  assert.equal(checkpointName(1_234_567), 'step-1234567');
});

test('whole checkpoints are listed by step; temporary and foreign folders are not', async () => {
  for (const step of [1_000_000, 3, 20]) await saveCheckpoint(folder, step, content('x'));
  await writeFile(join(folder, '.step-000004.tmp'), '');
  await writeFile(join(folder, 'best'), '');
  assert.deepEqual(await listCheckpoints(folder), [3, 20, 1_000_000]);
  assert.deepEqual(await listCheckpoints(join(folder, 'missing')), []);
});

test('the limit removes the oldest, after the new one is whole', async () => {
  for (const step of [1, 2, 3]) await saveCheckpoint(folder, step, content('x'));
  let seen: number[] = [];
  const path = await saveCheckpoint(
    folder,
    4,
    async (temporary) => {
      seen = await listCheckpoints(folder);
      await content('new')(temporary);
    },
    { saveTotalLimit: 2 },
  );
  assert.deepEqual(seen, [1, 2, 3]);
  assert.equal(path, join(folder, 'step-000004'));
  assert.deepEqual(await listCheckpoints(folder), [3, 4]);
});

test('the best stays beside those that the limit counts', async () => {
  for (const step of [1, 2, 3]) await saveCheckpoint(folder, step, content('x'), { saveTotalLimit: 2, best: 1 });
  assert.deepEqual(await listCheckpoints(folder), [1, 2, 3]);
  await saveCheckpoint(folder, 4, content('x'), { saveTotalLimit: 2, best: 1 });
  assert.deepEqual(await listCheckpoints(folder), [1, 3, 4]);
  await saveCheckpoint(folder, 5, content('x'), { saveTotalLimit: 2, best: 5 });
  assert.deepEqual(await listCheckpoints(folder), [4, 5]);
});

test('a limit of 1 keeps the one just written, also below an older step', async () => {
  await saveCheckpoint(folder, 9, content('x'));
  await saveCheckpoint(folder, 2, content('x'), { saveTotalLimit: 1 });
  assert.deepEqual(await listCheckpoints(folder), [2]);
});

test('a failed write leaves no trace and removes nothing', async () => {
  await saveCheckpoint(folder, 1, content('one'));
  const failing = async (path: string): Promise<void> => {
    await content('half')(path);
    throw new Error('disk full');
  };
  await assert.rejects(saveCheckpoint(folder, 2, failing, { saveTotalLimit: 1 }), /disk full/);
  await assert.rejects(saveCheckpoint(folder, 1, failing), /disk full/);
  assert.deepEqual(await readdir(folder), ['step-000001']);
  assert.equal(await readFile(join(folder, 'step-000001', 'model'), 'utf8'), 'one');
});

test('the same step again replaces the checkpoint, also over the rest of a crash', async () => {
  await saveCheckpoint(folder, 1, content('one'));
  await writeFile(join(folder, '.step-000001.tmp'), 'rest');
  await saveCheckpoint(folder, 1, content('two'));
  assert.deepEqual(await readdir(folder), ['step-000001']);
  assert.equal(await readFile(join(folder, 'step-000001', 'model'), 'utf8'), 'two');
});

test('refuses a limit below 1 before writing', async () => {
  await assert.rejects(saveCheckpoint(folder, 1, content('x'), { saveTotalLimit: 0 }), InputError);
  assert.deepEqual(await readdir(folder), []);
});
