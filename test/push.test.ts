/** From a run to the Hub and back: `tsrl push`, `model.pushToHub`, the card, the token that is nowhere. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { join } from 'node:path';
import { after, before, beforeEach, describe, test } from 'node:test';
import { inspect } from 'node:util';
import { main } from '../src/cli/main.ts';
import { InputError } from '../src/errors.ts';
import { grpo } from '../src/grpo/trainer.ts';
import { loadModel } from '../src/language-model.ts';
import { fetchFromHub } from '../src/weights/hub.ts';
import { READ_TOKEN, startUploadHub, WRITE_TOKEN } from './hub-upload-server.ts';
import type { UploadHub } from './hub-upload-server.ts';
import { ownFolder, silent, toyModel, toyOptions } from './toy.ts';

const folder = ownFolder();
const runFolder = join(folder, 'first-run');
const environment = { ...process.env };
let hub: UploadHub = await startUploadHub();

before(async () => {
  const model = await toyModel(folder);
  const { status } = await grpo(toyOptions(model, runFolder, { maxSteps: 4, saveSteps: 2, dataset: Array.from({ length: 4 }, (_, i) => ({ prompt: `say ${i}` })), numTrainEpochs: 4 }), silent).run();
  assert.equal(status, 'finished');
});
beforeEach(async () => {
  hub.close();
  hub = await startUploadHub();
  for (const name of Object.keys(process.env)) if (/^(HF_|HUGGING|TRANSFORMERS_)/.test(name)) delete process.env[name];
  Object.assign(process.env, { HF_ENDPOINT: hub.endpoint, HF_HOME: join(folder, 'hf'), HF_TOKEN: WRITE_TOKEN });
});
after(() => {
  hub.close();
  process.env = environment;
});

async function tsrl(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  let [out, err] = ['', ''];
  const code = await main(args, { out: (text) => void (out += text), err: (text) => void (err += text), readAll: async () => '', lines: async function* () {}, cwd: folder });
  for (const secret of [WRITE_TOKEN, READ_TOKEN, 'secret-signature']) assert.ok(!(out + err).includes(secret));
  return { code, out, err };
}

const remote = (name: string, repository = 'org/toy'): string => hub.repositories.get(repository)!.files[name]!.toString();

describe('tsrl push', () => {
  test('a run: its final model, byte by byte, with a card and a curve', async () => {
    const { code, out, err } = await tsrl('push', 'first-run', 'org/toy', '--private', '--json', '--message', 'First');
    assert.equal(code, 0, err);
    const result = JSON.parse(out) as Record<string, unknown>;
    const names = fs.readdirSync(join(runFolder, 'final'));
    assert.deepEqual(result, { repository: 'org/toy', url: `${hub.endpoint}/org/toy`, commit: result['commit'], private: true, created: true, files: ['README.md', ...names, 'reward-curve.svg'].sort(), bytes: result['bytes'] });
    assert.deepEqual([hub.commits[0]!.summary, hub.commits[0]!.large], ['First', ['model.safetensors']]);
    assert.match(err, /^made the private repository org\/toy\nsending org\/toy: 7 files, \d+ kB\nsent 7 files of org\/toy at commit [0-9a-f]{12} /);

    const snapshot = await fetchFromHub({ repository: 'org/toy', revision: 'main' }, { cacheDir: join(folder, 'fetched') });
    for (const name of names) assert.deepEqual(fs.readFileSync(join(snapshot, name)), fs.readFileSync(join(runFolder, 'final', name)), name);
    assert.ok(!fs.existsSync(join(runFolder, 'final', 'README.md')), 'the folder stays as it was');
  });

  test('the card tells of the run, and of nothing on this machine', async () => {
    await tsrl('push', 'first-run', 'org/toy', '--public');
    const card = remote('README.md');
    for (const part of ['made from `model` by reinforcement learning: 4 updates of GRPO', '| `learningRate` | `0.003` |', '| `letter` | 1 |', '4 rows given in the program.', 'in the first tenth (update 1)', '![Mean reward of each update](reward-curve.svg)', '\n| 4 | ', 'npx tsrl generate --model org/toy --chat']) assert.ok(card.includes(part), `${part}\n\nin\n\n${card}`);
    assert.ok(!card.includes('base_model:') && !card.includes('license:'));
    for (const content of [card, remote('reward-curve.svg')]) assert.ok(!content.includes(folder) && !content.includes(WRITE_TOKEN));
    assert.match(remote('reward-curve.svg'), /^<svg [^]*<\/svg>\n$/);
  });

  test('a checkpoint: its own weights, the curve up to there', async () => {
    const { code, out } = await tsrl('push', 'first-run/checkpoints/step-000002', 'org/toy', '--public');
    assert.deepEqual([code, out], [0, `${hub.endpoint}/org/toy\n`]);
    assert.deepEqual(hub.repositories.get('org/toy')!.files['model.safetensors'], fs.readFileSync(join(runFolder, 'checkpoints', 'step-000002', 'model.safetensors')));
    assert.match(remote('README.md'), /2 updates of GRPO/);
    assert.ok(!remote('README.md').includes('\n| 3 | '));
  });

  test('a plain folder, and an adapter with the base that it names', async () => {
    await tsrl('push', './model', 'org/plain', '--public');
    assert.match(remote('README.md', 'org/plain'), /A language model with tsrl\./);
    const adapter = join(folder, 'adapter');
    fs.mkdirSync(adapter);
    fs.writeFileSync(join(adapter, 'adapter_config.json'), JSON.stringify({ peft_type: 'LORA', base_model_name_or_path: 'base/small' }));
    assert.match((await tsrl('push', 'adapter', 'org/adapter', '--public')).err, /to hold adapter_model\.safetensors beside adapter_config\.json, got none/);
    fs.writeFileSync(join(adapter, 'adapter_model.safetensors'), 'tensors');
    assert.equal((await tsrl('push', 'adapter', 'org/adapter', '--public')).code, 0);
    assert.match(remote('README.md', 'org/adapter'), /\nbase_model: base\/small\nlibrary_name: peft\n/);
    assert.deepEqual(hub.commits.at(-1)!.large, ['adapter_model.safetensors']);
  });

  test('a run without final/ names its checkpoints', async () => {
    const run = join(folder, 'cut-run');
    fs.cpSync(runFolder, run, { recursive: true });
    fs.rmSync(join(run, 'final'), { recursive: true });
    fs.writeFileSync(join(run, 'state.json'), '{"status": "interrupted"}');
    const { code, err } = await tsrl('push', 'cut-run', 'org/toy', '--private');
    assert.equal(code, 1);
    assert.match(err, /to hold final\/, got one that is interrupted, with step-000002, step-000004; name a checkpoint, as in .*cut-run\/checkpoints\/step-000004\.\n$/);
    fs.rmSync(join(run, 'checkpoints'), { recursive: true });
    assert.match((await tsrl('push', 'cut-run', 'org/toy', '--private')).err, /has no checkpoint; let it finish/);
    assert.deepEqual(hub.received, []);
  });

  test('what is no model is refused before the Hub is asked', async () => {
    const shards = join(folder, 'shards');
    fs.mkdirSync(join(folder, 'empty'));
    fs.mkdirSync(shards);
    fs.writeFileSync(join(shards, 'config.json'), '{}');
    fs.writeFileSync(join(shards, 'model.safetensors.index.json'), '{"weight_map": {"a": "model-1.safetensors"}}');
    for (const [name, message] of [['empty', /to hold config\.json, got none/], ['shards', /to hold model-1\.safetensors, got none/], ['nowhere', /folder of a model or a run/], ['model/config.json', /name the folder that it lies in/]] as const) {
      const { code, err } = await tsrl('push', name, 'org/toy', '--private');
      assert.equal(code, 1);
      assert.match(err, message);
    }
    assert.match((await tsrl('push', 'model', 'toy', '--private')).err, /`repository` to be org\/name/);
    assert.deepEqual(hub.received, []);
  });

  test('wrong usage: exit code 2', async () => {
    for (const [args, message] of [
      [['model'], /a folder and a repository, got .*model; write `tsrl push FOLDER org\/name --private`/],
      [[], /got nothing/],
      [['model', 'org/toy', '--private', '--public'], /one of `--private` and `--public`, got both/],
      [['model', 'org/toy'], /without a word on who may see it; say --private or --public/],
    ] as const) {
      const { code, out, err } = await tsrl('push', ...args);
      assert.deepEqual([code, out], [2, '']);
      assert.match(err, message);
    }
  });

  test('a refusal: exit code 1 and what to do', async () => {
    process.env['HF_TOKEN'] = READ_TOKEN;
    const { code, out, err } = await tsrl('push', 'model', 'org/toy', '--private');
    assert.deepEqual([code, out], [1, '']);
    assert.match(err, /^tsrl: Expected the Hub .* got HTTP 403: the token may not write there .*\.\n$/);
  });
});

describe('model.pushToHub', () => {
  test('the model in memory, and the run it was loaded from', async () => {
    const lines: string[] = [];
    const model = await loadModel(join(runFolder, 'final'), { threads: 1, onMessage: (line) => lines.push(line) });
    const { files, created } = await model.pushToHub('org/toy', { private: true, commitMessage: 'From memory', token: WRITE_TOKEN });
    assert.ok(created && files.includes('README.md'));
    assert.equal(hub.commits[0]!.summary, 'From memory');
    assert.deepEqual(hub.repositories.get('org/toy')!.files['model.safetensors'], fs.readFileSync(join(runFolder, 'final', 'model.safetensors')));
    assert.match(remote('README.md'), /4 updates of GRPO/);
    assert.ok(lines.some((line) => line.startsWith('sent 7 files of org/toy')) && !lines.join('\n').includes(WRITE_TOKEN));
    assert.deepEqual(fs.readdirSync(join(runFolder, 'final')).filter((name) => name === 'README.md'), []);
    model.dispose();
  });

  test('another run is named; its checkpoint, or none', async () => {
    const model = await loadModel(join(folder, 'model'), { threads: 1 });
    await model.pushToHub('org/toy', { private: false, dtype: 'bfloat16', run: join(runFolder, 'checkpoints', 'step-000002') });
    assert.match(remote('README.md'), /2 updates of GRPO/);
    assert.equal((JSON.parse(remote('config.json')) as Record<string, unknown>)['torch_dtype'], 'bfloat16');
    await model.pushToHub('org/toy');
    assert.match(remote('README.md'), /A language model, made from `model` with tsrl\./);
    await assert.rejects(model.pushToHub('org/toy', { run: folder }), (error: unknown) => error instanceof InputError && /`run` to be a run folder/.test(error.message) && !inspect(error).includes(WRITE_TOKEN));
    model.dispose();
  });
});
