import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { tinyDecoder } from '../../test/fixtures/model/tiny-decoder.ts';
import { grad } from '../tensor/autograd.ts';
import { liveTensors, scope } from '../tensor/scope.ts';
import { tensor } from '../tensor/tensor.ts';
import { openCheckpoint } from '../weights/checkpoint.ts';
import { disposeDecoder } from './decoder.ts';
import type { StoredWeights } from './read-weights.ts';
import { disposeHeaded, newValueHead, readHead, readHeaded, scoreSequences, tokenValues } from './heads.ts';
import { valuesOf } from './weight.ts';

const fixtures = fileURLToPath(new URL('../../test/fixtures/model/families', import.meta.url));

/** A checkpoint of heads alone: shapes by name, filled with 2. */
function stored(shapes: Record<string, number[]>): StoredWeights {
  const bytes = (shape: readonly number[]) => new Uint8Array(new Float32Array(shape.reduce((product, size) => product * size, 1)).fill(2).buffer);
  return {
    names: () => Object.keys(shapes),
    info: (name) => ({ dtype: 'float32', shape: shapes[name]! }),
    read: (name) => ({ dtype: 'float32', shape: shapes[name]!, bytes: bytes(shapes[name]!) }),
  };
}

for (const name of ['llama3-score', 'gemma2-score']) {
  test(`scores of whole sequences are those of transformers, padding behind them or not: ${name}`, async () => {
    const before = liveTensors();
    const { rows, scores } = JSON.parse(readFileSync(`${fixtures}/${name}.json`, 'utf8')) as { rows: number[][]; scores: number[][] };
    const checkpoint = openCheckpoint({ kind: 'folder', path: `${fixtures}/${name}` });
    assert.ok(!checkpoint.names().includes('lm_head.weight'));
    const model = await readHeaded('score', checkpoint.config, checkpoint, 'float32');
    checkpoint.close();
    const got = await scoreSequences(model, rows);
    got.forEach((labels, row) => {
      assert.equal(labels.length, 3);
      labels.forEach((value, i) => assert.ok(Math.abs(value - scores[row]![i]!) < 1e-5, `row ${row}: ${value} is not ${scores[row]![i]}`));
    });
    const [padded] = rows.slice(-1);
    assert.equal(padded!.at(-1), model.trunk.config.paddingId);
    const [bare] = await scoreSequences(model, [padded!.slice(0, -2)]);
    bare!.forEach((value, i) => assert.ok(Math.abs(value - scores.at(-1)![i]!) < 1e-5));
    disposeHeaded(model);
    assert.equal(liveTensors(), before);
  });
}

test('a row of nothing but padding is scored at its first token', async () => {
  const trunk = tinyDecoder();
  trunk.config = { ...trunk.config, paddingId: 2 };
  const head = await readHead('score', stored({ 'score.weight': [1, 24] }), 24, 'float32');
  const [all, first] = await scoreSequences({ trunk, head }, [[2, 2, 2], [2]]);
  assert.ok(Math.abs(all![0]! - first![0]!) < 1e-6);
  head.weight.dispose();
  disposeDecoder(trunk);
});

test('values by hand, and the gradient of the head', () => {
  scope(() => {
    const head = { weight: tensor([1, -2], [1, 2]).requiresGrad_(), bias: tensor([0.5]), adapter: null };
    const values = tokenValues(head, tensor([3, 1, 0, 4], [2, 2]));
    assert.deepEqual([...values.toArray()], [1.5, -7.5]);
    const [gradient] = grad([values], [head.weight], [tensor([1, 10])]);
    assert.deepEqual([...gradient!.toArray()], [3, 41]);
  });
});

test('a new value head says 0', () => {
  scope(() => {
    const head = newValueHead(2, 'float32');
    assert.deepEqual([...tokenValues(head, tensor([3, 1, 0, 4], [2, 2])).toArray()], [0, 0]);
    head.weight.dispose();
    head.bias!.dispose();
  });
});

test('a value head is found under both its names, with and without bias', async () => {
  const before = liveTensors();
  const both = await readHead('value', stored({ 'v_head.summary.weight': [1, 4], 'v_head.summary.bias': [1], 'score.weight': [3, 4] }), 4, 'bfloat16');
  assert.deepEqual([both.weight.shape, valuesOf(both.weight).dtype, both.bias!.shape], [[1, 4], 'bfloat16', [1]]);
  const classifier = await readHead('value', stored({ 'score.weight': [1, 4] }), 4, 'float32');
  assert.equal(classifier.bias, null);
  for (const part of [both.weight, both.bias!, classifier.weight]) part.dispose();
  assert.equal(liveTensors(), before);
});

const refused: [string, 'score' | 'value', Record<string, number[]>, RegExp][] = [
  ['no score', 'score', { 'lm_head.weight': [9, 4] }, /to hold `score\.weight`, got none; take a model with a score head/],
  ['no value', 'value', {}, /to hold `v_head\.summary\.weight` or `score\.weight`, got none/],
  ['a score of another width', 'score', { 'score.weight': [3, 5] }, /`score\.weight` to have shape \[3, 4\] as config\.json says, got \[3, 5\]/],
  ['several values', 'value', { 'score.weight': [3, 4] }, /`score\.weight` to have shape \[1, 4\]/],
];
for (const [what, kind, shapes, message] of refused) {
  test(`refuses ${what}`, () => assert.rejects(() => readHead(kind, stored(shapes), 4, 'float32'), { name: 'FileFormatError', message }));
}

test('a model without the head leaves nothing behind', async () => {
  const before = liveTensors();
  const checkpoint = openCheckpoint({ kind: 'folder', path: `${fixtures}/llama3` });
  await assert.rejects(readHeaded('score', checkpoint.config, checkpoint, 'float32'), { name: 'FileFormatError' });
  checkpoint.close();
  assert.equal(liveTensors(), before);
});
