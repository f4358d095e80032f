/** Runs that train an adapter: what they leave, what they share, and what can be done with it afterwards. */
import assert from 'node:assert/strict';
import { readFileSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { before, test } from 'node:test';
import { writeTinyModel } from '../scripts/tiny-model.ts';
import { main } from '../src/cli/main.ts';
import { grpo } from '../src/grpo/trainer.ts';
import { loadModel } from '../src/language-model.ts';
import type { LanguageModel } from '../src/language-model.ts';
import { openCheckpoint } from '../src/weights/checkpoint.ts';
import { liveTensors } from '../src/tensor/scope.ts';
import { capture, meanOf, ownFolder, silent, toyOptions } from './toy.ts';

const folder = ownFolder();
const lora = { r: 4, alpha: 8, targetModules: 'all-linear' } as const;
let model: string;
let adapter: string;

/** Log-probabilities of a fixed completion. */
async function probe(loaded: LanguageModel): Promise<number[]> {
  const scored = await loaded.logprobs([[1, 2, 3]], [[97, 98, 258]]);
  const values = Array.from(scored.logprobs.toArray(), Number);
  for (const part of Object.values(scored)) part.dispose();
  return values;
}

async function probeOf(reference: string): Promise<number[]> {
  const loaded = await loadModel(reference, { threads: 1 });
  const values = await probe(loaded);
  loaded.dispose();
  return values;
}

const far = (a: readonly number[], b: readonly number[]): number => Math.max(...a.map((x, i) => Math.abs(x - b[i]!)));
const json = (...path: string[]): Record<string, unknown> => JSON.parse(readFileSync(join(...path), 'utf8')) as Record<string, unknown>;

async function tsrl(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  let [out, err] = ['', ''];
  const code = await main(args, { out: (text) => (out += text), err: (text) => (err += text), readAll: async () => '', lines: async function* () {}, cwd: folder });
  return { code, out, err };
}

before(async () => {
  // Behind a frozen head of smaller weights no adapter could make a letter likely.
  model = await writeTinyModel(join(folder, 'model'), { std: 0.2 });
  const { stream, text } = capture();
  const live = liveTensors();
  const summary = await grpo(toyOptions(model, join(folder, 'run'), { lora: { ...lora, alpha: 16 }, learningRate: 2e-2 }), { stream }).run();
  assert.equal(liveTensors(), live);
  assert.ok(meanOf(summary.rewards.slice(-5)) > meanOf(summary.rewards.slice(0, 5)) + 0.5, `${summary.rewards}`);
  assert.match(text(), /training 4,096 of 30,976 parameters \(13\.2%\)/);
  adapter = join(folder, 'run', 'final');
  assert.equal(summary.model, adapter);
});

test('the run leaves an adapter with its tokenizer, a fraction of the model, and names its base', () => {
  assert.deepEqual(readdirSync(adapter).sort(), ['adapter_config.json', 'adapter_model.safetensors', 'tokenizer.json', 'tokenizer_config.json']);
  const { peft_type, r, lora_alpha, target_modules, base_model_name_or_path } = json(adapter, 'adapter_config.json');
  assert.deepEqual([peft_type, r, lora_alpha, base_model_name_or_path], ['LORA', 4, 16, model]);
  assert.deepEqual(target_modules, ['q_proj', 'k_proj', 'v_proj', 'o_proj', 'gate_proj', 'up_proj', 'down_proj']);
  assert.ok(statSync(join(adapter, 'adapter_model.safetensors')).size < 0.3 * statSync(join(model, 'model.safetensors')).size);
});

test('the adapter is a model by its folder, other than its base, and generates', async () => {
  const loaded = await loadModel(adapter, { threads: 1 });
  assert.ok(far(await probe(loaded), await probeOf(model)) > 0.05);
  const { completions } = await loaded.generate('say 3', { temperature: 0, maxNewTokens: 8 });
  assert.ok(completions[0]!.text.includes('a'), completions[0]!.text);
  loaded.dispose();
  const { code, out } = await tsrl('generate', '--model', adapter, '--base', model, '--prompt', 'say 3', '--temperature', '0', '--max-new-tokens', '8', '--json');
  assert.equal(code, 0);
  assert.deepEqual((JSON.parse(out) as { completions: { ids: number[] }[] }).completions[0]!.ids, completions[0]!.ids);
});

test('β above 0 takes no second copy: the reference is the base without the adapter', async () => {
  const loaded = await loadModel(model, { threads: 1 });
  const pristine = await probe(loaded);
  const perStep: number[][] = [];
  for (const beta of [0, 0.04]) {
    const counts: number[] = [];
    for await (const { step, metrics } of grpo(toyOptions(model, join(folder, `beta-${beta}`), { model: loaded, lora, beta, maxSteps: 2, learningRate: 1e-2 }), silent)) {
      counts.push(liveTensors());
      if (beta > 0) assert.ok(step === 1 ? Math.abs(metrics.kl!) < 1e-6 : metrics.kl! > 1e-6, `kl ${metrics.kl} at step ${step}`);
    }
    perStep.push(counts);
  }
  assert.deepEqual(perStep[0], perStep[1]);
  assert.deepEqual(await probe(loaded), pristine, "a caller's model is as it was");
  loaded.dispose();
});

test('training goes on from an adapter, which is its own reference; a second adapter over it is refused', async () => {
  const { stream, text } = capture();
  const first: number[] = [];
  for await (const { metrics } of grpo(toyOptions(adapter, join(folder, 'on'), { beta: 0.04, maxSteps: 3, learningRate: 1e-2 }), { stream })) first.push(metrics.kl!);
  assert.ok(Math.abs(first[0]!) < 1e-6 && first[2]! > 1e-6, `${first}`);
  assert.match(text(), /training 4,096 of/);
  assert.ok(far(await probeOf(join(folder, 'on', 'final')), await probeOf(adapter)) > 1e-3);
  await assert.rejects(grpo(toyOptions(adapter, join(folder, 'refused'), { lora }), silent).run(), /Expected `lora` to be left out for a model that has an adapter/);
  await assert.rejects(grpo(toyOptions(adapter, join(folder, 'refused'), { beta: 0.1, syncRefModel: true }), silent).run(), /Expected `syncRefModel` to be false/);
});

test('an outer iteration begins with the adapter as the reference', async () => {
  const kl: number[] = [];
  for await (const { metrics } of grpo(toyOptions(model, join(folder, 'iterations'), { lora, beta: 0.04, iterations: 2, stepsPerIteration: 2, maxSteps: 4, learningRate: 1e-2 }), silent)) kl.push(metrics.kl!);
  assert.ok(kl[1]! > 1e-6 && Math.abs(kl[2]!) < 1e-6 && kl[3]! > 1e-6, `${kl}`);
});

test('several adapters share one base', async () => {
  const live = liveTensors();
  const base = await loadModel(model, { threads: 1 });
  const [one, other] = [base.withAdapter(adapter), base.withAdapter(join(folder, 'on', 'final'))];
  assert.equal(one.decoder.embedding, other.decoder.embedding);
  assert.deepEqual(await probe(one), await probeOf(adapter));
  assert.deepEqual(await probe(other), await probeOf(join(folder, 'on', 'final')));
  assert.deepEqual(await probe(one.withAdapter(join(folder, 'on', 'final'))), await probe(other));
  assert.throws(() => base.withAdapter(model), /Expected .* to hold an adapter/);
  for (const loaded of [one, other]) loaded.dispose();
  assert.deepEqual(await probe(base), await probeOf(model));
  base.dispose();
  // The third adapter was never disposed.
  assert.equal(liveTensors() - live, 28);
});

test('merged, in memory and by the command, it is the adapter to 1e-4', async () => {
  const wanted = await probeOf(adapter);
  const loaded = await loadModel(adapter, { threads: 1 });
  const merged = await loaded.merge();
  assert.ok(far(await probe(merged), wanted) < 1e-4);
  assert.deepEqual(await probe(loaded), wanted, 'the adapted model is as it was');
  await assert.rejects(merged.merge(), /Expected `model` to have an adapter/);
  merged.dispose();
  loaded.dispose();
  const { code, out } = await tsrl('merge', adapter, 'merged', '--json');
  assert.deepEqual([code, JSON.parse(out)], [0, { folder: join(folder, 'merged'), dtype: 'float32' }]);
  assert.ok(far(await probeOf(join(folder, 'merged')), wanted) < 1e-4);
  const [before, after] = [model, join(folder, 'merged')].map((path) => openCheckpoint({ kind: 'folder', path }));
  assert.deepEqual(after!.names().sort(), before!.names().sort());
  assert.deepEqual(after!.read('model.embed_tokens.weight'), before!.read('model.embed_tokens.weight'));
});

test('merging the same adapter twice, or what is none, is refused', async () => {
  const twice = await tsrl('merge', adapter, 'twice', '--base', './merged');
  assert.equal(twice.code, 1);
  assert.match(twice.err, /base that holds this adapter already/);
  assert.equal((await tsrl('merge', adapter, 'twice', '--base', './merged', '--again')).code, 0);
  assert.match((await tsrl('merge', model, 'none')).err, /Expected `model` to have an adapter/);
  assert.equal((await tsrl('merge', adapter)).code, 2);
});

test('a conversation with an adapter in the terminal: answers as they come, what was said is remembered', async () => {
  let [out, err] = ['', ''];
  const pieces: string[] = [];
  const lines = async function* () {
    yield* ['say 1', '', '/new', 'say 2', 'x'.repeat(2000), '/exit', 'never read'];
  };
  const io = { out: (text: string) => void (pieces.push(text), (out += text)), err: (text: string) => void (err += text), readAll: async () => '', lines, cwd: folder };
  const code = await main(['generate', '--model', adapter, '--chat', '--temperature', '0', '--max-new-tokens', '6'], io);
  assert.equal(code, 0);
  assert.equal(out.split('\n').length, 3, out);
  assert.ok(pieces.length > 4, 'streamed');
  assert.equal(err.match(/> /g)!.length, 6, err);
  assert.match(err, /fits the context.*\/new begins again/);
  const loaded = await loadModel(adapter, { threads: 1 });
  const { completions } = await loaded.generate([{ role: 'user', content: 'say 2' }], { temperature: 0, maxNewTokens: 6 });
  assert.equal(out.split('\n')[1], completions[0]!.text);
  loaded.dispose();
  assert.equal((await tsrl('generate', '--model', adapter, '--chat', '--json')).code, 2);
});
