import assert from 'node:assert/strict';
import { test } from 'node:test';
import { duration, estimateText } from './estimate-text.ts';

test('an estimate as text: what takes nothing is left out, the peak is marked', () => {
  const text = estimateText({
    plan: { limit: { tokens: 512 }, checkpoint: false, slots: 16, decodingCopies: true },
    memory: {
      peak: 3.2e9,
      limit: { bytes: 4e9, source: '`maxMemory`' },
      parts: {
        runtime: 3.7e8,
        weights: 5.38e8,
        adapters: 0,
        reference: 0,
        optimizer: 1.076e9,
        rewardModels: 0,
        rollout: { decodingCopies: 5.38e8, keyValueCache: 7e7, sampling: 4e7, heap: 0 },
        update: { gradients: 5.38e8, activations: 5e8, head: 7.5e7, heap: 5e7 },
      },
    },
    time: { parts: { rollout: 2.31, scoring: 0, update: 4.49 }, step: 6.8, tokensPerSecond: 451.76, steps: 100, run: 680, roof: { gemmGflops: 473.2, memoryGbs: 50.6 } },
    lengths: { longestPrompt: 128, meanPrompt: 99.6, longestCompletion: 64, meanCompletion: 40 },
  });
  assert.equal(
    text,
    `Memory at the peak: 3.20 GB, of 4.00 GB (maxMemory)
  all the time
    runtime and tokenizer               0.370 GB
    weights                             0.538 GB
    optimizer                            1.08 GB
  while completions are sampled
    decoding copies of the weights      0.538 GB
    key-value cache                    0.0700 GB
    prompts and logits on their way    0.0400 GB
  while the policy is updated: the peak
    gradients                           0.538 GB
    activations                         0.500 GB
    chunks of the head                 0.0750 GB
    unused between blocks              0.0500 GB

Time of a step: 6.8 s (rollout 2.3 s, update 4.5 s), 452 tokens per second
Time of the run: 11 min for 100 steps, without rewards

Planned: micro-batches of at most 512 tokens; 16 completions decode at once.

Taken for memory: prompts of 128 tokens, completions of 64; for time: 100 and 40.

This machine reached 473 GFLOP/s in products and 51 GB/s of memory.
`,
  );
});

test('durations', () => {
  assert.deepEqual([0.123, 6.84, 99.7, 130, 680, 36_000, 900_000].map(duration), ['0.12 s', '6.8 s', '100 s', '2.2 min', '11 min', '10 h', '250 h']);
});
