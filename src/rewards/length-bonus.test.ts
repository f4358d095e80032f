import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sampleOf } from '../../test/reward-sample.ts';
import { lengthBonus } from './length-bonus.ts';

test('recipe 2: characters / 100, and 0.01 for the one message of a chat', () => {
  assert.equal(lengthBonus()(sampleOf('é'.repeat(250))), 2.5);
  assert.equal(lengthBonus()(sampleOf('')), 0);
  const messages = [{ role: 'assistant' as const, content: 'a long text' }];
  assert.equal(lengthBonus({ unit: 'messages' })(sampleOf('a long text', { messages })), 0.01);
});

test('tokens, and another length', () => assert.equal(lengthBonus({ unit: 'tokens', per: 4 })(sampleOf('', { ids: [5, 6] })), 0.5));

test('there are no messages to count for plain prompts', () => {
  assert.throws(() => lengthBonus({ unit: 'messages' })(sampleOf('text')), /`lengthBonus\.unit` to be 'characters' or 'tokens'/);
  assert.throws(() => lengthBonus({ per: 0 }), /`lengthBonus\.per`/);
});
