import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import type { BuiltTensor, TypedValue } from '../../test/fixtures/gguf/build-gguf.ts';
import { buildGguf } from '../../test/fixtures/gguf/build-gguf.ts';
import { FileFormatError, NotFoundError } from '../errors.ts';
import { openGguf } from './gguf.ts';
import { ggufGenerationConfig, halvesFromPairs, llamaConfig, llamaTensors } from './gguf-llama.ts';

const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'tsrl-gguf-llama-'));
after(() => fs.rmSync(folder, { recursive: true }));

/** Two heads of four, one of them for keys: hidden size 8. */
const METADATA: Record<string, TypedValue> = {
  'general.architecture': { string: 'llama' },
  'llama.block_count': { u32: 1 },
  'llama.context_length': { u32: 64 },
  'llama.embedding_length': { u32: 8 },
  'llama.feed_forward_length': { u32: 12 },
  'llama.attention.head_count': { u32: 2 },
  'llama.attention.head_count_kv': { u32: 1 },
  'llama.attention.layer_norm_rms_epsilon': { f32: 1e-5 },
  'llama.rope.freq_base': { f32: 500_000 },
  'llama.vocab_size': { u32: 4 },
  'tokenizer.ggml.bos_token_id': { u32: 0 },
  'tokenizer.ggml.eos_token_id': { u32: 1 },
};
const NAMES = ['token_embd', 'output_norm', 'blk.0.attn_q', 'blk.0.attn_k'];

let count = 0;
function open(metadata: Record<string, TypedValue> = {}, names: string[] = NAMES, rows: Record<string, number> = {}) {
  const size: Record<string, number> = { 'blk.0.attn_k': 4, 'token_embd': 4, ...rows };
  let offset = 0;
  const tensors = names.map((name): BuiltTensor => {
    const built = { name: `${name}.weight`, dimensions: [8, size[name] ?? 8], type: 0, offset };
    offset += 8 * (size[name] ?? 8) * 4;
    return built;
  });
  const data = new Uint8Array(Float32Array.from({ length: offset / 4 }, (_, i) => i).buffer);
  const at = path.join(folder, `${count++}.gguf`);
  fs.writeFileSync(at, buildGguf({ metadata: { ...METADATA, ...metadata }, tensors, data }));
  return openGguf(at);
}

test('config is what LlamaForCausalLM needs', () => {
  const gguf = open();
  assert.deepEqual(llamaConfig(gguf), {
    architectures: ['LlamaForCausalLM'],
    model_type: 'llama',
    hidden_size: 8,
    intermediate_size: 12,
    num_hidden_layers: 1,
    num_attention_heads: 2,
    num_key_value_heads: 1,
    head_dim: 4,
    hidden_act: 'silu',
    rms_norm_eps: 1e-5,
    rope_theta: 500_000,
    max_position_embeddings: 64,
    vocab_size: 4,
    attention_bias: false,
    mlp_bias: false,
    tie_word_embeddings: true,
    torch_dtype: 'float32',
    bos_token_id: 0,
    eos_token_id: 1,
  });
  assert.deepEqual(ggufGenerationConfig(gguf), { bos_token_id: 0, eos_token_id: 1 });
  gguf.close();
});

test('an output tensor unties the head; a separate end of turn is an end as well', () => {
  const gguf = open({ 'tokenizer.ggml.eot_token_id': { u32: 3 } }, [...NAMES, 'output']);
  assert.equal(llamaConfig(gguf)['tie_word_embeddings'], false);
  assert.deepEqual(ggufGenerationConfig(gguf)['eos_token_id'], [1, 3]);
  assert.ok(llamaTensors(gguf).names().includes('lm_head.weight'));
  gguf.close();
});

test('rows of a head come back from neighbours to halves', () => {
  // llama.cpp stores rows 0 2 1 3 of each head of four (pairs j, j + 2); one byte per row.
  assert.deepEqual([...halvesFromPairs(Uint8Array.of(0, 2, 1, 3, 10, 12, 11, 13), 8, 2)], [0, 1, 2, 3, 10, 11, 12, 13]);
});

