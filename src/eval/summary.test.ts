import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { CompletionRecord, QuestionRecord } from './question-record.ts';
import { estimate, summarise } from './summary.ts';
import { wilsonInterval } from './wilson.ts';

/** A question of which each completion gives an answer; the right one is 7. */
function question(index: number, answers: readonly (string | null)[], more: Partial<CompletionRecord> = {}): QuestionRecord {
  const completions = answers.map((answer, g): CompletionRecord => ({
    text: 'x'.repeat(10 * (g + 1)),
    tokens: g + 1,
    characters: 10 * (g + 1),
    finishReason: g === 0 ? 'length' : 'stop',
    answers: { boxed: answer },
    verdicts: { boxed: answer === '7' },
    rewards: { digit: g },
    reward: 2 * g,
    ...more,
  }));
  return { index, question: `q${index}`, gold: '7', prompt: `q${index}`, promptTokens: 2, completions };
}

const context = { folder: '/f', model: 'm', passAt: [1, 2, 4], modes: [{ name: 'boxed', vote: (answer: string) => answer.replace(/\.0$/, '') }], seed: 0 };
const near = (got: number, wanted: number) => assert.ok(Math.abs(got - wanted) < 1e-12, `${got} is not ${wanted}`);

test('mean@n, pass@k and majority by hand', () => {
  // Right: 3 of 4, 1 of 4, 0 of 4. In the second, 8 has two votes; in the third nobody answers.
  const { modes, questions, numGenerations } = summarise([question(0, ['7', '8', '7', '7']), question(1, ['8', '7', '8', '9']), question(2, [null, null, null, null])], context);
  const { accuracy, passAt, majority, withoutAnswer } = modes.boxed!;
  assert.deepEqual([questions, numGenerations, modes.boxed!.questions], [3, 4, 3]);
  near(accuracy.value, (3 / 4 + 1 / 4) / 3);
  near(passAt[1]!.value, accuracy.value);
  // k = 2: of the first, all pairs hold a right one (one wrong only); of the second, 3 of 6.
  near(passAt[2]!.value, (1 + 1 / 2) / 3);
  near(passAt[4]!.value, 2 / 3);
  assert.deepEqual(passAt[4]!.interval, wilsonInterval(2, 3));
  assert.deepEqual(majority, { value: 1 / 3, interval: wilsonInterval(1, 3) });
  near(withoutAnswer!, 4 / 12);
  // Not all or nothing in each question: the interval comes from the questions, not from 12 independent completions.
  assert.ok(accuracy.interval!.low <= accuracy.value && accuracy.value <= accuracy.interval!.high && accuracy.interval!.high <= 0.75);
});

test('answers that the mode holds for equal vote together', () => {
  const { majority } = summarise([question(0, ['7', '8', '8', '7.0', '7'])], context).modes.boxed!;
  assert.equal(majority!.value, 1);
  const apart = summarise([question(0, ['7', '8', '8', '7.0'])], { ...context, modes: [{ name: 'boxed', vote: String }] }).modes.boxed!;
  assert.equal(apart.majority!.value, 0);
});

test('one completion each: accuracy with a Wilson interval, no majority', () => {
  const { accuracy, majority, passAt } = summarise([question(0, ['7']), question(1, ['8']), question(2, ['7'])], { ...context, passAt: [1] }).modes.boxed!;
  assert.deepEqual(accuracy, { value: 2 / 3, interval: wilsonInterval(2, 3) });
  assert.deepEqual(passAt, { 1: accuracy });
  assert.equal(majority, null);
});

test('a question that cannot be judged is in no share; none at all is no mode', () => {
  const unjudged = question(1, ['7'], { verdicts: { boxed: null } });
  assert.equal(summarise([question(0, ['7']), unjudged], { ...context, passAt: [1] }).modes.boxed!.questions, 1);
  assert.deepEqual(summarise([unjudged], { ...context, passAt: [1] }).modes, {});
});

test('rewards, lengths, truncation by hand', () => {
  const failed = question(1, ['7', '7'], { rewards: { digit: null }, reward: null, failed: { digit: 'error' } });
  const summary = summarise([question(0, ['7', '7']), failed, question(2, ['7', '7'], { rewards: { digit: 3 }, reward: 6 })], { ...context, passAt: [1] });
  assert.deepEqual([summary.rewards.digit!.mean!.value, summary.rewards.digit!.scored, summary.rewards.digit!.errors], [(0.5 + 3) / 2, 4, 2]);
  assert.deepEqual([summary.reward!.mean!.value, summary.reward!.errors], [3.5, 2]);
  const { interval, ...tokens } = summary.tokens;
  assert.deepEqual(tokens, { value: 1.5, min: 1, median: 1.5, max: 2 });
  assert.deepEqual(interval, { low: 1.5, high: 1.5 });
  assert.deepEqual([summary.characters.min, summary.characters.max], [10, 20]);
  assert.equal(summary.truncated, 0.5);
  assert.deepEqual(summary.finishReasons, { length: 3, stop: 3 });
});

test('what nobody could say is null: rewards that never apply, the spread of one question', () => {
  const never = summarise([question(0, ['7'], { rewards: { digit: null }, reward: null })], { ...context, passAt: [1] });
  assert.deepEqual(never.rewards.digit, { mean: null, scored: 0, errors: 0 });
  assert.equal(never.tokens.interval, null);
  assert.deepEqual(summarise([question(0, ['7'], { rewards: {} })], { ...context, passAt: [1] }).reward, null);
});

test('shares that are all 0 or 1 keep a width', () => {
  assert.deepEqual(estimate([1, 1, 1, 1], 0), { value: 1, interval: wilsonInterval(4, 4) });
});
