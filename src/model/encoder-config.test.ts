import assert from 'node:assert/strict';
import { test } from 'node:test';
import { encoderContext, encoderFamilies, encoderPositions } from './encoder-config.ts';
import { ConfigFields } from './families/config-fields.ts';

const sizes = { vocab_size: 9, hidden_size: 4, intermediate_size: 8, num_hidden_layers: 1, num_attention_heads: 2, max_position_embeddings: 12, type_vocab_size: 1 };
const read = (family: string, fields: Record<string, unknown> = {}) => encoderFamilies[family]!(new ConfigFields({ ...sizes, ...fields }));

test('positions of BERT count from 0, those of RoBERTa from behind the padding id, which takes none', () => {
  assert.deepEqual(encoderPositions([5, 0, 7], read('bert')), [0, 1, 2]);
  assert.deepEqual(encoderPositions([5, 1, 7, 8], read('roberta')), [2, 1, 3, 4]);
  assert.deepEqual(encoderPositions([5, 1, 3], read('roberta', { pad_token_id: 3 })), [4, 5, 3]);
});

test('the context is what positions are left', () => {
  assert.equal(encoderContext(read('bert')), 12);
  assert.equal(encoderContext(read('roberta')), 10);
});

test('the unit of the feed-forward is the one that config.json names', () => {
  assert.deepEqual(['gelu', 'gelu_new', 'gelu_pytorch_tanh', 'relu'].map((hidden_act) => read('bert', { hidden_act }).activation), ['gelu', 'geluTanh', 'geluTanh', 'relu']);
  assert.equal(read('bert').activation, 'gelu');
});
