/** Adapters over a base in blocks: the numbers of the same network whose weights were made floats first, in every pass; and runs. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, test } from 'node:test';
import { writeTinyModel } from '../scripts/tiny-model.ts';
import { main } from '../src/cli/main.ts';
import { generate } from '../src/generate/engine.ts';
import { grpo } from '../src/grpo/trainer.ts';
import { loadModel } from '../src/language-model.ts';
import { copyDecoder } from '../src/model/copies.ts';
import { assembleDecoder, blockCount, disposeDecoder, parameterCount } from '../src/model/decoder.ts';
import type { Decoder } from '../src/model/decoder.ts';
import { disposeModel, loadNetwork, savedBytes, saveModel } from '../src/model/load.ts';
import { adaptDecoder, createAdapter } from '../src/model/lora.ts';
import type { LoraSettings } from '../src/model/lora.ts';
import { mergeModel } from '../src/model/merge.ts';
import { disposeBatch, packTrees } from '../src/model/packed-batch.ts';
import type { TokenTree } from '../src/model/packed-batch.ts';
import { formatsOf, pieceMemory, quantisations, readBlocks } from '../src/model/read-weights.ts';
import { BlockMatrix, valuesOf } from '../src/model/weight.ts';
import { noGrad } from '../src/tensor/autograd.ts';
import { native } from '../src/tensor/binding.ts';
import * as ops from '../src/tensor/ops.ts';
import { normals } from '../src/tensor/random.ts';
import { keep, liveTensors, scope } from '../src/tensor/scope.ts';
import { tensor } from '../src/tensor/tensor.ts';
import { accumulateGradient, scoreBatch } from '../src/training/update.ts';
import { distance, takeGradients } from './fixtures/model/gradients.ts';
import type { Gradients } from './fixtures/model/gradients.ts';
import { capture, meanOf, ownFolder, silent, toyOptions } from './toy.ts';

const folder = ownFolder();
const lora = { r: 4, alpha: 16, targetModules: 'all-linear' } as const;
let model: string;
let untied: string;

// The networks are too small for a second thread.
native().setThreads(1);

before(async () => {
  model = await writeTinyModel(join(folder, 'model'), { std: 0.2 });
  untied = await writeTinyModel(join(folder, 'untied'), { std: 0.2, tied: false });
});

const trees: TokenTree[] = [
  { prompt: [1, 2, 3, 4], completions: [[97, 98, 258], [5, 6], [200]] },
  { prompt: [40, 50], completions: [[60, 70, 80, 90]] },
];
const settings: LoraSettings = { r: 4, alpha: 8, dropout: 0, targetModules: 'all-linear', modulesToSave: [], useRslora: false, useDora: false, initLoraWeights: 'kaiming' };

/** The same network with numbers in place of blocks. */
function wholeTwin({ config, weights, dtype, attention }: Decoder): Decoder {
  return assembleDecoder(config, new Map([...weights].map(([name, weight]) => [name, keep(scope(() => ops.clone(valuesOf(weight))))])), dtype, attention);
}

/** With a trained adapter: B is no longer 0. */
function adapted(base: Decoder, changes: Partial<LoraSettings>): Decoder {
  const decoder = adaptDecoder(createAdapter(base, 'base', { ...settings, ...changes }, 7));
  for (const { b, index } of decoder.adapter!.maps.values()) scope(() => void noGrad(() => ops.copy_(b, tensor(normals(b.length, 0.05, 3, index), b.shape))));
  return decoder;
}

async function scores(decoder: Decoder): Promise<Float32Array> {
  const batch = packTrees(trees, decoder.config.contextLength);
  const { logprobs } = await scoreBatch(decoder, batch, 0.9);
  disposeBatch(batch);
  return logprobs;
}

async function gradients(decoder: Decoder): Promise<Gradients> {
  for (const weight of decoder.trained.values()) weight.requiresGrad_();
  const batch = packTrees(trees, decoder.config.contextLength);
  const count = batch.targets.length;
  await accumulateGradient(decoder, batch, { temperature: 0.9, checkpoint: true }, () => ({ logprobs: tensor(normals(count, 1, 5, 0)), entropy: tensor(normals(count, 1, 5, 1)) }));
  disposeBatch(batch);
  return takeGradients(decoder);
}

async function decoded(decoder: Decoder): Promise<{ ids: number[]; logprobs: number[] }> {
  const requests = trees.map(({ prompt }) => ({ ids: prompt, count: 2 }));
  const sampling = { temperature: 1, topP: 1, topK: 0, minP: null, repetitionPenalty: 1, stopIds: new Set<number>(), stopStrings: [], maxNewTokens: 12, minNewTokens: 0, seed: 0, step: 0, slots: 3 };
  const completions = (await generate(decoder, requests, { ...sampling, textStream: () => ({ push: () => '' }) })).flat();
  return { ids: completions.flatMap(({ ids }) => ids), logprobs: completions.flatMap(({ logprobs }) => [...logprobs]) };
}

