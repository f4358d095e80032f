import assert from 'node:assert/strict';
import { test } from 'node:test';
import { tinyDecoder } from '../../test/fixtures/model/tiny-decoder.ts';
import { disposeDecoder } from '../model/decoder.ts';
import { liveTensors } from '../tensor/scope.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { decodingNetwork } from './decoding-network.ts';
import { disposePromptCache } from './kv-cache.ts';
import { prefill, prefillBatches } from './prefill.ts';

const ofLength = (length: number) => ({ ids: Array.from({ length }, (_, i) => i) });
const lengths = (wanted: number[]) => prefillBatches(wanted.map(ofLength)).map((batch) => batch.map(({ ids }) => ids.length));

test('prompts share a pass up to 512 tokens, in their order; a longer one has its own', () => {
  assert.deepEqual(lengths([]), []);
  assert.deepEqual(lengths([200, 200, 112, 1]), [[200, 200, 112], [1]]);
  assert.deepEqual(lengths([100, 900, 100, 412, 1]), [[100], [900], [100, 412], [1]]);
});

test('prompts that share a pass have the keys, values and logits of each alone', async () => {
  const live = liveTensors();
  const decoder = tinyDecoder();
  const network = await decodingNetwork(decoder);
  const prompts = [[1, 2, 3, 4, 5], [7], [9, 9, 8, 20, 11, 12, 13, 2]];
  const together = await prefill(network, prompts);
  for (const [i, prompt] of prompts.entries()) {
    const [alone] = await prefill(network, [prompt]);
    const parts = (filled: typeof alone): Tensor[] => [filled!.logits, ...filled!.prompt.keys, ...filled!.prompt.values];
    const wanted = parts(alone).map((part) => Array.from(part.toArray(), Number));
    parts(together[i]).forEach((part, at) => {
      assert.deepEqual(part.shape, parts(alone)[at]!.shape);
      Array.from(part.toArray(), Number).forEach((value, n) => assert.ok(Math.abs(value - wanted[at]![n]!) < 1e-5, `prompt ${i}, part ${at}: ${value}, not ${wanted[at]![n]}`));
    });
    for (const filled of [alone!, together[i]!]) {
      disposePromptCache(filled.prompt);
      filled.logits.dispose();
    }
  }
  network.dispose();
  disposeDecoder(decoder);
  assert.equal(liveTensors(), live);
});
