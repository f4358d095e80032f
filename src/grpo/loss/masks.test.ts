import assert from 'node:assert/strict';
import { test } from 'node:test';
import { tensor } from '../../tensor/tensor.ts';
import { entropyThresholdOf, offPolicyTokens, uncertainTokens } from './masks.ts';

test('a row is dropped when Â < 0 and the mean of ℓold − ℓθ is above the threshold', () => {
  // mean(ℓold − ℓθ): 0.5, 0.5, 0.25 of two tokens, 0.5 of the one token that counts.
  const logRatio = tensor([-0.5, -0.5, -0.5, -0.5, -0.5, 0, -0.5, 0], [4, 2], 'float64');
  const counts = tensor([2, 2, 2, 1], [4, 1], 'float64');
  const advantages = tensor([-1, -1, 1, 1, -1, -1, -1, 0], [4, 2], 'float64');
  assert.deepEqual([...offPolicyTokens(logRatio, counts, advantages, 0.3).toArray()], [1, 1, 0, 0, 0, 0, 1, 0]);
  assert.deepEqual([...offPolicyTokens(logRatio, counts, advantages, 0.5).toArray()], [0, 0, 0, 0, 0, 0, 0, 0]);
  assert.deepEqual([...offPolicyTokens(logRatio, counts, advantages, 0.2).toArray()], [1, 1, 0, 0, 1, 1, 1, 0]);
});

test('a token at the threshold is kept, one that does not count never', () => {
  const entropy = tensor([0.5, 1, 1.5, 0], [2, 2], 'float64');
  assert.deepEqual([...uncertainTokens(entropy, tensor([1, 1, 1, 0], [2, 2], 'bool'), 1).toArray()], [0, 1, 1, 0]);
  assert.deepEqual([...uncertainTokens(entropy, tensor([1, 1, 0, 0], [2, 2], 'bool'), -1).toArray()], [1, 1, 0, 0]);
});

test('the threshold is the linear (1 − share) quantile', () => {
  assert.equal(entropyThresholdOf([3, 1, 2], 0.5), 2);
  assert.equal(entropyThresholdOf([4, 1, 2, 3], 0.5), 2.5);
  assert.equal(entropyThresholdOf([4, 1, 2, 3], 0.25), 3.25);
  assert.equal(entropyThresholdOf([4, 1, 2, 3], 1), 1);
  assert.equal(entropyThresholdOf([4, 1, 2, 3], 0), 4);
  assert.equal(entropyThresholdOf([], 0.5), 0);
});

test('a rank that rounding moves off its token still keeps the token', () => {
  const entropies = Array.from({ length: 11 }, (_, i) => i * 1e6);
  assert.notEqual((1 - 0.7) * 10, 3);
  assert.equal(entropyThresholdOf(entropies, 0.7), 3e6);
});
