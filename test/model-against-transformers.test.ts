/**
 * Tiny checkpoints and what transformers 5.23 computes with them in float64 (fixtures/model/make.py): tied and untied
 * heads, grouped queries, heads wider than hidden/heads, biases, half precision in several files.
 */
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { writeTinyModel } from '../scripts/tiny-model.ts';
import { generate } from '../src/generate/engine.ts';
import { disposeDecoder, readDecoder } from '../src/model/decoder.ts';
import type { Decoder } from '../src/model/decoder.ts';
import { disposeModel, loadNetwork, saveModel } from '../src/model/load.ts';
import { disposeBatch, packTrees } from '../src/model/packed-batch.ts';
import type { TokenTree } from '../src/model/packed-batch.ts';
import { native } from '../src/tensor/binding.ts';
import { tensor } from '../src/tensor/tensor.ts';
import { accumulateGradient, scoreBatch } from '../src/training/update.ts';
import { openCheckpoint } from '../src/weights/checkpoint.ts';
import { openSafetensors } from '../src/weights/safetensors.ts';
import { distance, takeGradients } from './fixtures/model/gradients.ts';
import type { Gradients } from './fixtures/model/gradients.ts';

const fixtures = fileURLToPath(new URL('./fixtures/model', import.meta.url));

// The networks are too small for a second thread.
native().setThreads(1);

interface Expected {
  temperature: number;
  trees: TokenTree[];
  logprobs: number[];
  entropies: number[];
  logprobWeights: number[];
  entropyWeights: number[];
  greedy: number[][];
}

function close(got: ArrayLike<number>, wanted: readonly number[], tolerance: number): void {
  assert.equal(got.length, wanted.length);
  wanted.forEach((value, i) => assert.ok(Math.abs(got[i]! - value) <= tolerance, `at ${i}: ${got[i]} is not ${value}`));
}

for (const name of ['tied', 'biased', 'sharded']) {
  describe(name, () => {
    const expected = JSON.parse(readFileSync(join(fixtures, `${name}.json`), 'utf8')) as Expected;
    let decoder: Decoder;
    before(async () => {
      const checkpoint = openCheckpoint({ kind: 'folder', path: join(fixtures, name) });
      decoder = await readDecoder(checkpoint.config, checkpoint, 'float32');
      checkpoint.close();
    });
    after(() => disposeDecoder(decoder));

    test('log-probabilities and entropies to 1e-5', async () => {
      for (const attention of ['sdpa', 'eager'] as const) {
        const batch = packTrees(expected.trees, decoder.config.contextLength);
        const { logprobs, entropy } = await scoreBatch({ ...decoder, attention }, batch, expected.temperature);
        close(logprobs, expected.logprobs, 1e-5);
        close(entropy, expected.entropies, 1e-5);
        disposeBatch(batch);
      }
    });

    test('the gradient of every parameter to 2e-5 of its largest entry', async () => {
      for (const weight of decoder.trained.values()) weight.requiresGrad_();
      const batch = packTrees(expected.trees, decoder.config.contextLength);
      await accumulateGradient(decoder, batch, { temperature: expected.temperature, checkpoint: false }, () => ({
        logprobs: tensor(expected.logprobWeights),
        entropy: tensor(expected.entropyWeights),
      }));
      disposeBatch(batch);
      const far = distance(storedGradients(name), takeGradients(decoder));
      assert.ok(far < 2e-5, `${far}`);
    });

    test('greedy tokens', async () => {
      const completions = await generate(
        decoder,
        expected.trees.map(({ prompt }) => ({ ids: prompt, count: 1 })),
        {
          temperature: 0,
          topP: 1,
          topK: 0,
          minP: null,
          repetitionPenalty: 1,
          stopIds: new Set(),
          stopStrings: [],
          maxNewTokens: 12,
          minNewTokens: 0,
          seed: 0,
          step: 0,
          slots: 4,
          textStream: () => ({ push: () => '' }),
        },
      );
      assert.deepEqual(completions.map(([only]) => only!.ids), expected.greedy);
    });
  });
}

test('saved and loaded again, every weight has the same bits and the config still says what is in the file', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'tsrl-round-trip-'));
  try {
    const tiny = await loadNetwork(await writeTinyModel(join(folder, 'tokenizer')));
    for (const [name, dtype] of [['tied', 'float32'], ['biased', 'float32'], ['sharded', 'bfloat16']] as const) {
      const checkpoint = openCheckpoint({ kind: 'folder', path: join(fixtures, name) });
      const decoder = await readDecoder(checkpoint.config, checkpoint, dtype);
      await saveModel(join(folder, name), { ...tiny, decoder, config: checkpoint.config });
      const again = openCheckpoint({ kind: 'folder', path: join(folder, name) });
      assert.deepEqual([...again.names()].sort(), [...checkpoint.names()].sort());
      for (const tensorName of checkpoint.names()) assert.deepEqual(again.read(tensorName), checkpoint.read(tensorName), tensorName);
      const { dtype: _, ...rest } = checkpoint.config;
      assert.deepEqual(again.config, { ...rest, torch_dtype: dtype });
      checkpoint.close();
      again.close();
      disposeDecoder(decoder);
    }
    disposeModel(tiny);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

function storedGradients(name: string): Gradients {
  const file = openSafetensors(join(fixtures, `${name}.gradients.safetensors`));
  const gradients: Gradients = new Map(file.names().map((weight) => [weight, new Float32Array(Uint8Array.from(file.read(weight).bytes).buffer)]));
  file.close();
  return gradients;
}
