import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { DecoderConfig } from '../model/decoder-config.ts';
import * as ops from '../tensor/ops.ts';
import { normals } from '../tensor/random.ts';
import { liveTensors, scope } from '../tensor/scope.ts';
import { tensor } from '../tensor/tensor.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { CohortCache, disposePromptCache } from './kv-cache.ts';

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

for (const kind of kinds) {
  test(`attention over prompt and own tokens, past the growth of the cache, while rows leave: window ${kind.window}, cap ${kind.cap}`, () => {
    const before = liveTensors();
    const seen = kind.window ?? 1000;
    scope(() => {
      const [keys, values] = [random(prompt, kv, d), random(prompt, kv, d)];
      const headsFirst = (x: Tensor) => ops.contiguous(ops.transpose(x, 0, 1));
      const promptCache = { keys: [headsFirst(keys)], values: [headsFirst(values)] };
      const cache = new CohortCache(promptCache, 3, 70, config, 'float32');
      let live = [0, 1, 2].map(() => ({ keys: rowsOf(keys), values: rowsOf(values) }));
      const leave = (places: number[]) => {
        cache.keepRows(places);
        live = places.map((place) => live[place]!);
      };
      for (let step = 0; step < 70; step++) {
        if (step === 3) leave([0, 2]);
        if (step === 66) leave([1]);
        cache.reserve();
        const [q, k, v] = [random(live.length, heads, d), random(live.length, kv, d), random(live.length, kv, d)];
        const got = rowsOf(cache.attend(0, q, k, v, kind));
        live.forEach((row, r) => {
          row.keys.push(rowsOf(k)[r]!);
          row.values.push(rowsOf(v)[r]!);
          const wanted = attendByHand(rowsOf(q)[r]!, row.keys.slice(-seen), row.values.slice(-seen), kind.cap);
          wanted.forEach((value, i) => assert.ok(Math.abs(got[r]![i]! - value) < 2e-6, `step ${step}, row ${r}`));
        });
        cache.advance();
      }
      assert.equal(cache.length, 70);
      cache.dispose();
      disposePromptCache(promptCache);
      assert.throws(() => promptCache.keys[0]!.toArray(), { name: 'DisposedTensorError' });
    });
    assert.equal(liveTensors(), before);
  });
}

test('rows may leave before the first token is cached', () => {
  scope(() => {
    const promptCache = { keys: [random(kv, prompt, d)], values: [random(kv, prompt, d)] };
    const cache = new CohortCache(promptCache, 4, 8, config, 'float32');
    cache.keepRows([1, 3]);
    cache.reserve();
    assert.deepEqual(cache.attend(0, random(2, heads, d), random(2, kv, d), random(2, kv, d), settings).shape, [2, heads * d]);
    cache.dispose();
  });
});
