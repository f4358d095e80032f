import assert from 'node:assert/strict';
import { test } from 'node:test';
import { liveTensors } from '../tensor/scope.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { disposeBatch, packTrees } from './packed-batch.ts';

const ints = (x: Tensor) => Array.from(x.toArray(), Number);

test('a tree lies packed: prompt once, positions restart behind it, each token is predicted by the one before it, and a last one is no input', () => {
  const before = liveTensors();
  const batch = packTrees(
    [
      { prompt: [1, 2, 3], completions: [[4, 5], [6], []] },
      { prompt: [7], completions: [[8, 9]] },
    ],
    16,
  );
  assert.deepEqual(ints(batch.ids), [1, 2, 3, 4, 7, 8]);
  assert.deepEqual(ints(batch.positions), [0, 1, 2, 3, 0, 1]);
  assert.deepEqual(ints(batch.segments), [0, 3, 0, 3, 1, 3, 4, 0, 3, 4, 0, 3, 4, 1, 0, 5, 1, 1]);
  assert.deepEqual(ints(batch.targets), [4, 5, 6, 8, 9]);
  assert.deepEqual(ints(batch.predictors), [2, 3, 2, 4, 5]);
  assert.deepEqual([batch.tokens, batch.predicted], [6, 5]);
  disposeBatch(batch);
  assert.equal(liveTensors(), before);
});

test('refuses an empty prompt, and one that does not fit the context with its longest completion', () => {
  assert.throws(() => packTrees([{ prompt: [1], completions: [] }, { prompt: [], completions: [[1]] }], 8), /prompts\[1\]` to have at least one token/);
  assert.throws(() => packTrees([{ prompt: [1, 2], completions: [[1], [1, 2, 3]] }], 4), /to fit the context of 4 tokens with its completion, got "5 tokens"/);
});
