/** Attention over packed trees: the fused op and its plain twin against dense attention under a tree mask. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { grad } from '../tensor/autograd.ts';
import { native } from '../tensor/binding.ts';
import * as ops from '../tensor/ops.ts';
import { normals } from '../tensor/random.ts';
import { liveTensors, scope } from '../tensor/scope.ts';
import { tensor } from '../tensor/tensor.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { attentionSettings } from './attention.ts';
import type { AttentionSettings } from './attention.ts';
import { disposeBatch, packTrees } from './packed-batch.ts';
import type { TokenTree } from './packed-batch.ts';
import { treeAttention } from './tree-attention.ts';

/** Who sees whom, as lengths say it: a token sees its tree's prompt, its own completion, and of both only what is not behind it. */
function visible(trees: readonly TokenTree[], window: number): boolean[][] {
  const places = trees.flatMap(({ prompt, completions }, tree) => [
    ...prompt.map((_, i) => ({ tree, completion: -1, position: i })),
    ...completions.flatMap((ids, completion) => ids.slice(0, -1).map((_, t) => ({ tree, completion, position: prompt.length + t }))),
  ]);
  return places.map((query) =>
    places.map((key) => key.tree === query.tree && key.position <= query.position && key.position > query.position - window && (key.completion === -1 || key.completion === query.completion)),
  );
}

/** Attention with a dense [N, N] mask over heads that are repeated by hand. */
function denseAttention(trees: readonly TokenTree[], { window, cap }: AttentionSettings, q: Tensor, k: Tensor, v: Tensor): Tensor {
  const [tokens, heads, d] = q.shape as [number, number, number];
  const repeats = heads / k.size(1);
  const mask = tensor(visible(trees, window ?? Infinity).flat().map((seen) => (seen ? 0 : -Infinity)), [tokens, tokens], q.dtype);
  const wide = (x: Tensor) => ops.transpose(ops.repeatInterleave(x, repeats, 1), 0, 1); // [heads, N, d]
  const scores = ops.divScalar(ops.matmul(ops.transpose(q, 0, 1), ops.transpose(wide(k), 1, 2)), Math.sqrt(d));
  const soft = cap === null ? scores : ops.mulScalar(ops.tanh(ops.divScalar(scores, cap)), cap);
  const attended = ops.matmul(ops.softmax(ops.add(soft, mask), -1), wide(v)); // [heads, N, d]
  return ops.reshape(ops.transpose(attended, 0, 1), [tokens, heads * d]);
}

const shapes: Record<string, TokenTree[]> = {
  'ragged completions': [{ prompt: [1, 2, 3], completions: [[1, 2, 3], [1, 2, 3, 4, 5, 6], [1, 2]] }],
  'completions of one length': [{ prompt: [1, 2], completions: [[1, 2, 3, 4], [4, 5, 6, 7]] }],
  'one completion': [{ prompt: [1, 2, 3], completions: [[1, 2, 3]] }],
  'no completions': [{ prompt: [1, 2, 3, 4], completions: [] }],
  'empty completions among others': [{ prompt: [1, 2], completions: [[], [1, 2, 3, 4], [5], [4, 5]] }],
  'nothing but empty completions': [{ prompt: [1, 2], completions: [[], []] }],
  'a prompt of one token': [{ prompt: [1], completions: [[1, 2, 3], [3, 4]] }],
  'several trees': [
    { prompt: [1, 2, 3], completions: [[1, 2], [1]] },
    { prompt: [1], completions: [[5, 6, 7]] },
    { prompt: [1, 2], completions: [] },
    { prompt: [4, 4, 4, 4], completions: [[1], [1, 2, 3]] },
  ],
};

/** Heads, key heads and their width. */
type Sizes = readonly [heads: number, keyHeads: number, d: number];

/** q, k and v as they come in a layer: q made anew by the rotation, k and v cut out of one product. */
function inputs(tokens: number, [heads, keyHeads, d]: Sizes, dtype: 'float32' | 'float64'): Tensor[] {
  return [tensor(normals(tokens * heads * d, 1, 3, 0), [tokens, heads, d], dtype), tensor(normals(tokens * 2 * keyHeads * d, 1, 3, 1), [tokens, 2 * keyHeads, d], dtype)];
}

/** Output, and gradients of what q, k and v are made of, as numbers. */
function passes(tokens: number, sizes: Sizes, dtype: 'float32' | 'float64', attend: (q: Tensor, k: Tensor, v: Tensor) => Tensor): number[][] {
  return scope(() => {
    const [q, both] = inputs(tokens, sizes, dtype).map((x) => x.requiresGrad_()) as [Tensor, Tensor];
    const [k, v] = ops.split(both, [sizes[1], sizes[1]], 1) as [Tensor, Tensor];
    const output = attend(q, k, v);
    const width = sizes[0] * sizes[2];
    assert.deepEqual(output.shape, [tokens, width]);
    const gradients = grad([output], [q, both], [tensor(normals(tokens * width, 1, 3, 3), [tokens, width], dtype)]);
    return [output, ...gradients].map((x) => Array.from(x!.toArray(), Number));
  });
}

function assertNear(got: readonly number[][], wanted: readonly number[][], tolerance: number): void {
  got.forEach((values, part) => values.forEach((value, i) => assert.ok(Math.abs(value - wanted[part]![i]!) < tolerance, `part ${part} at ${i}: ${value} is not ${wanted[part]![i]}`)));
}

