/** What a training pass holds between its two ways, by libtorch's own count of bytes, is what memory is planned by. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { disposeDecoder } from '../src/model/decoder.ts';
import { adaptDecoder, createAdapter } from '../src/model/lora.ts';
import type { Dropout, LoraSettings } from '../src/model/lora.ts';
import { disposeBatch, packTrees } from '../src/model/packed-batch.ts';
import { trainingPass } from '../src/model/packed-pass.ts';
import { profileOps } from '../src/tensor/profiler.ts';
import { tensor } from '../src/tensor/tensor.ts';
import { keptNumbers, packedTokens } from '../src/training/activations.ts';
import type { KeptBy } from '../src/training/activations.ts';
import { tinyDecoder } from './fixtures/model/tiny-decoder.ts';

const shape = { prompts: 2, generations: 3, promptTokens: 7, newTokens: 5 };
const trees = Array.from({ length: shape.prompts }, (_, g) => ({
  prompt: Array.from({ length: shape.promptTokens }, (_, i) => (11 * g + 7 * i) % 37),
  completions: Array.from({ length: shape.generations }, (_, c) => Array.from({ length: shape.newTokens }, (_, t) => (5 * g + 29 * c + 3 * t) % 37)),
}));

type How = Pick<KeptBy, 'lora' | 'checkpoint' | 'attention'>;

/** Bytes held after the way forward through so many layers, and what is counted for them. */
async function heldAndCounted(layers: number, { lora, checkpoint, attention }: How): Promise<{ held: number; counted: number }> {
  const base = tinyDecoder({ layers, attention, trained: lora === null });
  const decoder = lora ? adaptDecoder(createAdapter(base, 'base', lora, 1)) : base;
  for (const weight of decoder.trained.values()) weight.requiresGrad_();
  const batch = packTrees(trees, decoder.config.contextLength);
  const keys = tensor(BigInt64Array.from({ length: packedTokens(shape) }, (_, i) => BigInt(i)));
  const dropout: Dropout = { keys, seed: 1, step: 0 };
  const profiler = profileOps();
  const pass = await trainingPass(decoder, batch, { checkpoint, dropout: lora?.dropout ? dropout : null });
  profiler.take();
  // With nothing in between, the most that was there is what is there.
  const held = profiler.take().peakBytes;
  profiler.stop();
  pass.dispose();
  disposeBatch(batch);
  keys.dispose();
  disposeDecoder(decoder);
  if (decoder !== base) disposeDecoder(base);
  return { held, counted: 4 * keptNumbers({ config: decoder.config, lora, attention, fused: true, checkpoint }, shape) };
}

const plain: How = { lora: null, checkpoint: false, attention: 'sdpa' };
const lora: LoraSettings = { r: 3, alpha: 6, dropout: 0, targetModules: 'all-linear', modulesToSave: [], useRslora: false, useDora: false, initLoraWeights: 'kaiming' };
const cases: Record<string, How> = {
  'all weights': plain,
  'layers computed again': { ...plain, checkpoint: true },
  'attention written out': { ...plain, attention: 'eager' },
  'an adapter on every map': { ...plain, lora },
  'an adapter on queries and values': { ...plain, lora: { ...lora, targetModules: null } },
  'an adapter on the map behind the gated unit': { ...plain, lora: { ...lora, targetModules: ['down_proj'] } },
  'dropout': { ...plain, lora: { ...lora, dropout: 0.5 } },
  'lengths of rows as well': { ...plain, lora: { ...lora, useDora: true } },
};

for (const [name, how] of Object.entries(cases)) {
  test(`one more layer in the middle holds what is counted for it: ${name}`, async () => {
    const [five, four] = [await heldAndCounted(5, how), await heldAndCounted(4, how)];
    assert.equal(five.held - four.held, five.counted - four.counted);
  });
}
