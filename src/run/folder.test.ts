import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { InputError, ResourceError } from '../errors.ts';
import { assertFreeDisk, openRunFolder } from './folder.ts';

let root: string;
before(async () => {
  root = await mkdtemp(join(tmpdir(), 'tsrl-folder-'));
});
after(() => rm(root, { recursive: true }));

async function json(...parts: string[]): Promise<Record<string, unknown>> {
  return JSON.parse(await readFile(join(...parts), 'utf8')) as Record<string, unknown>;
}

test('a new run: state, config with hashes, lock while it runs', async () => {
  const path = join(root, 'new', 'run');
  const recipe = join(root, 'recipe.ts');
  await writeFile(recipe, 'abc');
  const folder = await openRunFolder(path);
  assert.equal(folder.notice, null);
  assert.equal((await json(path, 'state.json')).status, 'running');
  assert.equal((await json(path, 'run.lock')).pid, process.pid);
  await folder.writeConfig({ numGenerations: 4, rewards: { length: () => 1 } }, [recipe]);
  assert.deepEqual(await json(path, 'config.json'), {
    numGenerations: 4,
    rewards: { length: '[function length]' },
    // sha256('abc'), FIPS 180-2.
    files: [{ path: recipe, sha256: 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad' }],
  });
  await folder.writeState({ status: 'failed', reason: 'out of memory', step: 7 });
  const { status, reason, step } = await json(path, 'state.json');
  assert.deepEqual([status, reason, step], ['failed', 'out of memory', 7]);
  assert.equal(folder.checkpointFolder(25), join(path, 'checkpoints', 'step-000025'));
  await folder.close();
  await folder.close();
  assert.deepEqual((await readdir(path)).sort(), ['config.json', 'state.json']);
});

test('another run is refused; overwrite removes what a run owns and nothing else', async () => {
  const path = join(root, 'again');
  await (await openRunFolder(path)).close();
  await mkdir(join(path, 'checkpoints', 'step-000005'), { recursive: true });
  await mkdir(join(path, 'checkpoints', 'best'));
  await mkdir(join(path, 'samples'));
  await mkdir(join(path, 'final'));
  await Promise.all(
    ['metrics.jsonl', 'notes.md', 'samples/step-000001.jsonl', 'samples/mine.txt', 'final/model.safetensors', 'checkpoints/step-000005/a'].map(
      (file) => writeFile(join(path, file), 'x'),
    ),
  );
  await assert.rejects(openRunFolder(path), (error: Error) => error instanceof InputError && /holds another run.*`overwrite`/.test(error.message));
  assert.ok(existsSync(join(path, 'metrics.jsonl')));
  assert.equal(existsSync(join(path, 'run.lock')), false, 'a refusal leaves no lock');
  const folder = await openRunFolder(path, { overwrite: true });
  assert.deepEqual((await readdir(path, { recursive: true })).sort(), [
    'checkpoints', 'checkpoints/best', 'notes.md', 'run.lock', 'samples', 'samples/mine.txt', 'state.json',
  ]);
  await folder.close();
});

test('a folder with files that only look like a run is refused, overwrite or not', async () => {
  const path = join(root, 'model');
  await mkdir(path);
  await writeFile(join(path, 'config.json'), '{"model_type":"llama"}');
  for (const overwrite of [false, true]) {
    await assert.rejects(openRunFolder(path, { overwrite }), /config\.json but no run/);
  }
  assert.deepEqual(await readdir(path), ['config.json']);
});

test('a folder that cannot be written is refused before anything else', async () => {
  await writeFile(join(root, 'file'), '');
  await assert.rejects(openRunFolder(join(root, 'file', 'run')), (error: Error) => error instanceof InputError && /can be written.*ENOTDIR/.test(error.message));
});

test('a living run keeps its folder', async () => {
  const path = join(root, 'busy');
  const folder = await openRunFolder(path);
  await assert.rejects(openRunFolder(path, { overwrite: true }), (error: Error) => error instanceof InputError && /in use by process \d+/.test(error.message));
  assert.equal((await json(path, 'state.json')).status, 'running');
  await folder.close();
});

const DEAD_PID = 2 ** 22 + 1; // above the largest pid of Linux

const since = '2020-01-01T00:00:00.000Z';
const stale: [string, Record<string, unknown>][] = [['a dead process', { pid: DEAD_PID, host: hostname(), processStart: null, since }]];
// Only Linux's /proc tells when a process started.
if (process.platform === 'linux') {
  stale.push(['an earlier process with the pid of a living one', { pid: process.pid, host: hostname(), processStart: '1', since }]);
}
for (const [name, holder] of stale) {
  test(`the lock of ${name} is taken over, and said so`, async () => {
    const path = join(root, name.replaceAll(' ', '-'));
    await mkdir(path);
    await writeFile(join(path, 'run.lock'), JSON.stringify(holder));
    const folder = await openRunFolder(path);
    assert.match(folder.notice!, new RegExp(`lock of process ${String(holder.pid)}, .*since 2020-01-01`));
    assert.equal((await json(path, 'run.lock')).pid, process.pid);
    await folder.close();
    assert.deepEqual(await readdir(path), ['state.json']);
  });
}

const unjudged: [string, string, RegExp][] = [
  ['another machine', JSON.stringify({ pid: DEAD_PID, host: 'elsewhere.example', processStart: null, since: '2020-01-01' }), /process 4194305 on elsewhere\.example since 2020-01-01; wait/],
  ['nobody readable', '', /cannot be read; wait.*delete/],
];
for (const [name, text, message] of unjudged) {
  test(`the lock of ${name} is not taken over`, async () => {
    const path = join(root, name.replaceAll(' ', '-'));
    await mkdir(path);
    await writeFile(join(path, 'run.lock'), text);
    await assert.rejects(openRunFolder(path), message);
    assert.equal(await readFile(join(path, 'run.lock'), 'utf8'), text);
  });
}

test('of many that want a stale folder at once, one gets it', async () => {
  const path = join(root, 'rush');
  await mkdir(path);
  await writeFile(join(path, 'run.lock'), JSON.stringify(stale[0]![1]));
  const results = await Promise.allSettled(Array.from({ length: 8 }, () => openRunFolder(path)));
  const won = results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
  assert.equal(won.length, 1);
  for (const result of results) {
    if (result.status === 'rejected') assert.ok(result.reason instanceof InputError, String(result.reason));
  }
  await won[0]!.close();
});

test('free disk: little is enough, more than any disk has is refused', async () => {
  await assertFreeDisk(join(root, 'not', 'there', 'yet'), 1, 'a byte');
  await assert.rejects(assertFreeDisk(root, 1e18, 'the final model'), (error: Error) => {
    assert.ok(error instanceof ResourceError);
    assert.match(error.message, /1000000000\.00 GB free .* for the final model, got \d+\.\d\d GB; free some space/);
    return true;
  });
});
