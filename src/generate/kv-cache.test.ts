import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { DecoderConfig } from '../model/decoder-config.ts';
import * as ops from '../tensor/ops.ts';
import { normals } from '../tensor/random.ts';
import { liveTensors, scope } from '../tensor/scope.ts';
import { tensor } from '../tensor/tensor.ts';
import type { DType, Tensor } from '../tensor/tensor.ts';
import { addLayer, disposePromptCache, SlotCache } from './kv-cache.ts';
import type { PromptCache } from './kv-cache.ts';

const [heads, kv, d, prompt] = [4, 2, 6, 5];
const config = { layers: 1, heads, keyValueHeads: kv, headDim: d } as DecoderConfig;
const scale = d ** -0.5;
const settings = { scale, window: null, cap: null };
const kinds = [settings, { scale, window: 1, cap: null }, { scale, window: 4, cap: 0.8 }, { scale, window: 40, cap: null }];
let stream = 0;
const random = (...shape: number[]) => tensor(normals(shape.reduce((product, size) => product * size, 1), 1, 4, stream++), shape);

/** softmax(cap(q·kᵀ·scale))·v of one row over all keys so far: q [heads, d], keys and values [n, kv, d], in plain JavaScript. */
function attendByHand(q: number[], keys: number[][], values: number[][], cap: number | null): number[] {
  return Array.from({ length: heads }, (_, h) => {
    const shared = Math.floor(h / (heads / kv)) * d;
    const scores = keys.map((key) => Array.from({ length: d }, (_, i) => q[h * d + i]! * key[shared + i]!).reduce((a, b) => a + b, 0) * scale);
    const weights = scores.map((score) => Math.exp(cap === null ? score : cap * Math.tanh(score / cap)));
    const total = weights.reduce((a, b) => a + b, 0);
    return Array.from({ length: d }, (_, i) => values.reduce((sum, value, n) => sum + (weights[n]! / total) * value[shared + i]!, 0));
  }).flat();
}

const rowsOf = (x: Tensor): number[][] => {
  const flat = Array.from(x.toArray(), Number);
  const width = flat.length / x.size(0);
  return Array.from({ length: x.size(0) }, (_, r) => flat.slice(r * width, (r + 1) * width));
};

/** A row and all that it has seen. */
interface Row {
  slot: number;
  prompt: PromptCache;
  own: number;
  keys: number[][];
  values: number[][];
}

/** A prompt of random keys and values, as the cache holds it and token by token. */
function promptOf(length: number): { cache: PromptCache; keys: number[][]; values: number[][] } {
  const [keys, values] = [random(length, kv, d), random(length, kv, d)];
  const cache: PromptCache = { keys: [], values: [] };
  addLayer(cache, keys, values);
  return { cache, keys: rowsOf(keys), values: rowsOf(values) };
}

/** One decode step of these rows, compared with what JavaScript says. */
function stepAndCompare(cache: SlotCache, rows: Row[], kind: (typeof kinds)[number]): void {
  const places = cache.place(rows.map(({ slot, own, prompt }) => ({ slot, length: own + 1, prompt })));
  const [q, k, v] = [random(rows.length, heads, d), random(rows.length, kv, d), random(rows.length, kv, d)];
  const got = rowsOf(cache.attend(0, q, k, v, places, kind));
  rows.forEach((row, r) => {
    row.own += 1;
    row.keys.push(rowsOf(k)[r]!);
    row.values.push(rowsOf(v)[r]!);
    const seen = kind.window ?? 1000;
    const wanted = attendByHand(rowsOf(q)[r]!, row.keys.slice(-seen), row.values.slice(-seen), kind.cap);
    wanted.forEach((value, i) => assert.ok(Math.abs(got[r]![i]! - value) < 2e-6, `row ${r} with ${row.own} tokens: ${got[r]![i]} is not ${value}`));
  });
}

for (const kind of kinds) {
  test(`attention over prompts and own tokens, past the growth of the cache, while rows leave and others take their slots: window ${kind.window}, cap ${kind.cap}`, () => {
    const before = liveTensors();
    scope(() => {
      const prompts = [promptOf(prompt), promptOf(1), promptOf(9)];
      const cache = new SlotCache(config, 'float32', 4);
      const enter = (p: number, slot: number): Row => {
        const { cache: prompt, keys, values } = prompts[p]!;
        return { slot, prompt, own: 0, keys: [...keys], values: [...values] };
      };
      let rows = [enter(0, 0), enter(0, 2), enter(1, 1)];
      for (let step = 0; step < 70; step++) {
        if (step === 3) rows = [rows[0]!, rows[2]!];
        if (step === 4) rows.push(enter(2, 2), enter(1, 3));
        if (step === 66) rows = [rows[1]!, enter(0, 0)];
        scope(() => stepAndCompare(cache, rows, kind));
      }
      assert.deepEqual(rows.map(({ own }) => own), [70, 4]);
      cache.dispose();
      for (const { cache: one } of prompts) disposePromptCache(one);
      assert.throws(() => prompts[0]!.cache.keys[0]!.toArray(), { name: 'DisposedTensorError' });
    });
    assert.equal(liveTensors(), before);
  });
}

test('other dtypes attend in their own precision', () => {
  scope(() => {
    const [pk, pv] = [random(prompt, kv, d), random(prompt, kv, d)];
    const parts = [random(2, heads, d), random(2, kv, d), random(2, kv, d)] as const;
    const attend = (dtype: DType) => {
      const as = (x: Tensor) => ops.to(x, dtype);
      const cache = new SlotCache(config, dtype, 2);
      const promptCache: PromptCache = { keys: [], values: [] };
      addLayer(promptCache, as(pk), as(pv));
      const places = cache.place([{ slot: 1, length: 1, prompt: promptCache }, { slot: 0, length: 1, prompt: promptCache }]);
      const result = cache.attend(0, as(parts[0]), as(parts[1]), as(parts[2]), places, settings);
      assert.equal(result.dtype, dtype);
      const values = Array.from(result.toArray(), Number);
      cache.dispose();
      places.rows.dispose();
      return values;
    };
    const exact = attend('float64');
    for (const [dtype, tolerance] of [['float32', 1e-6], ['float16', 1e-2], ['bfloat16', 5e-2]] as const) {
      attend(dtype).forEach((value, i) => assert.ok(Math.abs(value - exact[i]!) < tolerance, `${dtype}: ${value} is not ${exact[i]}`));
    }
  });
});

test('a row without a place is refused, not written somewhere', () => {
  scope(() => {
    const cache = new SlotCache(config, 'float32', 2);
    const { cache: one } = promptOf(3);
    const { prompts } = cache.place([{ slot: 1, length: 1, prompt: one }]);
    const attend = (slot: number, length: number) => cache.attend(0, random(1, heads, d), random(1, kv, d), random(1, kv, d), { rows: tensor(BigInt64Array.of(BigInt(slot), BigInt(length), 0n), [1, 3]), prompts }, settings);
    assert.deepEqual(attend(1, 1).shape, [1, heads * d]);
    for (const [slot, length] of [[2, 1], [-1, 1], [0, 0], [0, 65]] as const) assert.throws(() => attend(slot, length), /rows within slots/);
    cache.dispose();
  });
});
