import assert from 'node:assert/strict';
import { test } from 'node:test';
import { noWarnings, promptWarnings, stepWarnings } from './warnings.ts';

/** Codes said at each step. */
function said(steps: Record<string, number>[]): string[][] {
  let state = noWarnings;
  return steps.map((metrics) => {
    const result = stepWarnings(state, metrics);
    state = result.state;
    return result.warnings.map(({ code }) => code);
  });
}

const clipped = (ratio: number): Record<string, number> => ({ 'completions/clipped_ratio': ratio });
const round = (value: number, std = 0): Record<string, number> => ({
  'rewards/a/mean': value,
  'rewards/a/std': std,
  'rewards/b/mean': value,
  'rewards/b/std': 1,
});

test('no spread: after three rounds in a row, once', () => {
  const flat = { frac_reward_zero_std: 1 };
  assert.deepEqual(said([flat, flat, flat, flat]), [[], [], ['no-spread'], []]);
  assert.deepEqual(said([flat, flat, { frac_reward_zero_std: 0.75 }, flat, flat]).flat(), []);
  assert.deepEqual(said([flat, { loss: 1 }, flat, { loss: 1 }, flat]), [[], [], [], [], ['no-spread']], 'updates without a round do not count');
});

test('cut off: from 90% on, once', () => {
  assert.deepEqual(said([clipped(0.89), clipped(0.9), clipped(1)]), [[], ['cut-off'], []]);
});

test('constant reward: five rounds of one and the same value, by name', () => {
  assert.deepEqual(said([1, 1, 1, 1, 1, 1].map((value) => round(value))), [[], [], [], [], ['constant-reward:a'], []]);
  assert.deepEqual(said([1, 1, 1, 1, 2, 2].map((value) => round(value))).flat(), [], 'another value starts anew');
  assert.deepEqual(said([round(1), round(1), round(1), round(1), round(1, 0.5), round(1)]).flat(), [], 'a varying round starts anew');
});

test('prompts: plain strings for a chat model, and lengths near the limit', () => {
  const facts = { hasChatTemplate: true, plainStrings: 2, lengths: [10, 95, 100], limit: 100 };
  const { state, warnings } = promptWarnings(noWarnings, facts);
  assert.deepEqual(warnings.map(({ code }) => code), ['plain-string', 'long-prompts']);
  assert.match(warnings[0]!.message, /^2 of 3 prompts are plain strings/);
  assert.match(warnings[1]!.message, /^2 of 3 prompts come near the limit of 100 tokens \(the longest has 100\)/);
  assert.deepEqual(promptWarnings(state, facts).warnings, [], 'once');
  const fine = { hasChatTemplate: false, plainStrings: 2, lengths: [10, 89], limit: 100 };
  assert.deepEqual(promptWarnings(noWarnings, fine).warnings, []);
});

test('every warning says where to look', () => {
  let state = noWarnings;
  const messages = promptWarnings(state, { hasChatTemplate: true, plainStrings: 1, lengths: [9], limit: 9 }).warnings;
  for (let step = 0; step < 5; step++) {
    const result = stepWarnings(state, { frac_reward_zero_std: 1, 'completions/clipped_ratio': 1, 'rewards/a/mean': 0, 'rewards/a/std': 0 });
    state = result.state;
    messages.push(...result.warnings);
  }
  assert.equal(messages.length, 5);
  for (const { message } of messages) assert.match(message, /Look at|give messages/);
});
