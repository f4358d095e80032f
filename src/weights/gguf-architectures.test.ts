import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import type { BuiltTensor, TypedValue } from '../../test/fixtures/gguf/build-gguf.ts';
import { buildGguf } from '../../test/fixtures/gguf/build-gguf.ts';
import { FileFormatError, NotFoundError } from '../errors.ts';
import type { GgufFile } from './gguf.ts';
import { openGguf } from './gguf.ts';
import { ggufGenerationConfig, ggufModel } from './gguf-config.ts';
import { llama3Settings } from './gguf-rotary.ts';
import { ggufTensors, halvesFromPairs } from './gguf-tensors.ts';

const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'tsrl-gguf-architectures-'));
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
/** Tensors of eight columns that hold 0, 1, 2, … in the order of their names. */
function filled(names: string[], rows: Record<string, number> = {}): { tensors: BuiltTensor[]; data: Uint8Array } {
  const size: Record<string, number> = { 'blk.0.attn_k': 4, 'token_embd': 4, ...rows };
  let offset = 0;
  const tensors = names.map((name): BuiltTensor => {
    const built = { name: `${name}.weight`, dimensions: [8, size[name] ?? 8], type: 0, offset };
    offset += 8 * (size[name] ?? 8) * 4;
    return built;
  });
  return { tensors, data: new Uint8Array(Float32Array.from({ length: offset / 4 }, (_, i) => i).buffer) };
}

function open(metadata: Record<string, TypedValue> = {}, names: string[] = NAMES, rows: Record<string, number> = {}): GgufFile {
  const at = path.join(folder, `${count++}.gguf`);
  fs.writeFileSync(at, buildGguf({ ...filled(names, rows), metadata: { ...METADATA, ...metadata } }));
  return openGguf(at);
}

const tensorsOf = (gguf: GgufFile) => ggufTensors(gguf, ggufModel(gguf));

/** The config of a file of another architecture. */
function configOf(architecture: string, metadata: Record<string, TypedValue> = {}, names: string[] = NAMES): Record<string, unknown> {
  const renamed = Object.fromEntries(Object.entries(METADATA).map(([key, value]) => [key.replace(/^llama\./, `${architecture}.`), value]));
  const at = path.join(folder, `${count++}.gguf`);
  fs.writeFileSync(at, buildGguf({ ...filled(names), metadata: { ...renamed, 'general.architecture': { string: architecture }, ...metadata } }));
  const gguf = openGguf(at);
  try {
    return ggufModel(gguf).config;
  } finally {
    gguf.close();
  }
}

test('config is what LlamaForCausalLM needs', () => {
  const gguf = open();
  assert.deepEqual(ggufModel(gguf).config, {
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
    pad_token_id: null,
  });
  assert.deepEqual(ggufGenerationConfig(gguf), { bos_token_id: 0, eos_token_id: 1 });
  gguf.close();
});

test('an output tensor unties the head; a separate end of turn is an end as well', () => {
  const gguf = open({ 'tokenizer.ggml.eot_token_id': { u32: 3 } }, [...NAMES, 'output']);
  assert.equal(ggufModel(gguf).config['tie_word_embeddings'], false);
  assert.deepEqual(ggufGenerationConfig(gguf)['eos_token_id'], [1, 3]);
  assert.ok(tensorsOf(gguf).names().includes('lm_head.weight'));
  gguf.close();
});

test('rows of a head come back from neighbours to halves', () => {
  // llama.cpp stores rows 0 2 1 3 of each head of four (pairs j, j + 2); one byte per row.
  assert.deepEqual([...halvesFromPairs(Uint8Array.of(0, 2, 1, 3, 10, 12, 11, 13), 8, 2)], [0, 1, 2, 3, 10, 11, 12, 13]);
});

