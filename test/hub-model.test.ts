/** A model named as on the Hub, from a local server, through every door: library, command line, recipe. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { main } from '../src/cli/main.ts';
import { estimateRun } from '../src/grpo/estimate.ts';
import { grpo } from '../src/grpo/trainer.ts';
import { loadModel } from '../src/language-model.ts';
import { startHub } from './hub-server.ts';
import type { HubServer } from './hub-server.ts';
import { capture, ownFolder, toyModel, toyOptions } from './toy.ts';

const token = 'hf_ofTheEndToEndTest';
const folder = ownFolder();
const environment = { ...process.env };
let hub: HubServer;
let local: string;
let commit: string;

before(async () => {
  local = await toyModel(folder);
  hub = await startHub();
  commit = hub.commit('org/tiny', { ...Object.fromEntries(fs.readdirSync(local).map((name) => [name, fs.readFileSync(join(local, name))])), 'README.md': 'A tiny model.' }, 'v1.0');
  for (const name of Object.keys(process.env)) if (/^(HF_|HUGGING|TRANSFORMERS_)/.test(name)) delete process.env[name];
  Object.assign(process.env, { HF_ENDPOINT: hub.endpoint, HF_HOME: join(folder, 'hf'), HF_TOKEN: token });
});
after(() => {
  hub.close();
  process.env = environment;
});

test('loadModel: the same completions as from the folder that was served', async () => {
  const models = await Promise.all([loadModel('org/tiny@v1.0', { threads: 1 }), loadModel(local, { threads: 1 })]);
  const [ours, wanted] = await Promise.all(models.map((model) => model.generate([{ role: 'user', content: 'hello' }], { temperature: 0, maxNewTokens: 12 })));
  assert.deepEqual(ours, wanted);
  assert.equal(models[0].reference, 'org/tiny@v1.0');
  for (const model of models) model.dispose();
});

test('tsrl pull prints the folder, and where it comes from on standard error', async () => {
  let [out, err] = ['', ''];
  const io = { out: (text: string) => void (out += text), err: (text: string) => void (err += text), readAll: async () => '', lines: async function* () {}, cwd: folder };
  assert.equal(await main(['pull', 'org/tiny@v1.0', '--cache-dir', join(folder, 'pulled')], io), 0);
  assert.equal(out, `${join(folder, 'pulled', 'models--org--tiny', 'snapshots', commit)}\n`);
  assert.match(err, /fetched 1 file of org\/tiny@v1\.0/);
  assert.equal(await main(['pull', 'org/none'], io), 1);
  assert.match(err, /org\/none, got HTTP 404 for a request with a token: the repository does not exist or is private/);
});

test('a run trains it, and its folder does not hold the token', async () => {
  const outputDir = join(folder, 'run');
  const { stream, text } = capture();
  const { status } = await grpo(toyOptions('org/tiny@v1.0', outputDir, { maxSteps: 1, logCompletions: true }), { stream }).run();
  assert.equal(status, 'finished');
  const written = fs.readdirSync(outputDir, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile()).map((entry) => fs.readFileSync(join(entry.parentPath, entry.name), 'latin1'));
  assert.ok(written.length >= 5 && written.some((content) => content.includes('org/tiny@v1.0')));
  for (const content of [...written, text()]) assert.ok(!content.includes(token));
  assert.ok(hub.asked.some(({ authorization }) => authorization === `Bearer ${token}`));
});

test('an adapter from the Hub brings its base from there, and offline both come from the cache', async () => {
  const outputDir = join(folder, 'adapter-run');
  await grpo(toyOptions('org/tiny@v1.0', outputDir, { maxSteps: 2, learningRate: 1e-2, lora: { r: 2, targetModules: 'all-linear' } }), { stream: null }).run();
  const final = join(outputDir, 'final');
  hub.commit('org/adapter', Object.fromEntries(fs.readdirSync(final).map((name) => [name, fs.readFileSync(join(final, name))])), 'main');
  const complete = async (reference: string) => {
    const loaded = await loadModel(reference, { threads: 1 });
    const { completions } = await loaded.generate('hello', { temperature: 0, maxNewTokens: 12 });
    loaded.dispose();
    return completions;
  };
  const wanted = await complete(final);
  assert.notDeepEqual(wanted, await complete('org/tiny@v1.0'));
  assert.deepEqual(await complete('org/adapter'), wanted);
  const asked = hub.asked.map(({ path }) => path).filter((path) => path.includes('org/adapter/resolve'));
  assert.deepEqual([...new Set(asked.map((path) => path.split('/').at(-1)))].sort(), ['adapter_config.json', 'adapter_model.safetensors']);
  process.env.HF_HUB_OFFLINE = '1';
  assert.deepEqual(await complete('org/adapter'), wanted);
  delete process.env.HF_HUB_OFFLINE;
});

test('an estimate fetches no weights, neither of a model nor of an adapter and its base', async () => {
  const measure = async () => ({ gemmGflops: 100, memoryGbs: 20 });
  const estimate = (model: string) => estimateRun(toyOptions(model, join(folder, 'none'), { cacheDir: join(folder, 'estimated') }), { measure });
  const before = hub.asked.length;
  const [whole, adapted] = [await estimate('org/tiny@v1.0'), await estimate('org/adapter')];
  const names = new Set(hub.asked.slice(before).map(({ path }) => path.split('/').at(-1)));
  assert.ok(names.has('config.json') && names.has('adapter_config.json'));
  assert.deepEqual([...names].filter((name) => name?.endsWith('.safetensors')), []);
  assert.equal(whole.memory.parts.adapters, 0);
  assert.ok(adapted.memory.parts.adapters > 0);
  assert.equal(adapted.memory.parts.weights, whole.memory.parts.weights);
});
