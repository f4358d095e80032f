/**
 * Tiny checkpoints of every family and what transformers 5.23 computes with them in float64 (fixtures/model/make-families.py):
 * logits, log-probabilities, gradients, greedy tokens; and the same network run in different ways.
 */
import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { writeTinyModel } from '../scripts/tiny-model.ts';
import { generate } from '../src/generate/engine.ts';
import type { GenerationOptions } from '../src/generate/engine.ts';
import { disposeDecoder, readDecoder } from '../src/model/decoder.ts';
import type { Decoder } from '../src/model/decoder.ts';
import { families } from '../src/model/families.ts';
import { disposeModel, loadNetwork, saveModel } from '../src/model/load.ts';
import { disposeBatch, packTrees } from '../src/model/packed-batch.ts';
import type { TokenTree } from '../src/model/packed-batch.ts';
import { hiddenStates } from '../src/model/packed-pass.ts';
import { headLogits } from '../src/model/token-logprobs.ts';
import { noGrad } from '../src/tensor/autograd.ts';
import { native } from '../src/tensor/binding.ts';
import { liveTensors, scope } from '../src/tensor/scope.ts';
import { tensor } from '../src/tensor/tensor.ts';
import { accumulateGradient, scoreBatch } from '../src/training/update.ts';
import { openCheckpoint } from '../src/weights/checkpoint.ts';
import { openSafetensors } from '../src/weights/safetensors.ts';
import { distance, takeGradients } from './fixtures/model/gradients.ts';
import type { Gradients } from './fixtures/model/gradients.ts';

const fixtures = fileURLToPath(new URL('./fixtures/model/families', import.meta.url));
const names = readdirSync(fixtures).flatMap((file) => (file.endsWith('.logits.safetensors') ? [file.replace('.logits.safetensors', '')] : []));

// The networks are too small for a second thread.
native().setThreads(1);

interface Expected {
  temperature: number;
  trees: TokenTree[];
  sequence: number[];
  logprobs: number[];
  logprobWeights: number[];
  greedy: number[][];
}

const openFixture = (name: string) => openCheckpoint({ kind: 'folder', path: join(fixtures, name) });

const generation: GenerationOptions = {
  temperature: 0,
  topP: 1,
  topK: 0,
  minP: null,
  repetitionPenalty: 1,
  stopIds: new Set(),
  stopStrings: [],
  maxNewTokens: 14,
  minNewTokens: 0,
  seed: 0,
  step: 0,
  slots: 4,
  textStream: () => ({ push: () => '' }),
};

function close(got: ArrayLike<number>, wanted: ArrayLike<number>, tolerance: number): void {
  assert.equal(got.length, wanted.length);
  for (let i = 0; i < wanted.length; i++) assert.ok(Math.abs(got[i]! - wanted[i]!) <= tolerance, `at ${i}: ${got[i]} is not ${wanted[i]}`);
}

/** What transformers computed, by name. */
function storedTensors(name: string): Gradients {
  const file = openSafetensors(join(fixtures, `${name}.logits.safetensors`));
  const tensors: Gradients = new Map(file.names().map((stored) => [stored, new Float32Array(Uint8Array.from(file.read(stored).bytes).buffer)]));
  file.close();
  return tensors;
}

async function scores(decoder: Decoder, trees: readonly TokenTree[], temperature: number): Promise<Float32Array> {
  const batch = packTrees(trees, decoder.config.contextLength);
  const { logprobs } = await scoreBatch(decoder, batch, temperature);
  disposeBatch(batch);
  return logprobs;
}

/** Logits at every position of a sequence. */
async function logitsOf(decoder: Decoder, [first, ...rest]: readonly number[]): Promise<ArrayLike<number>> {
  const batch = packTrees([{ prompt: [first!], completions: [[...rest, 0]] }], decoder.config.contextLength);
  const hidden = await hiddenStates(decoder, batch);
  const logits = scope(() => noGrad(() => headLogits(decoder, hidden).toArray() as Float32Array));
  hidden.dispose();
  disposeBatch(batch);
  return logits;
}

const apart = (trees: readonly TokenTree[]): TokenTree[] => trees.flatMap(({ prompt, completions }) => completions.map((completion) => ({ prompt, completions: [completion] })));