const small: Sizes = [4, 2, 6];
const scale = 6 ** -0.5;
const kinds: Record<string, { settings: AttentionSettings; dtype: 'float32' | 'float64'; tolerance: number }> = {
  fused: { settings: { kernel: 'sdpa', scale, cap: null, window: null }, dtype: 'float32', tolerance: 2e-6 },
  'fused, a window of 1': { settings: { kernel: 'sdpa', scale, cap: null, window: 1 }, dtype: 'float32', tolerance: 2e-6 },
  'fused, a window of 3': { settings: { kernel: 'sdpa', scale, cap: null, window: 3 }, dtype: 'float32', tolerance: 2e-6 },
  'fused, a window that holds everything': { settings: { kernel: 'sdpa', scale, cap: null, window: 9 }, dtype: 'float32', tolerance: 2e-6 },
  sdpa: { settings: { kernel: 'sdpa', scale, cap: null, window: null }, dtype: 'float64', tolerance: 1e-12 },
  'sdpa, a window of 3': { settings: { kernel: 'sdpa', scale, cap: null, window: 3 }, dtype: 'float64', tolerance: 1e-12 },
  eager: { settings: { kernel: 'eager', scale, cap: null, window: null }, dtype: 'float32', tolerance: 2e-6 },
  'eager, a window of 2 and a soft cap': { settings: { kernel: 'eager', scale, cap: 0.7, window: 2 }, dtype: 'float64', tolerance: 1e-12 },
};

for (const [name, trees] of Object.entries(shapes)) {
  for (const [kind, { settings, dtype, tolerance }] of Object.entries(kinds)) {
    test(`tree attention is dense attention under a tree mask, values and gradients: ${name}, ${kind}`, () => {
      const before = liveTensors();
      const batch = packTrees(trees, 32);
      const got = passes(batch.tokens, small, dtype, treeAttention(batch, settings));
      assertNear(got, passes(batch.tokens, small, dtype, (q, k, v) => denseAttention(trees, settings, q, k, v)), tolerance);
      disposeBatch(batch);
      assert.equal(liveTensors(), before);
    });
  }
}

const ids = (count: number) => Array.from({ length: count }, () => 1);
/** Longer than the blocks of queries (48) and of keys (96) by nothing, by one, and by no whole number of vectors. */
const long: TokenTree[] = [
  { prompt: ids(131), completions: [ids(50), ids(98), ids(2), ids(49)] },
  { prompt: ids(97), completions: [ids(65)] },
  { prompt: ids(48), completions: [] },
];

for (const sizes of [[9, 3, 64], [2, 2, 40], [3, 1, 17]] as Sizes[]) {
  for (const window of [null, 40, 100]) {
    test(`the fused op beyond its blocks is the plain twin in float64: heads ${sizes}, window ${window}`, () => {
      const batch = packTrees(long, 256);
      const settings: AttentionSettings = { kernel: 'sdpa', scale: sizes[2] ** -0.5, cap: null, window };
      const [fused, plain] = (['float32', 'float64'] as const).map((dtype) => passes(batch.tokens, sizes, dtype, treeAttention(batch, settings)));
      assertNear(fused!, plain!, 2e-5);
      disposeBatch(batch);
    });
  }
}

test('the same bits from one thread and from two', () => {
  const threads = native().getThreads();
  const batch = packTrees(long, 256);
  try {
    const [one, two] = [1, 2].map((count) => {
      native().setThreads(count);
      return passes(batch.tokens, [9, 3, 64], 'float32', treeAttention(batch, { kernel: 'sdpa', scale: 0.125, cap: null, window: null }));
    });
    assert.deepEqual(one, two);
  } finally {
    native().setThreads(threads);
    disposeBatch(batch);
  }
});

test('scores far apart neither overflow nor lose the token that matters', () => {
  const batch = packTrees([{ prompt: [1, 2], completions: [[1, 2]] }], 32);
  scope(() => {
    const x = tensor([-300, 300, 300], [3, 1, 1]);
    const y = treeAttention(batch, { kernel: 'sdpa', scale: 1, cap: null, window: null })(x, x, x);
    assert.deepEqual([...y.toArray()], [-300, 300, 300]);
  });
  disposeBatch(batch);
});

test('the fused op refuses segments that do not cover the tokens, and a second derivative', () => {
  scope(() => {
    const x = ops.full([4, 1, 8], 1, 'float32').requiresGrad_();
    const attend = (rows: number[]) => ops.packedAttention(x, x, x, tensor(rows, [rows.length / 3, 3], 'int64'), 1, 0);
    assert.throws(() => attend([0, 3, 0]), /segments that hold every token/);
    assert.throws(() => attend([0, 2, 0, 3, 1, 2]), /segments one behind the other/);
    assert.throws(() => attend([0, 2, 0, 2, 2, 3]), /shared tokens before the segment, in its tree/);
    assert.throws(() => attend([0, 4, 1]), /shared tokens before the segment, in its tree/);
    assert.throws(() => grad([ops.sum(attend([0, 4, 0]))], [x], [null], { createGraph: true }), /no second derivative/);
  });
});

test('a soft cap needs the plain operations; the window is that of the layer', () => {
  const config = { windows: [null, 4], attentionScale: 0.5, attentionCap: null } as unknown as Parameters<typeof attentionSettings>[0]['config'];
  assert.deepEqual(attentionSettings({ config, attention: 'sdpa' }).map(({ kernel, window }) => [kernel, window]), [['sdpa', null], ['sdpa', 4]]);
  assert.deepEqual(attentionSettings({ config: { ...config, attentionCap: 50 }, attention: 'sdpa' })[1], { kernel: 'eager', scale: 0.5, cap: 50, window: 4 });
});