test('tensors have Hugging Face names; query and key rows are put back, others are not', () => {
  const tensors = llamaTensors(open());
  assert.deepEqual(tensors.names(), ['model.embed_tokens.weight', 'model.norm.weight', 'model.layers.0.self_attn.q_proj.weight', 'model.layers.0.self_attn.k_proj.weight']);
  const firstColumn = (name: string): number[] => {
    const { bytes, shape, dtype } = tensors.read(name);
    assert.equal(dtype, 'float32');
    assert.deepEqual(tensors.info(name), { dtype, shape });
    const values = new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
    return Array.from({ length: shape[0]! }, (_, row) => values[row * 8]! / 8);
  };
  assert.deepEqual(firstColumn('model.embed_tokens.weight'), [0, 1, 2, 3]);
  assert.deepEqual(firstColumn('model.layers.0.self_attn.q_proj.weight'), [12, 14, 13, 15, 16, 18, 17, 19]);
  assert.deepEqual(firstColumn('model.layers.0.self_attn.k_proj.weight'), [20, 22, 21, 23]);
  assert.throws(() => tensors.read('lm_head.weight'), NotFoundError);
  tensors.close();
});

test('some rows are those of the whole, also where a range cuts a head', () => {
  const tensors = llamaTensors(open());
  for (const name of ['model.layers.0.self_attn.q_proj.weight', 'model.embed_tokens.weight']) {
    const whole = tensors.read(name);
    const rowBytes = whole.bytes.length / whole.shape[0]!;
    for (let start = 0; start < whole.shape[0]!; start++) {
      for (let end = start + 1; end <= whole.shape[0]!; end++) {
        const part = tensors.read(name, { start, end });
        assert.deepEqual(part.shape, [end - start, 8]);
        assert.deepEqual([...part.bytes], [...whole.bytes.subarray(start * rowBytes, end * rowBytes)], `${name} ${start}-${end}`);
      }
    }
  }
  tensors.close();
});

const refusals: [string, Record<string, TypedValue>, string[], RegExp][] = [
  ['another architecture', { 'general.architecture': { string: 'gemma' } }, NAMES, /architecture out of llama, got gemma/],
  ['experts', { 'llama.expert_count': { u32: 8 } }, NAMES, /a dense model/],
  ['scaled rotary embeddings', { 'llama.rope.scaling.type': { string: 'yarn' } }, NAMES, /scaling `yarn`/],
  ['partial rotary embeddings', { 'llama.rope.dimension_count': { u32: 2 } }, NAMES, /whole head \(4\), got 2/],
  ['frequency factors', {}, [...NAMES, 'rope_freqs'], /frequency factors/],
  ['a tensor with no place', {}, [...NAMES, 'blk.0.attn_sinks'], /`blk\.0\.attn_sinks\.weight`/],
  ['a number that is a text', { 'llama.block_count': { string: '1' } }, NAMES, /a number for `llama\.block_count`/],
];
for (const [what, metadata, names, message] of refusals) {
  test(`refuses ${what}`, () => {
    const gguf = open(metadata, names);
    assert.throws(() => llamaTensors(gguf), (error: unknown) => error instanceof FileFormatError && message.test(error.message));
    gguf.close();
  });
}

test('refuses a missing key and a key projection of the wrong size', () => {
  const gguf = open({}, NAMES, { 'blk.0.attn_k': 6 });
  assert.throws(() => llamaTensors(gguf).read('model.layers.0.self_attn.k_proj.weight'), /1 heads of 4 rows/);
  assert.throws(() => llamaConfig({ ...gguf, metadata: new Map([...gguf.metadata].filter(([key]) => key !== 'llama.block_count')) }), /`llama\.block_count` in its metadata, got none/);
  gguf.close();
});
