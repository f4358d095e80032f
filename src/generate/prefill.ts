/** Prompts run through the network once, several at a time, before their completions decode. */
import { disposeRotary } from '../model/decoder.ts';
import { disposeBatch, packTrees } from '../model/packed-batch.ts';
import { treeAttention } from '../model/tree-attention.ts';
import { noGrad } from '../tensor/autograd.ts';
import { breathe } from '../tensor/breathe.ts';
import * as ops from '../tensor/ops.ts';
import { keep, scope } from '../tensor/scope.ts';
import { tensor } from '../tensor/tensor.ts';
import type { Tensor } from '../tensor/tensor.ts';
import type { DecodingAttend, DecodingNetwork } from './decoding-network.ts';
import { addLayer, disposePromptCache } from './kv-cache.ts';
import type { PromptCache } from './kv-cache.ts';

/** Prompt tokens that go through the network at once: enough for its products to run at full speed. */
const tokensAtOnce = 512;

/** Cuts requests into runs of at most 512 prompt tokens, or of one longer prompt. */
export function prefillBatches<T extends { ids: readonly number[] }>(requests: readonly T[]): T[][] {
  const batches: T[][] = [];
  let tokens = Infinity;
  for (const request of requests) {
    tokens += request.ids.length;
    if (tokens > tokensAtOnce) {
      batches.push([]);
      tokens = request.ids.length;
    }
    batches.at(-1)!.push(request);
  }
  return batches;
}

/** What decoding needs of a prompt. The caller disposes both. */
export interface FilledPrompt {
  prompt: PromptCache;
  /** Logits behind the prompt. [1, V] */
  logits: Tensor;
}

/** Keys, values and last logits of each prompt, given as ids. */
export async function prefill(network: DecodingNetwork, prompts: readonly (readonly number[])[]): Promise<FilledPrompt[]> {
  const { config } = network.decoder;
  let { x, rotary } = network.embed(prompts.flat(), prompts.flatMap((ids) => ids.map((_, i) => i)));
  const batch = packTrees(prompts.map((prompt) => ({ prompt, completions: [] })), config.contextLength);
  const lengths = prompts.map((ids) => ids.length);
  const ends = tensor(batch.trees.map(({ start, prompt }) => start + prompt - 1), [prompts.length], 'int64');
  const caches = prompts.map((): PromptCache => ({ keys: [], values: [] }));
  const attend: DecodingAttend = (q, k, v, settings) => {
    const [keys, values] = [ops.split(k, lengths, 0), ops.split(v, lengths, 0)];
    caches.forEach((cache, i) => addLayer(cache, keys[i]!, values[i]!));
    return treeAttention(batch, settings)(q, k, v);
  };
  try {
    for (let i = 0; i < config.layers; i++) {
      x = network.layer(i, x, rotary[i]!, attend, i === config.layers - 1 ? ends : null);
      await breathe();
    }
    const last = x; // [prompts, H]
    const logits = scope(() => noGrad(() => keep(network.logits(last))));
    const rows = scope(() => keep(ops.split(logits, prompts.map(() => 1), 0)));
    logits.dispose();
    return caches.map((prompt, i) => ({ prompt, logits: rows[i]! }));
  } catch (error) {
    caches.forEach(disposePromptCache);
    throw error;
  } finally {
    x.dispose();
    ends.dispose();
    disposeRotary(rotary);
    disposeBatch(batch);
  }
}
