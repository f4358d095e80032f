import assert from 'node:assert/strict';
import { test } from 'node:test';
import { grad } from '../tensor/autograd.ts';
import * as ops from '../tensor/ops.ts';
import { normals } from '../tensor/random.ts';
import { liveTensors, scope } from '../tensor/scope.ts';
import { tensor } from '../tensor/tensor.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { attentionSettings } from './attention.ts';
import type { AttentionSettings } from './attention.ts';
import { disposeBatch, packTrees, treeAttention } from './packed-batch.ts';
import type { PackedBatch, TokenTree } from './packed-batch.ts';

const ints = (x: Tensor) => Array.from(x.toArray(), Number);

test('a tree lies packed: prompt once, positions restart behind it, each token is predicted by the one before it', () => {
  const before = liveTensors();
  const batch = packTrees(
    [
      { prompt: [1, 2, 3], completions: [[4, 5], [6], []] },
      { prompt: [7], completions: [[8, 9]] },
    ],
    16,
    'float32',
  );
  assert.deepEqual(ints(batch.ids), [1, 2, 3, 4, 5, 6, 7, 8, 9]);
  assert.deepEqual(ints(batch.positions), [0, 1, 2, 3, 4, 3, 0, 1, 2]);
  assert.deepEqual(ints(batch.targets), [4, 5, 6, 8, 9]);
  assert.deepEqual(ints(batch.predictors), [2, 3, 2, 6, 7]);
  assert.deepEqual([batch.tokens, batch.predicted], [9, 5]);
  disposeBatch(batch);
  assert.equal(liveTensors(), before);
});