test('tensors have Hugging Face names; query and key rows are put back, others are not', () => {
  const tensors = tensorsOf(open());
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
  const tensors = tensorsOf(open());
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
  ['another architecture', { 'general.architecture': { string: 'falcon' } }, NAMES, /architecture out of llama, qwen2, qwen3, gemma, gemma2, gemma3, phi3, olmo2, smollm3, got falcon/],
  ['experts', { 'llama.expert_count': { u32: 8 } }, NAMES, /a dense model/],
  ['scaled rotary embeddings', { 'llama.rope.scaling.type': { string: 'longrope' } }, NAMES, /plain, `linear` or `yarn`, got scaling `longrope`/],
  ['partial rotary embeddings', { 'llama.rope.dimension_count': { u32: 2 } }, NAMES, /`llama\.rope\.dimension_count` to be 4, got 2/],
  ['a table of LongRoPE', {}, [...NAMES, 'rope_factors_long'], /a table of LongRoPE, `rope_factors_long\.weight`/],
  ['a scale of the scores', { 'llama.attention.scale': { f32: 0.5 } }, NAMES, /`llama\.attention\.scale` to be 0, got 0\.5/],
  ['another magnitude of yarn', { 'llama.rope.scaling.type': { string: 'yarn' }, 'llama.rope.scaling.factor': { f32: 4 }, 'llama.rope.scaling.yarn_attn_factor': { f32: 1.5 } }, NAMES, /yarn_attn_factor` to be 1, got 1\.5/],
  ['heads of less than nothing', { 'llama.attention.head_count': { f32: -2 } }, NAMES, /a whole number, 1 or more, for `llama\.attention\.head_count`, got -2/],
  ['more layers than tensors', { 'llama.block_count': { u32: 4_000_000_000 } }, NAMES, /as many layers as its 4 tensors can be, got 4000000000/],
  ['a tensor of a layer too many', {}, [...NAMES, 'blk.1.attn_q'], /plain llama model of 1 layers, got `blk\.1\.attn_q\.weight`/],
  ['a table of frequency factors of another length', {}, [...NAMES, 'rope_freqs'], /2 frequency factors in `rope_freqs\.weight`, got 64/],
  ['a tensor with no place', {}, [...NAMES, 'blk.0.attn_sinks'], /`blk\.0\.attn_sinks\.weight`/],
  ['a number that is a text', { 'llama.block_count': { string: '1' } }, NAMES, /a number for `llama\.block_count`/],
];
for (const [what, metadata, names, message] of refusals) {
  test(`refuses ${what}`, () => {
    const gguf = open(metadata, names);
    assert.throws(() => tensorsOf(gguf), (error: unknown) => error instanceof FileFormatError && message.test(error.message));
    gguf.close();
  });
}

test('refuses a missing key and a key projection of the wrong size', () => {
  const gguf = open({}, NAMES, { 'blk.0.attn_k': 6 });
  assert.throws(() => tensorsOf(gguf).read('model.layers.0.self_attn.k_proj.weight'), /1 heads of 4 rows/);
  assert.throws(() => ggufModel({ ...gguf, metadata: new Map([...gguf.metadata].filter(([key]) => key !== 'llama.block_count')) }), /`llama\.block_count` in its metadata, got none/);
  gguf.close();
});

test('an architecture named like a property of objects is unknown', () => {
  assert.throws(() => configOf('constructor'), /architecture out of .*got constructor/);
});

test('a llama with a sliding window is a Mistral', () => {
  const { model_type, architectures, sliding_window } = configOf('llama', { 'llama.attention.sliding_window': { u32: 16 } });
  assert.deepEqual([model_type, architectures, sliding_window], ['mistral', ['MistralForCausalLM'], 16]);
  assert.equal(configOf('llama', { 'llama.attention.sliding_window': { u32: 0 } })['model_type'], 'llama');
  // In a file of another architecture nothing reads it: OLMo 3 comes as olmo2.
  assert.throws(() => configOf('olmo2', { 'olmo2.attention.sliding_window': { u32: 16 } }), /`olmo2\.attention\.sliding_window` to be 0, got 16/);
});

test('biases are switched on by the tensors of the first layer', () => {
  const biases = (config: Record<string, unknown>) => [config['attention_bias'], config['mlp_bias']];
  assert.deepEqual(biases(configOf('smollm3')), [false, false]);
  const gguf = open();
  const named = (name: string) => new Map([...gguf.tensors, [name, { ...gguf.tensors.get('token_embd.weight')!, name }]]);
  assert.deepEqual(biases(ggufModel({ ...gguf, tensors: named('blk.0.attn_k.bias') }).config), [true, false]);
  assert.deepEqual(biases(ggufModel({ ...gguf, tensors: named('blk.0.ffn_up.bias') }).config), [false, true]);
  const odd = { ...gguf, tensors: named('blk.0.attn_norm.bias') };
  assert.throws(() => tensorsOf(odd), /got `blk\.0\.attn_norm\.bias`/);
  gguf.close();
});

test('stretched rotary embeddings', () => {
  const scaling = (values: Record<string, TypedValue>) => configOf('llama', Object.fromEntries(Object.entries(values).map(([key, value]) => [`llama.rope.${key}`, value])))['rope_scaling'];
  assert.deepEqual(scaling({ 'scaling.type': { string: 'linear' }, 'scaling.factor': { f32: 8 } }), { rope_type: 'linear', factor: 8 });
  assert.deepEqual(scaling({ scale_linear: { f32: 2.5 } }), { rope_type: 'linear', factor: 2.5 });
  assert.equal(scaling({ 'scaling.type': { string: 'none' }, 'scaling.factor': { f32: 8 } }), undefined);
  assert.deepEqual(
    scaling({ 'scaling.type': { string: 'yarn' }, 'scaling.factor': { f32: 4 }, 'scaling.original_context_length': { u32: 32_768 }, 'scaling.yarn_beta_fast': { f32: 16.1 } }),
    { rope_type: 'yarn', factor: 4, original_max_position_embeddings: 32_768, beta_fast: 16.1 },
  );
});

/** The factors of Llama 3's paper, computed in float32 as the converter does it. */
function factors(width: number, theta: number, { factor, low, high, context }: Record<'factor' | 'low' | 'high' | 'context', number>): Float32Array {
  return Float32Array.from({ length: width / 2 }, (_, i) => {
    const turns = Math.fround(context / Math.fround(Math.fround(2 * Math.PI) / Math.fround(1 / theta ** ((2 * i) / width))));
    const kept = Math.min(1, Math.max(0, (turns - low) / (high - low)));
    return 1 / ((1 - kept) / factor + kept);
  });
}

test('the settings of Llama 3 come back from its table of factors', () => {
  for (const [width, factor] of [[128, 8], [64, 32], [128, 32]] as const) {
    const table = factors(width, 500_000, { factor, low: 1, high: 4, context: 8192 });
    assert.deepEqual(llama3Settings(table, { theta: 500_000, width }), { factor, low_freq_factor: 1, high_freq_factor: 4, original_max_position_embeddings: 8192 });
  }
  // Half of everything gives the same frequencies.
  assert.deepEqual(llama3Settings(factors(64, 10_000, { factor: 4, low: 2, high: 6, context: 512 }), { theta: 10_000, width: 64 }), {
    factor: 4,
    low_freq_factor: 1,
    high_freq_factor: 3,
    original_max_position_embeddings: 256,
  });
});

test('a table that is not of Llama 3 has no settings', () => {
  const table = factors(64, 500_000, { factor: 8, low: 1, high: 4, context: 8192 });
  const plain = { theta: 500_000, width: 64 };
  assert.equal(llama3Settings(table.map((t, i) => (i === 20 ? t * 1.001 : t)), plain), null);
  assert.equal(llama3Settings(table.toReversed(), plain), null);
  assert.equal(llama3Settings(Float32Array.of(1, 1, 8, 8), { theta: 100, width: 8 }), null);
  assert.equal(llama3Settings(Float32Array.of(NaN, 0, Infinity, -1), { theta: 100, width: 8 }), null);
});

test('layers of Gemma slide but every second, or every sixth; without a window none does', () => {
  const kinds = (config: Record<string, unknown>) => (config['layer_types'] as string[]).map((type) => type[0]).join('');
  const names = [...NAMES, 'blk.1.attn_q', 'blk.2.attn_q', 'blk.3.attn_q'];
  const layers = (architecture: string): Record<string, TypedValue> => ({ [`${architecture}.block_count`]: { u32: 7 } });
  assert.equal(kinds(configOf('gemma2', layers('gemma2'), names)), 'sfsfsfs');
  assert.equal(kinds(configOf('gemma3', { ...layers('gemma3'), 'gemma3.attention.sliding_window': { u32: 5 } }, names)), 'sssssfs');
  assert.equal(kinds(configOf('gemma3', layers('gemma3'), names)), 'fffffff');
});

test("the largest Gemmas scale their scores by the hidden size's share", () => {
  const scalar = (architecture: string, layers: number) => {
    const names = [...NAMES, ...Array.from({ length: layers }, (_, i) => `blk.${i}.attn_v`)];
    // Heads of 6 in a hidden size of 8 with two heads.
    return configOf(architecture, { [`${architecture}.block_count`]: { u32: layers }, [`${architecture}.attention.key_length`]: { u32: 6 } }, names)['query_pre_attn_scalar'];
  };
  assert.deepEqual([scalar('gemma2', 42), scalar('gemma2', 46), scalar('gemma3', 48), scalar('gemma3', 62)], [6, 4, 6, 4]);
});
