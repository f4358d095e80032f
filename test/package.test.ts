/** After set-up, plain node (no loader) inside the repository imports the package by its name. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));

/** Runs a module in a plain node process in the repository and gives back what it printed as JSON. */
function inPlainNode(program: string): unknown {
  const child = spawnSync(process.execPath, ['--no-warnings', '--input-type=module', '-e', program], {
    cwd: root,
    encoding: 'utf8',
    env: { ...process.env, NODE_OPTIONS: '' },
  });
  assert.equal(child.stderr, '');
  assert.equal(child.status, 0);
  return JSON.parse(child.stdout);
}

test('set-up has compiled what `exports` names', () => {
  for (const name of ['dist/index.js', 'dist/index.d.ts', 'build/setup.json']) assert.ok(existsSync(`${root}/${name}`), `${name} is missing; run \`npm run setup\``);
});

test('plain node imports tsrl, and the addon is loaded by the first tensor, not by the import', () => {
  const program = `
    const tsrl = await import('tsrl');
    const { isLoaded } = await import('./dist/tensor/binding.js');
    const addons = () => process.report.getReport().sharedObjects.filter((path) => /tsrl_native|libtorch/.test(path)).length;
    const before = [isLoaded(), addons()];
    const sum = tsrl.scope(() => tsrl.tensor([1, 2]).toArray()[1]);
    console.log(JSON.stringify({ before, sum, after: isLoaded(), addons: addons() > 0 }));`;
  assert.deepEqual(inPlainNode(program), { before: [false, 0], sum: 2, after: true, addons: true });
});

test('what only a push needs is not loaded by the import, nor by --help', () => {
  const program = `
    const { Session } = await import('node:inspector');
    await import('tsrl');
    const { main } = await import('./dist/cli/main.js');
    for (const args of [['--help'], ['push', '--help']]) await main(args, { out() {}, err() {}, readAll: async () => '', lines: async function* () {}, cwd: '.' });
    const session = new Session();
    session.connect();
    const loaded = [];
    session.on('Debugger.scriptParsed', ({ params }) => loaded.push(params.url));
    session.post('Debugger.enable');
    const has = (part) => loaded.some((url) => url.includes(part));
    const before = [has('/dist/cli/push.js'), has('@huggingface/hub/')];
    await import('@huggingface/hub');
    console.log(JSON.stringify({ before, after: has('@huggingface/hub/') }));`;
  assert.deepEqual(inPlainNode(program), { before: [true, false], after: true });
});

test('QuickJS is loaded by a worker of the reward that needs it, not by the import and not by another reward', () => {
  const program = `
    const { Session } = await import('node:inspector');
    const { codeTests } = await import('tsrl');
    codeTests({ language: 'javascript' });
    const session = new Session();
    session.connect();
    const loaded = [];
    session.on('Debugger.scriptParsed', ({ params }) => loaded.push(params.url));
    session.post('Debugger.enable');
    const has = (part) => loaded.some((url) => url.includes(part));
    console.log(JSON.stringify([has('/dist/rewards/code-tests.js'), has('quickjs-pool'), has('quickjs-wasi')]));`;
  assert.deepEqual(inPlainNode(program), [true, false, false]);
});

test('the description of the package can be read', () => {
  const program = `
    const { default: about } = await import('tsrl/package.json', { with: { type: 'json' } });
    console.log(JSON.stringify(about.name));`;
  assert.equal(inPlainNode(program), 'tsrl');
});
