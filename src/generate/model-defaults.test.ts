import assert from 'node:assert/strict';
import { test } from 'node:test';
import { modelDefaults } from './model-defaults.ts';

test('fields under our names, with what is told of them; other values are left out', () => {
  assert.deepEqual(modelDefaults({ temperature: 0.6, top_k: 20, repetition_penalty: 1.1, top_p: null, eos_token_id: 7, do_sample: true }), {
    temperature: { value: 0.6, said: 'temperature 0.6' },
    topK: { value: 20, said: 'topK 20' },
    repetitionPenalty: { value: 1.1, said: 'repetitionPenalty 1.1' },
  });
  assert.deepEqual(modelDefaults(null), {});
});

test('do_sample false is greedy, and leaves the rest', () => {
  assert.deepEqual(modelDefaults({ do_sample: false, temperature: 0.6, repetition_penalty: 1.1 }), {
    temperature: { value: 0, said: 'temperature 0 (do_sample false)' },
    repetitionPenalty: { value: 1.1, said: 'repetitionPenalty 1.1' },
  });
});
