import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { checkAddon, checkCache, checkDisk, checkLibtorch, checkMemory, checkNode } from './doctor-checks.ts';

let folder: string;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tsrl-doctor-'));
});
after(() => rm(folder, { recursive: true }));

test('Node from 20.19 on', () => {
  assert.deepEqual(['v20.19.0', 'v22.0.1'].map((version) => checkNode(version).ok), [true, true]);
  assert.deepEqual(checkNode('v20.18.9'), { name: 'node', ok: false, detail: 'v20.18.9, older than 20.19', mend: 'install Node 20.19 or newer' });
  assert.equal(checkNode('v18.20.0').ok, false);
});

test('libtorch: recorded and there, recorded and gone, not recorded', async () => {
  const record = pathToFileURL(join(folder, 'setup.json'));
  assert.deepEqual(await checkLibtorch(record), { name: 'libtorch', ok: false, detail: 'set-up has not finished here', mend: 'npm run setup' });
  await writeFile(record, JSON.stringify({ libtorch: folder, torchVersion: '2.13.0' }));
  assert.deepEqual(await checkLibtorch(record), { name: 'libtorch', ok: true, detail: `2.13.0 in ${folder}`, mend: null });
  await writeFile(record, JSON.stringify({ libtorch: join(folder, 'gone'), torchVersion: '2.13.0' }));
  assert.match((await checkLibtorch(record)).detail, /is gone$/);
});

test('an addon that loads, and one that does not', async () => {
  assert.equal((await checkAddon(async () => ({ torchVersion: '2.13.0' }))).detail, 'loads, libtorch 2.13.0');
  const broken = await checkAddon(() => Promise.reject(new Error('libtorch.so: cannot open')));
  assert.deepEqual([broken.ok, broken.detail, broken.mend], [false, 'libtorch.so: cannot open', 'npm run build']);
});

test('memory and disk', async () => {
  assert.equal(checkMemory(4 * 2 ** 30, 8 * 2 ** 30).detail, '4.0 GiB free of 8.0 GiB');
  assert.equal(checkMemory(2 ** 30, 8 * 2 ** 30).ok, false);
  assert.match((await checkDisk(folder)).detail, /GiB free in /);
});

test('a cache that is there, one that can be made, one that cannot', async () => {
  assert.equal((await checkCache(folder)).ok, true);
  assert.equal((await checkCache(join(folder, 'a', 'b'))).ok, true);
  await writeFile(join(folder, 'file'), '');
  assert.equal((await checkCache(join(folder, 'file', 'b'))).ok, false);
});
