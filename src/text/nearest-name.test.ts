import assert from 'node:assert/strict';
import { test } from 'node:test';
import { editDistance, nearestName } from './nearest-name.ts';

test('insertions, deletions, replacements and swaps of neighbours count one each', () => {
  assert.equal(editDistance('beta', 'beta'), 0);
  assert.equal(editDistance('', 'abc'), 3);
  assert.equal(editDistance('kitten', 'sitting'), 3);
  assert.equal(editDistance('modle', 'model'), 1);
});

test('the nearest name ignores case and gives up when nothing is near', () => {
  assert.equal(nearestName('numgeneration', ['numGenerations', 'numIterations']), 'numGenerations');
  assert.equal(nearestName('xyz', ['model', 'dataset']), null);
});
