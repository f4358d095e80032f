import assert from 'node:assert/strict';
import { test } from 'node:test';
import { add_ } from '../tensor/ops.ts';
import { liveTensors, scope } from '../tensor/scope.ts';
import { tensor } from '../tensor/tensor.ts';
import type { DType } from '../tensor/tensor.ts';
import { copyDecoder, mixDecoder } from './copies.ts';
import { disposeDecoder, parameterCount, readDecoder } from './decoder.ts';
import type { StoredWeights } from './read-weights.ts';
import { decoderConfig } from './families.ts';
import { weightShapes } from './weight-names.ts';
import { valuesOf } from './weight.ts';

const config = {
  model_type: 'llama',
  hidden_size: 8,
  intermediate_size: 12,
  num_hidden_layers: 2,
  num_attention_heads: 2,
  vocab_size: 10,
  max_position_embeddings: 16,
};

/** Every weight filled with its number in the list; changes replace shapes, null takes a weight away. */
function stored(changes: Record<string, number[] | null> = {}, fails?: string): StoredWeights {
  const shapes = new Map<string, number[] | null>([...weightShapes(decoderConfig(config)), ...Object.entries(changes)]);
  const names = [...shapes].flatMap(([name, shape]) => (shape ? [name] : []));
  const info = (name: string) => ({ dtype: 'float32' as DType, shape: shapes.get(name)! });
  return {
    names: () => names,
    info,
    read: (name) => {
      if (name === fails) throw new Error('the disk is gone');
      const { shape } = info(name);
      const values = new Float32Array(shape.reduce((product, size) => product * size, 1)).fill(names.indexOf(name));
      return { dtype: 'float32', shape, bytes: new Uint8Array(values.buffer) };
    },
  };
}

test('every weight lands where its name says, and all are freed', async () => {
  const before = liveTensors();
  const decoder = await readDecoder(config, stored(), 'float32');
  const names = [...weightShapes(decoderConfig(config)).keys()];
  const filled = (weight: { toArray(): ArrayLike<number | bigint> }) => names[Number(weight.toArray()[0])];
  assert.equal(filled(valuesOf(decoder.layers[1]!.down.weight)), 'model.layers.1.mlp.down_proj.weight');
  assert.equal(filled(decoder.layers[0]!.feedForwardNorm!), 'model.layers.0.post_attention_layernorm.weight');
  assert.equal(filled(valuesOf(decoder.head)), 'lm_head.weight');
  assert.equal(decoder.layers[0]!.queryKeyValue[0]!.bias, null);
  // 2 layers of 2 norms, 4 · 8×8 and 3 · 8×12; embedding and head of 10×8; the last norm
  assert.equal(parameterCount(decoder), 2 * (16 + 256 + 288) + 160 + 8);
  disposeDecoder(decoder);
  assert.equal(liveTensors(), before);
});

test('weights are cast to the dtype asked for', async () => {
  const before = liveTensors();
  const decoder = await readDecoder(config, stored(), 'bfloat16');
  assert.deepEqual(new Set([...decoder.trained.values()].map(({ dtype }) => dtype)), new Set(['bfloat16']));
  assert.equal(decoder.rotary[0]!.cos.dtype, 'bfloat16');
  disposeDecoder(decoder);
  assert.equal(liveTensors(), before);
});

/** 1, -2.5 and 0.15625 are exact in every dtype. */
const STORED: readonly [DType, ArrayBufferView][] = [
  ['float64', Float64Array.of(1, -2.5, 0.15625)],
  ['float32', Float32Array.of(1, -2.5, 0.15625)],
  ['bfloat16', Uint16Array.of(0x3f80, 0xc020, 0x3e20)],
  ['float16', Uint16Array.of(0x3c00, 0xc100, 0x3100)],
];