const far = (a: ArrayLike<number>, b: ArrayLike<number>): number => Array.from(a).reduce((most, x, i) => Math.max(most, Math.abs(x - b[i]!)), a.length === b.length ? 0 : Infinity);

const adapters: Record<string, Partial<LoraSettings>> = { LoRA: {}, DoRA: { useDora: true }, 'a trained head and embedding': { modulesToSave: ['lm_head', 'embed_tokens'] } };
for (const [name, changes] of Object.entries(adapters)) {
  for (const quantisation of ['q4_0', 'q4_1', 'q8_0'] as const) {
    test(`${name} over ${quantisation}: log-probabilities, gradients and decoding are those over its numbers to 1e-5`, async () => {
      const live = liveTensors();
      const { decoder: base } = await loadNetwork(untied, { quantisation });
      assert.equal([...base.weights.values()].filter((weight) => weight instanceof BlockMatrix).length, 16, 'seven maps of two layers, embedding and head');
      const twin = wholeTwin(base);
      const [ours, wanted] = [adapted(base, changes), adapted(twin, changes)];
      assert.ok(far(await scores(base), await scores(ours)) > 1e-2, 'the adapter changes something');
      assert.ok(far(await scores(base), await scores(twin)) < 1e-5);
      assert.ok(far(await scores(ours), await scores(wanted)) < 1e-5);
      const [generated, twinGenerated] = [await decoded(ours), await decoded(wanted)];
      assert.deepEqual(generated.ids, twinGenerated.ids);
      assert.ok(far(generated.logprobs, twinGenerated.logprobs) < 1e-5);
      const distances = distance(await gradients(wanted), await gradients(ours));
      assert.ok(distances < 1e-5, `${distances}`);
      for (const decoder of [ours, wanted, base, twin]) disposeDecoder(decoder);
      assert.equal(liveTensors(), live);
    });
  }
}

test('a base in 8 bits is near the whole one, in 4 bits further off; a copy is the same', async () => {
  const [whole, eight, four] = await Promise.all([null, 'q8_0', 'q4_0'].map((quantisation) => loadNetwork(model, { quantisation: quantisation as 'q8_0' | null })));
  const wanted = await scores(whole!.decoder);
  const [near, further] = [far(await scores(eight!.decoder), wanted), far(await scores(four!.decoder), wanted)];
  assert.ok(near > 1e-4 && near < 0.1 && further > 3 * near, `${near}, ${further}`);
  assert.deepEqual([whole, eight, four].map((one) => one!.quantised), [null, 'Q8_0', 'Q4_0']);
  assert.equal(parameterCount(four!.decoder), parameterCount(whole!.decoder));
  assert.equal(parameterCount(four!.decoder) - blockCount(four!.decoder), 5 * 32, 'norms are numbers');
  const copy = copyDecoder(four!.decoder);
  assert.deepEqual(await scores(copy), await scores(four!.decoder));
  disposeDecoder(copy);
  for (const one of [whole, eight, four]) disposeModel(one!);
});

test('saved as a whole model, it is what its blocks stand for', async () => {
  const live = liveTensors();
  const loaded = await loadNetwork(untied, { quantisation: 'q4_0' });
  const saved = join(folder, 'saved');
  await saveModel(saved, loaded);
  assert.equal(savedBytes(loaded, null), 4 * parameterCount(loaded.decoder));
  const again = await loadNetwork(saved);
  assert.equal(again.quantised, null);
  assert.ok(far(await scores(again.decoder), await scores(loaded.decoder)) < 1e-5);
  for (const one of [again, loaded]) disposeModel(one);
  assert.equal(liveTensors(), live);
});

test('merging into blocks is refused unless it is said, and then is what they stand for', async () => {
  const loaded = await loadNetwork(model, { quantisation: 'q4_1' });
  const decoder = adapted(loaded.decoder, {});
  await assert.rejects(mergeModel({ ...loaded, decoder }), /hold whole numbers, got blocks of Q4_1.*loaded without `quantisation`.*`fromQuantised`/);
  const merged = await mergeModel({ ...loaded, decoder }, { fromQuantised: true });
  assert.equal(blockCount(merged.decoder), 0);
  assert.ok(far(await scores(merged.decoder), await scores(decoder)) < 1e-4);
  for (const one of [merged.decoder, decoder, loaded.decoder]) disposeDecoder(one);
});

