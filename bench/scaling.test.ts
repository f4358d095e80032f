import assert from 'node:assert/strict';
import { test } from 'node:test';
import { axesFor, pointsOf } from './scaling.ts';

// The network of flops.test.ts. A step of one prompt, two completions, 2 + 2 tokens is 344 + 1092 operations.
const network = { layers: 1, hiddenSize: 2, intermediateSize: 3, heads: 1, keyValueHeads: 1, headDim: 2, vocabSize: 5 };
const shape = { prompts: 1, generations: 2, promptTokens: 2, newTokens: 2 };
const place = (prompts: number, threads = 1) => ({ x: prompts, setting: { shape: { ...shape, prompts }, millions: 5 as const, threads } });
const networkOf = () => network;

test('time over work, relative to its median', () => {
  const roof = { 1: { gemmGflops: 1e-9, memoryGbs: 1 } };
  const seconds = ({ shape: { prompts } }: { shape: { prompts: number } }) => [{ 1: 1436, 2: 2 * 1436 * 1.5, 4: 4 * 1436 * 3 }[prompts]!];
  const points = pointsOf({ points: [place(1), place(2), place(4)] }, seconds, networkOf, roof);
  assert.deepEqual(points.map(({ relative }) => Number(relative.toFixed(9))), [0.666666667, 1, 2]);
  assert.deepEqual(points.map(({ gflop }) => gflop), [1436e-9, 2872e-9, 5744e-9]);
  assert.deepEqual(points.map(({ roofShare }) => Number(roofShare.toFixed(9))), [1, 0.666666667, 0.333333333]);
});

test('with another number of threads the work is measured by the peak of that number', () => {
  const roof = { 1: { gemmGflops: 1e-9, memoryGbs: 1 }, 2: { gemmGflops: 1.5e-9, memoryGbs: 1 } };
  const points = pointsOf({ points: [place(1, 1), { ...place(1, 2), x: 2 }] }, ({ threads }) => [threads === 1 ? 3000 : 2000], networkOf, roof);
  assert.deepEqual(points.map(({ relative }) => Number(relative.toFixed(9))), [1, 1]);
});

test('threads double up to as many as there are', () => {
  const counts = (threads: number) => axesFor(threads).find(({ name }) => name === 'threads')!.points.map(({ x }) => x);
  assert.deepEqual([1, 2, 6, 8].map(counts), [[1], [1, 2], [1, 2, 4, 6], [1, 2, 4, 8]]);
});

test('every axis holds the other sizes still', () => {
  for (const { name, points } of axesFor(2)) {
    const kinds = points.map(({ setting: { shape: s, millions, threads } }) => ({ prompts: s.prompts, generations: s.generations, 'prompt-tokens': s.promptTokens, 'new-tokens': s.newTokens, 'model-size': millions, threads }));
    for (const key of Object.keys(kinds[0]!) as (keyof (typeof kinds)[0])[]) assert.equal(new Set(kinds.map((kind) => kind[key])).size, key === name ? points.length : 1, `${name}: ${key}`);
  }
});