test('refuses an empty prompt, and one that does not fit the context with its longest completion', () => {
  assert.throws(() => packTrees([{ prompt: [1], completions: [] }, { prompt: [], completions: [[1]] }], 8, 'float32'), /prompts\[1\]` to have at least one token/);
  assert.throws(() => packTrees([{ prompt: [1, 2], completions: [[1], [1, 2, 3]] }], 4, 'float32'), /to fit the context of 4 tokens with its completion, got "5 tokens"/);
});

/** Who sees whom, as lengths say it: a token sees its tree's prompt, its own completion, and of both only what is not behind it. */
function visible(trees: readonly TokenTree[], window: number): boolean[][] {
  const places = trees.flatMap(({ prompt, completions }, tree) => [
    ...prompt.map((_, i) => ({ tree, completion: -1, position: i })),
    ...completions.flatMap((ids, completion) => ids.map((_, t) => ({ tree, completion, position: prompt.length + t }))),
  ]);
  return places.map((query) =>
    places.map((key) => key.tree === query.tree && key.position <= query.position && key.position > query.position - window && (key.completion === -1 || key.completion === query.completion)),
  );
}

/** Attention with a dense [N, N] mask over heads that are repeated by hand. */
function denseAttention(trees: readonly TokenTree[], { window, cap }: AttentionSettings, q: Tensor, k: Tensor, v: Tensor): Tensor {
  const [tokens, heads, d] = q.shape as [number, number, number];
  const repeats = heads / k.size(1);
  const mask = tensor(visible(trees, window ?? Infinity).flat().map((seen) => (seen ? 0 : -Infinity)), [tokens, tokens]);
  const wide = (x: Tensor) => ops.transpose(ops.repeatInterleave(x, repeats, 1), 0, 1); // [heads, N, d]
  const scores = ops.divScalar(ops.matmul(ops.transpose(q, 0, 1), ops.transpose(wide(k), 1, 2)), Math.sqrt(d));
  const soft = cap === null ? scores : ops.mulScalar(ops.tanh(ops.divScalar(scores, cap)), cap);
  const attended = ops.matmul(ops.softmax(ops.add(soft, mask), -1), wide(v)); // [heads, N, d]
  return ops.reshape(ops.transpose(attended, 0, 1), [tokens, heads * d]);
}

const shapes: Record<string, TokenTree[]> = {
  'ragged completions': [{ prompt: [1, 2, 3], completions: [[1, 2], [1, 2, 3, 4, 5], [1]] }],
  'completions of one length': [{ prompt: [1, 2], completions: [[1, 2, 3], [4, 5, 6]] }],
  'one completion': [{ prompt: [1, 2, 3], completions: [[1, 2]] }],
  'no completions': [{ prompt: [1, 2, 3, 4], completions: [] }],
  'empty completions among others': [{ prompt: [1, 2], completions: [[], [1, 2, 3], [], [4]] }],
  'nothing but empty completions': [{ prompt: [1, 2], completions: [[], []] }],
  'a prompt of one token': [{ prompt: [1], completions: [[1, 2], [3]] }],
  'several trees': [
    { prompt: [1, 2, 3], completions: [[1, 2], [1]] },
    { prompt: [1], completions: [[5, 6, 7]] },
    { prompt: [1, 2], completions: [] },
    { prompt: [4, 4, 4, 4], completions: [[1], [1, 2, 3]] },
  ],
};

/** Output, and gradients of q, k and v, as numbers. */
function passes(tokens: number, attend: (q: Tensor, k: Tensor, v: Tensor) => Tensor): number[][] {
  return scope(() => {
    const [q, k, v] = [4, 2, 2].map((heads, i) => tensor(normals(tokens * heads * 6, 1, 3, i), [tokens, heads, 6]).requiresGrad_()) as [Tensor, Tensor, Tensor];
    const output = attend(q, k, v);
    assert.deepEqual(output.shape, [tokens, 24]);
    const gradients = grad([output], [q, k, v], [tensor(normals(tokens * 24, 1, 3, 3), [tokens, 24])]);
    return [output, ...gradients].map((x) => Array.from(x!.toArray(), Number));
  });
}

const kinds: Record<string, AttentionSettings> = {
  sdpa: { kernel: 'sdpa', scale: 6 ** -0.5, cap: null, window: null },
  eager: { kernel: 'eager', scale: 6 ** -0.5, cap: null, window: null },
  'sdpa, a window of 1': { kernel: 'sdpa', scale: 6 ** -0.5, cap: null, window: 1 },
  'sdpa, a window of 3': { kernel: 'sdpa', scale: 6 ** -0.5, cap: null, window: 3 },
  'eager, a window of 2 and a soft cap': { kernel: 'eager', scale: 6 ** -0.5, cap: 0.7, window: 2 },
  'sdpa, a window that holds everything': { kernel: 'sdpa', scale: 6 ** -0.5, cap: null, window: 9 },
};

for (const [name, trees] of Object.entries(shapes)) {
  for (const [kind, settings] of Object.entries(kinds)) {
    test(`tree attention is dense attention under a tree mask, values and gradients: ${name}, ${kind}`, () => {
      const before = liveTensors();
      const batch: PackedBatch = packTrees(trees, 32, 'float32');
      const got = passes(batch.tokens, treeAttention(batch, settings));
      const wanted = passes(batch.tokens, (q, k, v) => denseAttention(trees, settings, q, k, v));
      got.forEach((values, part) => values.forEach((value, i) => assert.ok(Math.abs(value - wanted[part]![i]!) < 2e-6, `part ${part} at ${i}: ${value} is not ${wanted[part]![i]}`)));
      disposeBatch(batch);
      assert.equal(liveTensors(), before);
    });
  }
}

test('a soft cap needs the plain operations; the window is that of the layer', () => {
  const config = { windows: [null, 4], attentionScale: 0.5, attentionCap: null } as unknown as Parameters<typeof attentionSettings>[0]['config'];
  assert.deepEqual(attentionSettings({ config, attention: 'sdpa' }).map(({ kernel, window }) => [kernel, window]), [['sdpa', null], ['sdpa', 4]]);
  assert.deepEqual(attentionSettings({ config: { ...config, attentionCap: 50 }, attention: 'sdpa' })[1], { kernel: 'eager', scale: 0.5, cap: 50, window: 4 });
});
