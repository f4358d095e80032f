import assert from 'node:assert/strict';
import { test } from 'node:test';
import { chooseWorks, runKey, shapeText, works } from './works.ts';

test('every work in its own shape, or some of them in another', () => {
  assert.deepEqual(chooseWorks(null, {}), works);
  const chosen = chooseWorks('full, rollout', { prompts: 2, newTokens: 96 });
  assert.deepEqual(Object.keys(chosen), ['full', 'rollout']);
  assert.deepEqual(chosen.full!.shape, { prompts: 2, generations: 4, promptTokens: 128, newTokens: 96 });
  assert.deepEqual(chosen.rollout!.shape, { prompts: 2, generations: 4, promptTokens: 128, newTokens: 96 });
});

test('training is a part of the runs of full; sampling alone and longer ones are runs of their own', () => {
  assert.equal(runKey(works.training!), runKey(works.full!));
  assert.equal(new Set(Object.values(works).map(runKey)).size, Object.keys(works).length - 1);
});

test('names and shapes that cannot be', () => {
  assert.throws(() => chooseWorks('ful', {}), /Expected `works` to name full, lora, long, rollout, unshared, training/);
  assert.throws(() => chooseWorks('constructor', {}), /Expected `works` to name/);
  assert.throws(() => chooseWorks(null, { promptTokens: 0.5 }), /Expected `promptTokens` to be a whole number/);
  assert.throws(() => chooseWorks('full', { generations: 1 }), /Expected `generations` to be 2 or more for `full`/);
});

test('a shape in words', () => assert.equal(shapeText(works.long!.shape), '2 × 8 × (256 + 128)'));
