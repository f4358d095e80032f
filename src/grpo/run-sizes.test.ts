import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { DecoderConfig } from '../model/decoder-config.ts';
import type { GrpoOptions } from './option-schema.ts';
import { resolveOptions } from './options.ts';
import { memoryLimit, runSizes } from './run-sizes.ts';

const config = {} as DecoderConfig;
const sizes = (more: Partial<GrpoOptions>, adapter: Parameters<typeof runSizes>[1]['adapter'] = null) =>
  runSizes(resolveOptions({ model: './m', dataset: [{ prompt: 'a' }], rewards: { r: () => 0 }, ...more }).options, { config, adapter, attention: 'sdpa', storage: null }, 12);

test('lengths and counts of a step, and of a round that serves several', () => {
  const { step, completions, optim, lora } = sizes({ promptsPerStep: 3, numGenerations: 4, maxCompletionLength: 7, stepsPerGeneration: 2, optim: 'lion' });
  assert.deepEqual({ step, completions, optim, lora }, { step: { prompts: 3, generations: 4, promptTokens: 12, newTokens: 7 }, completions: 24, optim: 'lion', lora: null });
});

test('a reference is a copy, but for a new adapter, whose network without it is one', () => {
  const lora = { r: 4 };
  assert.equal(sizes({}).reference, 'none');
  assert.equal(sizes({ beta: 0.1 }).reference, 'copy');
  assert.equal(sizes({ beta: 0.1, lora }).reference, 'shared');
  assert.equal(sizes({ beta: 0.1, lora, iterations: 2 }).reference, 'copy');
  const trainedOn = sizes({ lora }).lora;
  assert.equal(sizes({ beta: 0.1 }, trainedOn).reference, 'copy');
  assert.equal(sizes({ beta: 0.1 }, trainedOn).lora, trainedOn);
});

test('how weights will lie in memory: as the options say, `auto` as float32', () => {
  assert.deepEqual(sizes({}).storage, { number: 4, block: null });
  assert.deepEqual(sizes({ dtype: 'bfloat16' }).storage, { number: 2, block: null });
  // 32 numbers of 4 bits with two float16 numbers beside them.
  assert.deepEqual(sizes({ lora: { r: 4 }, quantisation: 'q4_1' }).storage, { number: 4, block: 20 / 32 });
});

test("an optimizer of the caller's own has no name", () => {
  assert.equal(sizes({ optim: { step: () => {}, zeroGrad: () => {}, dispose: () => {} } }).optim, null);
});

test('the narrower of `maxMemory` and the machine', () => {
  const machine = { bytes: 8e9, source: 'the machine' };
  assert.equal(memoryLimit({ maxMemory: null }, machine), machine);
  assert.deepEqual(memoryLimit({ maxMemory: '7GB' }, machine), { bytes: 7e9, source: '`maxMemory`' });
  assert.equal(memoryLimit({ maxMemory: 9e9 }, machine), machine);
});
