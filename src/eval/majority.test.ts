import assert from 'node:assert/strict';
import { test } from 'node:test';
import { majority } from './majority.ts';

test('the answer with most votes, the first of equals, none without votes', () => {
  assert.equal(majority(['7', '8', '8', '7', '8']), 1);
  assert.equal(majority(['7', '8', '8', '7']), 0);
  assert.equal(majority([null, null, '9', null]), 2);
  assert.equal(majority(['5', '4', null, '4']), 1);
  assert.equal(majority([null, null]), null);
  assert.equal(majority([]), null);
});
