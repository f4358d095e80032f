/** A model is read in pieces: its weights are in memory once, and little else. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { appendFileSync, closeSync, ftruncateSync, mkdirSync, openSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { decoderConfig } from '../src/model/families.ts';
import { weightShapes } from '../src/model/weight-names.ts';
import { BLOCK_FORMATS } from '../src/weights/gguf-blocks.ts';
import { buildGguf } from './fixtures/gguf/build-gguf.ts';
import type { TypedValue } from './fixtures/gguf/build-gguf.ts';
import { ownFolder } from './toy.ts';

const folder = ownFolder();
const program = fileURLToPath(new URL('programs/load-peak.ts', import.meta.url));

/** 105 M weights, 420 MB of float32, two thirds of them in one tensor. */
const config = {
  model_type: 'llama',
  hidden_size: 1024,
  intermediate_size: 4096,
  num_hidden_layers: 2,
  num_attention_heads: 16,
  vocab_size: 69_632,
  max_position_embeddings: 64,
  rms_norm_eps: 1e-5,
  tie_word_embeddings: true,
};
const shapes = weightShapes(decoderConfig(config));
const size = (shape: readonly number[]): number => shape.reduce((product, length) => product * length, 1);

/** The file system keeps zeros that nobody wrote for nothing. */
function extendTo(file: string, bytes: number): void {
  const open = openSync(file, 'r+');
  ftruncateSync(open, bytes);
  closeSync(open);
}

function writeFolder(): string {
  const at = join(folder, 'folder');
  mkdirSync(at);
  writeFileSync(join(at, 'config.json'), JSON.stringify(config));
  let end = 0;
  const header = [...shapes].map(([name, shape]) => {
    const start = end;
    end += 4 * size(shape);
    return [name, { dtype: 'F32', shape, data_offsets: [start, end] }];
  });
  const json = Buffer.from(JSON.stringify(Object.fromEntries(header)));
  const file = join(at, 'model.safetensors');
  writeFileSync(file, new Uint8Array(BigUint64Array.of(BigInt(json.length)).buffer));
  appendFileSync(file, json);
  extendTo(file, 8 + json.length + end);
  return at;
}

/** Our names to llama.cpp's. */
const SHORT: readonly [RegExp, string][] = [
  [/^model\.embed_tokens/, 'token_embd'],
  [/^model\.norm/, 'output_norm'],
  [/^model\.layers\.(\d+)\./, 'blk.$1.'],
  [/input_layernorm/, 'attn_norm'],
  [/self_attn\.([qkv])_proj/, 'attn_$1'],
  [/self_attn\.o_proj/, 'attn_output'],
  [/post_attention_layernorm/, 'ffn_norm'],
  [/mlp\.(gate|up|down)_proj/, 'ffn_$1'],
];

function writeGguf(type: string): string {
  const [number, { blockSize, bytesPerBlock }] = [...BLOCK_FORMATS].find(([, { name }]) => name === type)!;
  const metadata: Record<string, TypedValue> = {
    'general.architecture': { string: 'llama' },
    'llama.block_count': { u32: config.num_hidden_layers },
    'llama.context_length': { u32: config.max_position_embeddings },
    'llama.embedding_length': { u32: config.hidden_size },
    'llama.feed_forward_length': { u32: config.intermediate_size },
    'llama.attention.head_count': { u32: config.num_attention_heads },
    'llama.attention.layer_norm_rms_epsilon': { f32: config.rms_norm_eps },
  };
  let offset = 0;
  const tensors = [...shapes].map(([name, shape]) => {
    const built = { name: SHORT.reduce((text, [pattern, short]) => text.replace(pattern, short), name), dimensions: shape.toReversed(), type: number, offset };
    offset += Math.ceil(((size(shape) / blockSize) * bytesPerBlock) / 32) * 32;
    return built;
  });
  const head = buildGguf({ metadata, tensors });
  const file = join(folder, `model-${type}.gguf`);
  writeFileSync(file, head);
  extendTo(file, head.length + offset);
  return file;
}

const models: readonly [string, () => string][] = [
  ['safetensors', writeFolder],
  ['GGUF (Q4_K)', () => writeGguf('Q4_K')],
];
for (const [what, write] of models) {
  test(`${what}: memory peaks at most at 1.3 times the weights`, () => {
    const child = spawnSync(process.execPath, ['--import', 'tsx', program, write()], { encoding: 'utf8', env: { ...process.env, OMP_NUM_THREADS: '1' } });
    assert.equal(child.status, 0, child.stderr);
    const { weights, rise } = JSON.parse(child.stdout) as { weights: number; rise: number };
    assert.ok(weights > 4e8, `${weights} bytes of weights`);
    assert.ok(rise > 0.9 * weights, `${rise} bytes cannot hold ${weights} of weights: the measurement is wrong`);
    assert.ok(rise <= 1.3 * weights, `memory rose by ${rise} bytes for ${weights} of weights (${(rise / weights).toFixed(2)})`);
  });
}