test('every family has a tied and an untied checkpoint', () => {
  const kinds = new Set(
    names.map((name) => {
      const checkpoint = openFixture(name);
      checkpoint.close();
      return `${checkpoint.config.model_type} ${checkpoint.config.tie_word_embeddings ? 'tied' : 'untied'}`;
    }),
  );
  assert.deepEqual([...kinds].sort(), Object.keys(families).flatMap((family) => [`${family} tied`, `${family} untied`]).sort());
});

for (const name of names) {
  describe(name, () => {
    const expected = JSON.parse(readFileSync(join(fixtures, `${name}.json`), 'utf8')) as Expected;
    const stored = storedTensors(name);
    let decoder: Decoder;
    let liveAtStart: number;
    before(async () => {
      liveAtStart = liveTensors();
      const checkpoint = openFixture(name);
      decoder = await readDecoder(checkpoint.config, checkpoint, 'float32');
      checkpoint.close();
    });
    after(() => {
      disposeDecoder(decoder);
      assert.equal(liveTensors(), liveAtStart);
    });

    test('logits to 1e-5 and log-probabilities to 1e-5', async () => {
      for (const attention of ['sdpa', 'eager'] as const) {
        close(await logitsOf({ ...decoder, attention }, expected.sequence), stored.get('logits')!, 1e-5);
        close(await scores({ ...decoder, attention }, expected.trees, expected.temperature), expected.logprobs, 1e-5);
      }
    });

    test('completions behind a shared prompt are completions behind their own', async () => {
      close(await scores(decoder, expected.trees, 1), await scores(decoder, apart(expected.trees), 1), 1e-5);
    });

    test('cached decoding gives the log-probabilities of the full pass', async () => {
      const requests = expected.trees.map(({ prompt }) => ({ ids: prompt, count: 3 }));
      const completions = await generate(decoder, requests, { ...generation, temperature: 1 });
      const trees = completions.map((group, i) => ({ prompt: requests[i]!.ids, completions: group.map(({ ids }) => ids) }));
      close(completions.flat().flatMap(({ logprobs }) => [...logprobs]), await scores(decoder, trees, 1), 1e-5);
    });

    test('greedy tokens', async () => {
      const completions = await generate(decoder, expected.trees.map(({ prompt }) => ({ ids: prompt, count: 1 })), generation);
      completions.forEach(([only], i) => assert.deepEqual(only!.ids.slice(0, expected.greedy[i]!.length), expected.greedy[i]));
    });

    if (stored.size > 1) {
      test('the gradient of every parameter to 1e-4 of its largest entry', async () => {
        for (const weight of decoder.trained.values()) weight.requiresGrad_();
        stored.delete('logits');
        for (const checkpoint of [false, true]) {
          const batch = packTrees(expected.trees, decoder.config.contextLength);
          await accumulateGradient(decoder, batch, { temperature: expected.temperature, checkpoint }, () => ({ logprobs: tensor(expected.logprobWeights), entropy: null }));
          disposeBatch(batch);
          const far = distance(stored, takeGradients(decoder));
          assert.ok(far < 1e-4, `${far}`);
        }
      });
    }
  });
}

test('saved again, every checkpoint has the same names and bits', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'tsrl-families-'));
  try {
    const tiny = await loadNetwork(await writeTinyModel(join(folder, 'tokenizer')));
    for (const name of names) {
      const checkpoint = openFixture(name);
      const decoder = await readDecoder(checkpoint.config, checkpoint, 'bfloat16');
      await saveModel(join(folder, name), { ...tiny, decoder, config: checkpoint.config });
      const again = openCheckpoint({ kind: 'folder', path: join(folder, name) });
      assert.deepEqual([...again.names()].sort(), [...checkpoint.names()].sort(), name);
      for (const weight of checkpoint.names()) assert.deepEqual(again.read(weight), checkpoint.read(weight), `${name}: ${weight}`);
      // transformers refuses whole numbers where it wants real ones.
      const reals = (path: string) => (readFileSync(join(path, 'config.json'), 'utf8').match(/"\w+": -?\d+\.0\b/g) ?? []).sort();
      assert.deepEqual(reals(join(folder, name)), reals(join(fixtures, name)).filter((field) => !field.includes('dropout') && !field.includes('pdrop')), name);
      checkpoint.close();
      again.close();
      disposeDecoder(decoder);
    }
    disposeModel(tiny);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
