/**
 * A tiny GGUF file of every architecture, as llama.cpp's converter writes it, against the Hugging Face checkpoint it was
 * made of and what transformers 5.23 computes with that (fixtures/gguf-families/make.py).
 */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { writeTinyModel } from '../scripts/tiny-model.ts';
import type { Decoder } from '../src/model/decoder.ts';
import { disposeDecoder, readDecoder } from '../src/model/decoder.ts';
import { families } from '../src/model/families.ts';
import { disposeModel, loadNetwork, saveModel } from '../src/model/load.ts';
import { disposeBatch, packTrees } from '../src/model/packed-batch.ts';
import { hiddenStates } from '../src/model/packed-pass.ts';
import { headLogits } from '../src/model/token-logprobs.ts';
import { noGrad } from '../src/tensor/autograd.ts';
import { native } from '../src/tensor/binding.ts';
import { liveTensors, scope } from '../src/tensor/scope.ts';
import { BlockMatrix } from '../src/model/weight.ts';
import { openCheckpoint } from '../src/weights/checkpoint.ts';
import type { Checkpoint } from '../src/weights/checkpoint.ts';
import { GGUF_ARCHITECTURES } from '../src/weights/gguf-architectures.ts';

interface Fixture {
  architecture: string;
  modelType: string;
  sequence: number[];
  positions: number[];
  logits: number[][];
  /** Shape, and SHA-256 of the float32 values, by Hugging Face name. */
  tensors: Record<string, [shape: number[], sha256: string]>;
}

const fixtures = fileURLToPath(new URL('./fixtures/gguf-families', import.meta.url));
const names = readdirSync(fixtures).flatMap((file) => (file.endsWith('.gguf') ? [file.replace('.gguf', '')] : []));
const fixtureOf = (name: string) => JSON.parse(readFileSync(join(fixtures, `${name}.json`), 'utf8')) as Fixture;
const openFixture = (name: string) => openCheckpoint({ kind: 'gguf', path: join(fixtures, `${name}.gguf`) });

// The networks are too small for a second thread.
native().setThreads(1);

/** Logits at some positions of a sequence. */
async function logitsAt(decoder: Decoder, [first, ...rest]: readonly number[], positions: readonly number[]): Promise<number[][]> {
  const batch = packTrees([{ prompt: [first!], completions: [[...rest, 0]] }], decoder.config.contextLength);
  const hidden = await hiddenStates(decoder, batch);
  const logits = scope(() => noGrad(() => headLogits(decoder, hidden).toArray() as Float32Array));
  hidden.dispose();
  disposeBatch(batch);
  const { vocabSize } = decoder.config;
  return positions.map((position) => [...logits.subarray(position * vocabSize, (position + 1) * vocabSize)]);
}

async function assertLogits(decoder: Decoder, { sequence, positions, logits }: Fixture): Promise<void> {
  const got = await logitsAt(decoder, sequence, positions);
  for (const [i, row] of logits.entries()) {
    for (const [token, wanted] of row.entries()) assert.ok(Math.abs(got[i]![token]! - wanted) <= 1e-5, `position ${positions[i]}, token ${token}: ${got[i]![token]} is not ${wanted}`);
  }
}

test('every architecture has a fixture and a family', () => {
  assert.deepEqual([...new Set(names.map((name) => fixtureOf(name).architecture))].sort(), Object.keys(GGUF_ARCHITECTURES).sort());
  for (const { modelType } of Object.values(GGUF_ARCHITECTURES)) assert.ok(Object.hasOwn(families, modelType), modelType);
});

for (const name of names) {
  test(`${name}: tensors bit by bit, logits to 1e-5`, async () => {
    const fixture = fixtureOf(name);
    const live = liveTensors();
    const checkpoint = openFixture(name);
    assert.deepEqual([...checkpoint.names()].sort(), Object.keys(fixture.tensors).sort());
    for (const [tensor, [shape, sha256]] of Object.entries(fixture.tensors)) {
      const read = checkpoint.read(tensor);
      assert.deepEqual(read.shape, shape);
      assert.equal(createHash('sha256').update(read.bytes).digest('hex'), sha256, tensor);
      if (shape.length === 2) assert.deepEqual(valuesInBlocks(checkpoint, tensor, shape), new Uint8Array(read.bytes), `${tensor} in blocks`);
    }
    const decoder = await readDecoder(checkpoint.config, checkpoint, 'float32');
    checkpoint.close();
    await assertLogits(decoder, fixture);
    disposeDecoder(decoder);
    assert.equal(liveTensors(), live);
  });
}

/** The numbers that the blocks of a matrix stand for, read in two parts. */
function valuesInBlocks({ blocks }: Checkpoint, name: string, [rows]: readonly number[]): Uint8Array {
  const middle = Math.floor(rows! / 3);
  const parts = [{ start: 0, end: middle }, { start: middle, end: rows! }].map((range) => blocks!.format(name).dequantise(Uint8Array.from(blocks!.read(name, range))));
  return new Uint8Array(Buffer.concat(parts.map((part) => new Uint8Array(part.buffer, part.byteOffset, part.byteLength))));
}

test('a quantised file is held as it is: the same logits, and no matrix of its blocks in floats', async () => {
  const checkpoint = openFixture('qwen2-q8');
  const decoder = await readDecoder(checkpoint.config, checkpoint, 'float32', 'sdpa', 'asStored');
  checkpoint.close();
  const held = [...decoder.weights.values()].filter((weight) => weight instanceof BlockMatrix);
  assert.deepEqual([held.length, ...new Set(held.map(({ format }) => format))], [[...decoder.weights.values()].filter(({ shape }) => shape.length === 2).length, 'Q8_0']);
  await assertLogits(decoder, fixtureOf('qwen2-q8'));
  disposeDecoder(decoder);

  const whole = openFixture('llama');
  await assert.rejects(readDecoder(whole.config, whole, 'float32', 'sdpa', 'asStored'), /Expected a file that holds blocks/);
  whole.close();
});

test('saved as a Hugging Face folder, every one is the same network of the same family', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'tsrl-gguf-families-'));
  try {
    const tiny = await loadNetwork(await writeTinyModel(join(folder, 'tokenizer')));
    for (const name of names) {
      const checkpoint = openFixture(name);
      const decoder = await readDecoder(checkpoint.config, checkpoint, 'float32');
      await saveModel(join(folder, name), { ...tiny, decoder, config: checkpoint.config });
      checkpoint.close();
      disposeDecoder(decoder);
      const again = openCheckpoint({ kind: 'folder', path: join(folder, name) });
      const same = await readDecoder(again.config, again, 'float32');
      again.close();
      await assertLogits(same, fixtureOf(name));
      disposeDecoder(same);
    }
    disposeModel(tiny);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