for (const [dtype, numbers] of STORED) {
  test(`a large ${dtype} weight comes in rows that fit in 4 MiB, and keeps its numbers`, async () => {
    const before = liveTensors();
    const hidden = 400;
    const vocabulary = 5000; // 8 MB of float32: rows of 400, 2621 of them at a time
    const wide = { ...config, hidden_size: hidden, vocab_size: vocabulary, num_hidden_layers: 1, tie_word_embeddings: true };
    const shapes = weightShapes(decoderConfig(wide));
    const reads: [number, number][] = [];
    const one = new Uint8Array(numbers.buffer, numbers.byteOffset, numbers.byteLength);
    const width = one.length / 3;
    const weights: StoredWeights = {
      names: () => [...shapes.keys()],
      info: (name) => ({ dtype, shape: shapes.get(name)! }),
      read: (name, rows) => {
        const whole = shapes.get(name)!;
        const shape = rows ? [rows.end - rows.start, ...whole.slice(1)] : whole;
        if (rows) reads.push([rows.start, rows.end]);
        // Row r of the embedding holds number r mod 3 of the three.
        const bytes = new Uint8Array(shape.reduce((product, size) => product * size, width));
        const rowBytes = bytes.length / shape[0]!;
        for (let at = 0; at < bytes.length; at += width) {
          const row = (rows?.start ?? 0) + Math.floor(at / rowBytes);
          bytes.set(one.subarray((row % 3) * width, (row % 3) * width + width), at);
        }
        return { dtype, shape, bytes };
      },
    };
    const decoder = await readDecoder(wide, weights, 'float32');
    assert.deepEqual(reads, [[0, 2621], [2621, 5000]]);
    const values = valuesOf(decoder.embedding).toArray();
    for (let row = 0; row < vocabulary; row++) {
      const wanted = [1, -2.5, 0.15625][row % 3];
      if (values[row * hidden] !== wanted || values[row * hidden + hidden - 1] !== wanted) assert.fail(`row ${row} starts with ${values[row * hidden]}`);
    }
    disposeDecoder(decoder);
    assert.equal(liveTensors(), before);
  });
}

test('refuses weights of integers and a config with more layers than there are tensors', async () => {
  const whole = stored();
  const integers: StoredWeights = { ...whole, info: (name) => ({ ...whole.info(name), dtype: 'int32' }) };
  await assert.rejects(readDecoder(config, integers, 'float32'), { name: 'FileFormatError', message: /to hold floating numbers, got int32/ });
  await assert.rejects(readDecoder({ ...config, num_hidden_layers: 900 }, whole, 'float32'), { name: 'FileFormatError', message: /900 layers.*got 21 tensors/ });
  await assert.rejects(readDecoder({ ...config, num_hidden_layers: 4e9 }, whole, 'float32'), { name: 'InputError', message: /num_hidden_layers.*from 1 to 1000, got 4000000000/ });
});

test('a copy shares no memory and is not trained', async () => {
  const before = liveTensors();
  const decoder = await readDecoder(config, stored(), 'float32');
  for (const weight of decoder.trained.values()) weight.requiresGrad_();
  const copy = copyDecoder(decoder);
  assert.ok([...copy.trained.values()].every(({ requiresGrad }) => !requiresGrad));
  disposeDecoder(decoder);
  assert.equal(valuesOf(copy.head).toArray()[0], copy.trained.size - 1);
  disposeDecoder(copy);
  assert.equal(liveTensors(), before);
});

test('mixing moves every weight of the target by the share α towards the source, which stays as it is; α = 1 copies', async () => {
  const before = liveTensors();
  const source = await readDecoder(config, stored(), 'float32');
  for (const weight of source.trained.values()) weight.requiresGrad_();
  const target = copyDecoder(source);
  const numbers = (decoder: typeof source) => [...decoder.trained.values()].map((weight) => Array.from(weight.toArray(), Number));
  const own = numbers(source);
  // The target starts at 3 more than the source everywhere.
  for (const weight of target.trained.values()) scope(() => void add_(weight, tensor(3, [])));
  const off = (by: number) => own.map((values) => values.map((value) => value + by));
  await mixDecoder(target, source, 0.75);
  assert.deepEqual(numbers(target), off(0.75));
  await mixDecoder(target, source, 1);
  assert.deepEqual(numbers(target), own);
  assert.deepEqual(numbers(source), own);
  assert.ok([...target.trained.values()].every(({ requiresGrad }) => !requiresGrad));
  disposeDecoder(source);
  disposeDecoder(target);
  assert.equal(liveTensors(), before);
});

const refused: [string, StoredWeights, RegExp][] = [
  ['a missing weight', stored({ 'model.norm.weight': null }), /to hold `model\.norm\.weight`, got none/],
  ['a wrong shape', stored({ 'model.layers.1.mlp.up_proj.weight': [8, 12] }), /`model\.layers\.1\.mlp\.up_proj\.weight` to have shape \[12, 8\] as config\.json says, got \[8, 12\]/],
  ['a missing axis', stored({ 'model.norm.weight': [8, 1] }), /to have shape \[8\] as config\.json says, got \[8, 1\]/],
];

for (const [what, weights, message] of refused) {
  test(`refuses ${what} before anything is read`, async () => {
    const reads: string[] = [];
    const watched: StoredWeights = { ...weights, read: (name) => (reads.push(name), weights.read(name)) };
    await assert.rejects(readDecoder(config, watched, 'float32'), { name: 'FileFormatError', message });
    assert.deepEqual(reads, []);
  });
}

test('a read that fails midway leaves nothing behind', async () => {
  const before = liveTensors();
  await assert.rejects(readDecoder(config, stored({}, 'model.norm.weight'), 'float32'), /the disk is gone/);
  assert.equal(liveTensors(), before);
});
