/** Adapters that Python's peft made over tiny checkpoints, and what it computes with them in float64 (fixtures/lora/make.py). */
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { generate } from '../src/generate/engine.ts';
import { adapterConfig, adapterWeights, openAdapter, readAdapter } from '../src/model/adapter-files.ts';
import { copyDecoder } from '../src/model/copies.ts';
import { disposeDecoder, readDecoder } from '../src/model/decoder.ts';
import type { Decoder } from '../src/model/decoder.ts';
import { disposeModel } from '../src/model/load.ts';
import { adaptDecoder } from '../src/model/lora.ts';
import { mergeModel } from '../src/model/merge.ts';
import { disposeBatch, packTrees } from '../src/model/packed-batch.ts';
import type { TokenTree } from '../src/model/packed-batch.ts';
import { native } from '../src/tensor/binding.ts';
import { liveTensors } from '../src/tensor/scope.ts';
import { tensor } from '../src/tensor/tensor.ts';
import type { Tokenizer } from '../src/text/tokenizer.ts';
import { accumulateGradient, scoreBatch } from '../src/training/update.ts';
import { openCheckpoint } from '../src/weights/checkpoint.ts';
import { openSafetensors } from '../src/weights/safetensors.ts';
import { writeSafetensors } from '../src/weights/write-safetensors.ts';
import { distance, takeGradients } from './fixtures/model/gradients.ts';
import type { Gradients } from './fixtures/model/gradients.ts';

const fixtures = fileURLToPath(new URL('./fixtures/lora', import.meta.url));
const families = fileURLToPath(new URL('./fixtures/model/families', import.meta.url));
const names = ['plain', 'stabilised', 'dora', 'dora-fused', 'saved', 'saved-head', 'saved-embedding'];

// The networks are too small for a second thread.
native().setThreads(1);

interface Expected {
  base: string;
  temperature: number;
  trees: TokenTree[];
  logprobs: number[];
  merged: number[];
  logprobWeights: number[];
}

function close(got: ArrayLike<number>, wanted: ArrayLike<number>, tolerance: number): void {
  assert.equal(got.length, wanted.length);
  for (let i = 0; i < wanted.length; i++) assert.ok(Math.abs(got[i]! - wanted[i]!) <= tolerance, `at ${i}: ${got[i]} is not ${wanted[i]}`);
}

async function scores(decoder: Decoder, { trees, temperature }: Pick<Expected, 'trees' | 'temperature'>): Promise<Float32Array> {
  const batch = packTrees(trees, decoder.config.contextLength);
  const { logprobs } = await scoreBatch(decoder, batch, temperature);
  disposeBatch(batch);
  return logprobs;
}

function storedGradients(name: string): Gradients {
  const file = openSafetensors(join(fixtures, `${name}.gradients.safetensors`));
  const tensors: Gradients = new Map(file.names().map((stored) => [stored, new Float32Array(Uint8Array.from(file.read(stored).bytes).buffer)]));
  file.close();
  return tensors;
}

let root: string;
before(() => {
  root = mkdtempSync(join(tmpdir(), 'tsrl-adapters-'));
});
after(() => rmSync(root, { recursive: true }));

for (const name of names) {
  describe(name, () => {
    const expected = JSON.parse(readFileSync(join(fixtures, `${name}.json`), 'utf8')) as Expected;
    let base: Decoder;
    let decoder: Decoder;
    let liveAtStart: number;
    before(async () => {
      liveAtStart = liveTensors();
      const checkpoint = openCheckpoint({ kind: 'folder', path: join(families, expected.base) });
      base = await readDecoder(checkpoint.config, checkpoint, 'float32');
      checkpoint.close();
      decoder = adaptDecoder(readAdapter(openAdapter(join(fixtures, name))!, base, expected.base));
    });
    after(() => {
      disposeDecoder(decoder);
      disposeDecoder(base);
      assert.equal(liveTensors(), liveAtStart);
    });

    test('log-probabilities to 1e-5, and without the adapter others', async () => {
      close(await scores(decoder, expected), expected.logprobs, 1e-5);
      const plain = await scores(base, expected);
      assert.ok(plain.some((logprob, i) => Math.abs(logprob - expected.logprobs[i]!) > 1e-2));
    });

    test('decoding applies it unmerged with the numbers of the full pass', async () => {
      const requests = expected.trees.map(({ prompt }) => ({ ids: prompt, count: 3 }));
      const sampling = { temperature: 1, topP: 1, topK: 0, minP: null, repetitionPenalty: 1, stopIds: new Set<number>(), stopStrings: [], maxNewTokens: 12, minNewTokens: 0, seed: 0, step: 0, slots: 4 };
      const completions = await generate(decoder, requests, { ...sampling, textStream: () => ({ push: () => '' }) });
      const trees = completions.map((group, i) => ({ prompt: requests[i]!.ids, completions: group.map(({ ids }) => ids) }));
      close(completions.flat().flatMap(({ logprobs }) => [...logprobs]), await scores(decoder, { trees, temperature: 1 }), 1e-5);
    });

    test('the gradient of every trained tensor to 1e-4 of its largest entry, and of no other', async () => {
      for (const weight of decoder.trained.values()) weight.requiresGrad_();
      for (const checkpoint of [false, true]) {
        const batch = packTrees(expected.trees, decoder.config.contextLength);
        await accumulateGradient(decoder, batch, { temperature: expected.temperature, checkpoint }, () => ({ logprobs: tensor(expected.logprobWeights), entropy: null }));
        disposeBatch(batch);
        for (const weight of base.trained.values()) assert.equal(weight.grad, null);
        const far = distance(storedGradients(name), takeGradients(decoder));
        assert.ok(far < 1e-4, `${far}`);
      }
      for (const weight of decoder.trained.values()) weight.requiresGrad_(false);
    });

    test('a copy is the same adapter over the same base', async () => {
      const before = liveTensors();
      const copy = copyDecoder(decoder);
      assert.equal(liveTensors(), before + decoder.trained.size);
      assert.equal(copy.adapter!.base, base);
      close(await scores(copy, expected), await scores(decoder, expected), 0);
      disposeDecoder(copy);
    });

    test('merged log-probabilities to 1e-5 of those that peft merged', async () => {
      const loaded = { reference: name, decoder, tokenizer: null as unknown as Tokenizer, config: {}, generationConfig: null, quantised: null };
      const merged = await mergeModel(loaded);
      close(await scores(merged.decoder, expected), expected.merged, 1e-5);
      disposeModel(merged);
    });

    test('written again it has the same names and bits, and opens as the same', async () => {
      const folder = join(root, name);
      mkdirSync(folder);
      await writeSafetensors(join(folder, 'adapter_model.safetensors'), adapterWeights(decoder).map(({ name: stored, weight }) => ({ name: stored, dtype: 'float32', shape: weight.shape, bytes: () => weight.toBytes() })));
      writeFileSync(join(folder, 'adapter_config.json'), JSON.stringify(adapterConfig(decoder.adapter!)));
      const [ours, theirs] = [openSafetensors(join(folder, 'adapter_model.safetensors')), openSafetensors(join(fixtures, name, 'adapter_model.safetensors'))];
      assert.deepEqual([...ours.names()].sort(), [...theirs.names()].sort());
      for (const stored of theirs.names()) assert.deepEqual(ours.read(stored), theirs.read(stored), stored);
      ours.close();
      theirs.close();
      const { settings } = openAdapter(folder)!;
      assert.deepEqual(settings, openAdapter(join(fixtures, name))!.settings);
    });
  });
}
