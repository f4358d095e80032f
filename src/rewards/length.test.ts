import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sampleOf } from '../../test/reward-sample.ts';
import { length } from './length.ts';

const recipe4: [characters: number, reward: number][] = [[100, -100], [150, -50], [180, -20], [195, -5], [200, 0], [205, -5], [220, -20], [250, -50], [300, -100]];
for (const [characters, reward] of recipe4) {
  test(`recipe 4: ${characters} characters earn ${reward}`, () => assert.equal(length({ target: 200 })(sampleOf('é'.repeat(characters))), reward));
}

test('characters are code points, tokens are ids', () => {
  assert.equal(length({ target: 50 })(sampleOf('ab😀')), -47);
  assert.equal(length({ target: 50, unit: 'tokens' })(sampleOf('ab😀', { ids: [1, 2] })), -48);
  assert.equal(length({ target: 50 })(sampleOf('')), -50);
});

test('the best reward is 0, not −0', () => assert.ok(Object.is(length({ target: 3 })(sampleOf('a b')), 0)));

test('refuses a target below 0 and unknown units', () => {
  assert.throws(() => length({ target: -1 }), /`length\.target` to be a number of 0 or more, got -1/);
  assert.throws(() => length({ target: Number.NaN }), /`length\.target`/);
  assert.throws(() => length({ target: 1, unit: 'words' as 'tokens' }), /`length\.unit` to be 'characters' or 'tokens', got "words"/);
});