test('a run over a quantised base learns, with a reference that is not copied, and leaves an adapter and its options', async () => {
  const live = liveTensors();
  const { stream, text } = capture();
  const options = toyOptions(model, join(folder, 'run'), { lora, beta: 0.001, learningRate: 2e-2, quantisation: 'q4_1' });
  const { rewards, runFolder } = await grpo(options, { stream }).run();
  assert.equal(liveTensors(), live);
  const [first, last] = [meanOf(rewards.slice(0, 5)), meanOf(rewards.slice(-5))];
  assert.ok(last > first + 0.5, `from ${first} to ${last}`);
  assert.match(text(), /training 4,096 of 30,976 parameters/);
  const config = JSON.parse(readFileSync(join(runFolder, 'config.json'), 'utf8')) as { options?: { quantisation?: string }; quantisation?: string };
  assert.equal((config.options ?? config).quantisation, 'q4_1');

  // The adapter is used over the blocks it was trained over, or over the numbers they were made of.
  const adapter = join(runFolder, 'final');
  const answer = async (quantisation: 'q4_1' | null): Promise<string> => {
    const loaded = await loadModel(adapter, { threads: 1, quantisation });
    assert.equal(blockCount(loaded.decoder) > 0, quantisation !== null);
    const { completions } = await loaded.generate('say 3', { temperature: 0, maxNewTokens: 8 });
    loaded.dispose();
    return completions[0]!.text;
  };
  assert.ok((await answer('q4_1')).includes('a'));
  let out = '';
  const io = { out: (piece: string) => void (out += piece), err: () => {}, readAll: async () => '', lines: async function* () {}, cwd: folder };
  assert.equal(await main(['generate', '--model', adapter, '--quantisation', 'q4_1', '--prompt', 'say 3', '--temperature', '0', '--max-new-tokens', '8'], io), 0);
  assert.equal(out, `${await answer('q4_1')}\n`);

  // It is trained on over the same blocks, and merged into the numbers.
  const { steps } = await grpo(toyOptions(adapter, join(folder, 'on'), { beta: 0.04, maxSteps: 2, quantisation: 'q8_0' }), silent).run();
  assert.equal(steps, 2);
  assert.equal(await main(['merge', adapter, 'merged'], io), 0);
});

test('what cannot be is refused before weights are read', async () => {
  const options = (more: Parameters<typeof toyOptions>[2]) => grpo(toyOptions(model, join(folder, 'refused'), more), silent).run();
  await assert.rejects(options({ quantisation: 'q4_1' }), /Expected `lora` to be set for a quantised base/);
  await assert.rejects(options({ quantisation: 'asStored', lora }), /Expected a file that holds blocks for `quantisation: 'asStored'`/);
  await assert.rejects(loadNetwork(model, { quantisation: 'q3' as 'q4_0' }), /`quantisation` to be one of 'q4_0', 'q4_1', 'q8_0', 'asStored', or null, got "q3"/);
  await assert.rejects(loadNetwork(model, { quantisation: 'q4_0', dtype: 'bfloat16' }), /`dtype` to be 'auto' or 'float32' with `quantisation`/);
  const narrow = await writeTinyModel(join(folder, 'narrow'), { hidden: 48 });
  for (const quantisation of quantisations.filter((name) => name !== 'asStored')) {
    await assert.rejects(loadNetwork(narrow, { quantisation }), /`model\.embed_tokens\.weight` to have rows of whole Q._. blocks \(32\), got rows of 48/);
  }
  const loaded = await loadModel(model, { threads: 1, quantisation: 'q4_1' });
  await assert.rejects(grpo(toyOptions(model, join(folder, 'refused'), { model: loaded }), silent).run(), /Expected `lora` to be set for a quantised base/);
  // Under an adapter it is trained, and afterwards what it was.
  const before = await scores(loaded.decoder);
  const { steps } = await grpo(toyOptions(model, join(folder, 'loaded'), { model: loaded, lora, maxSteps: 2, beta: 0.1 }), silent).run();
  assert.equal(steps, 2);
  assert.deepEqual(await scores(loaded.decoder), before);
  loaded.dispose();
});

test('numbers that blocks cannot stand for are refused, and nothing is left behind', async () => {
  const live = liveTensors();
  for (const [bad, got] of [[NaN, 'NaN'], [-Infinity, 'Infinity'], [70_000, '70000']] as const) {
    const numbers = Float32Array.from({ length: 64 }, (_, i) => (i === 40 ? bad : i));
    const stored = { names: () => ['w'], info: () => ({ dtype: 'float32', shape: [2, 32] }) as const, read: () => ({ dtype: 'float32', shape: [2, 32], bytes: new Uint8Array(numbers.buffer) }) as const };
    const format = [...formatsOf(stored, new Map([['w', [2, 32]]]), 'q4_1').values()][0]!;
    await assert.rejects(readBlocks(stored, 'w', [2, 32], format, 'q4_1', pieceMemory()), new RegExp(`\`w\` to hold numbers up to 65504, got ${got}`));
  }
  assert.equal(liveTensors(), live);
});
