import assert from 'node:assert/strict';
import { test } from 'node:test';
import { wordsOf } from './words.ts';

test('runs of letters and digits in small letters, Han and kana one by one', () => {
  assert.deepEqual(wordsOf('The cat, 3 CATS — naïve 😀!'), ['the', 'cat', '3', 'cats', 'naïve']);
  assert.deepEqual(wordsOf('猫がGPT4を'), ['猫', 'が', 'gpt4', 'を']);
  assert.deepEqual(wordsOf(' \n'), []);
});
