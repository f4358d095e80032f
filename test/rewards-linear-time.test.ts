/**
 * No reward of the library takes more than linear time, whatever a model writes: texts of 400 kB made to keep a
 * backtracking pattern busy. The bound is on processor time, so that a busy machine does not matter; linear work stays far
 * below it, while the regular expressions of the sources take seconds to minutes on some of these texts.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { rewards } from '../src/rewards/builtin.ts';
import { extractAnswer, extractions, type Extraction } from '../src/rewards/answer-extraction.ts';
import type { PureReward } from '../src/rewards/definition.ts';
import { sampleOf } from './reward-sample.ts';

const SIZE = 400_000;
const BOUND_MS = 1000;

const repeated = ['</think><answer>', '</think> ', '<think>', '<answer>', '</answer>', ' ', '\n', '1', '1,', '1,111', '-', '.', '1.', '1e', '=', '####', '\\boxed{', '{', '}', '```\n', '(', '-(', '1+', '[', '{"a":', 'a', 'a b ', '猫', '😀', '７'];
const around: [before: string, after: string][] = [['<think>', ''], ['<answer>', '</answer>'], ['= ', 'x']];
const texts = repeated.flatMap((part) => around.map(([before, after]) => before + part.repeat(Math.ceil(SIZE / part.length)) + after));

const row = { task: 'wordProblems', answer: '7', solution: '7', context: 'a b 猫', numbers: [1, 1, 7], target: 7 };
const ids = Array.from({ length: SIZE }, (_, i) => i % 3);

/** Each reward with the parameters that make it work most. */
const all: Record<keyof typeof rewards, PureReward> = {
  length: rewards.length({ target: 1 }),
  lengthBounds: rewards.lengthBounds({ min: 1, max: 2 }),
  lengthBonus: rewards.lengthBonus(),
  finished: rewards.finished(),
  regex: rewards.regex({ pattern: '<answer>' }),
  tagCount: rewards.tagCount(),
  format: rewards.format({ multiline: false }),
  thinkFormat: rewards.thinkFormat(),
  containsNumber: rewards.containsNumber(),
  digits: rewards.digits({ extract: 'whole' }),
  exactAnswer: rewards.exactAnswer(),
  numericAnswer: rewards.numericAnswer({ extract: 'whole' }),
  gradedAnswer: rewards.gradedAnswer({ extract: 'whole', gold: 'whole' }),
  mathAnswer: rewards.mathAnswer(),
  reasoningAccuracy: rewards.reasoningAccuracy({ check: 'number', extract: 'whole' }),
  cosineScaled: rewards.cosineScaled({ maxLen: 10, check: 'number', extract: 'whole' }),
  softOverlongPunishment: rewards.softOverlongPunishment({ maxCompletionLen: 10, softPunishCache: 5 }),
  repetitionPenalty: rewards.repetitionPenalty(),
  grounded: rewards.grounded({ ngramSize: 3, extract: 'whole' }),
  consistent: rewards.consistent(),
  jsonSchema: rewards.jsonSchema({ schema: { type: 'array', items: { $ref: '#' } } }),
  countdown: rewards.countdown({ extract: 'whole' }),
  task: rewards.task(),
};

/** Milliseconds of this process's processor time. */
function timed(work: () => unknown): number {
  const start = process.cpuUsage();
  work();
  const { user, system } = process.cpuUsage(start);
  return (user + system) / 1000;
}

function assertQuick(what: string, work: (text: string) => unknown): void {
  for (const text of texts) {
    const took = timed(() => work(text));
    assert.ok(took < BOUND_MS, `${what} took ${took} ms on ${JSON.stringify(text.slice(0, 40))}…${JSON.stringify(text.slice(-20))}`);
  }
}

for (const [name, reward] of Object.entries(all)) {
  test(`${name} is quick`, () => assertQuick(name, (text) => reward(sampleOf(text, { ids, row }))));
}

for (const name of Object.keys(extractions)) {
  test(`the extraction ${name} is quick`, () => assertQuick(name, (text) => extractAnswer(text, name as Extraction)));
}
