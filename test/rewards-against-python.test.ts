/**
 * Rewards on 400 random texts against TRL 1.16.0 and against Python's regular expressions (test/fixtures/rewards/make.py).
 * Everything is equal, but for the cosine: JavaScript's and Python's may differ in its last digit.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { extractAnswer } from '../src/rewards/answer-extraction.ts';
import { rewards } from '../src/rewards/builtin.ts';
import type { PureReward } from '../src/rewards/definition.ts';
import { lengthOf } from '../src/rewards/length.ts';
import { singleNumber } from '../src/rewards/numbers.ts';
import { strip } from '../src/rewards/white-space.ts';
import { sampleOf } from './reward-sample.ts';

interface Case {
  text: string;
  ids: number[];
  gold: string;
  trl: {
    thinkFormat: number;
    softOverlongPunishment: [[number, number], number];
    repetitionPenalty: [[number, number], number];
    cosineScaled: [[number, number, number, number, number], number | null];
    reasoningAccuracy: [string[] | null, number | null];
  };
  python: {
    soft: [boolean, boolean];
    strict: [boolean, boolean];
    mark: number;
    present: number;
    characters: number;
    answer: string;
    closedAnswer: string | null;
    digits: boolean;
    singleNumber: number | null;
    lastNumber: string | null;
  };
}

const cases = JSON.parse(readFileSync(new URL('./fixtures/rewards/cases.json', import.meta.url), 'utf8')) as Case[];

/** The comparison that stands in for math-verify in make.py. */
const check = (text: string, gold: string): boolean | null => (gold === '?' ? null : strip(text).endsWith(gold));
const column = 'solution';

/** Reward → what ours gives and what TRL gave. */
const pairs: Record<keyof Case['trl'], (one: Case) => [PureReward, number | null]> = {
  thinkFormat: ({ trl }) => [rewards.thinkFormat(), trl.thinkFormat],
  softOverlongPunishment: ({ trl: { softOverlongPunishment: [[maxCompletionLen, softPunishCache], value] } }) => [
    rewards.softOverlongPunishment({ maxCompletionLen, softPunishCache }),
    value,
  ],
  repetitionPenalty: ({ trl: { repetitionPenalty: [[ngramSize, maxPenalty], value] } }) => [rewards.repetitionPenalty({ ngramSize, maxPenalty }), value],
  cosineScaled: ({ trl: { cosineScaled: [[maxLen, minValueWrong, maxValueWrong, minValueCorrect, maxValueCorrect], value] } }) => [
    rewards.cosineScaled({ maxLen, minValueWrong, maxValueWrong, minValueCorrect, maxValueCorrect, check, column }),
    value,
  ],
  reasoningAccuracy: ({ trl: { reasoningAccuracy: [delimiters, value] } }) => [
    rewards.reasoningAccuracy({ check, column, ...(delimiters ? { reasoningDelimiters: delimiters } : {}) }),
    value,
  ],
};

for (const [name, pair] of Object.entries(pairs)) {
  test(`${name} gives what TRL's gives`, () => {
    const seen = new Set<number | null>();
    for (const one of cases) {
      const [reward, wanted] = pair(one);
      const got = reward(sampleOf(one.text, { ids: one.ids, row: { solution: one.gold } }));
      if (name === 'cosineScaled' && got !== null && wanted !== null) assert.ok(Math.abs(got - wanted) <= 1e-15, `${got} against ${wanted}`);
      else assert.equal(got, wanted, JSON.stringify(one));
      seen.add(wanted);
    }
    assert.ok(seen.size >= 2, 'the texts reach more than one value');
  });
}

const formats = [rewards.format({ multiline: false }), rewards.format()];
const strictFormats = [rewards.format({ strict: true, multiline: false }), rewards.format({ strict: true })];
const digits = rewards.digits();
const mark = rewards.tagCount();
const present = rewards.tagCount({ count: 'present', tags: { '<think>\n': 1, '</think>\n': 1, '<answer>\n': 1, '</answer>\n': 1 } });

/** Rule of a recipe → what ours says of a text. */
const rules: { [K in keyof Case['python']]: (text: string) => Case['python'][K] } = {
  soft: (text) => formats.map((reward) => reward(sampleOf(text)) === 1) as [boolean, boolean],
  strict: (text) => strictFormats.map((reward) => reward(sampleOf(text)) === 1) as [boolean, boolean],
  mark: (text) => mark(sampleOf(text))!,
  present: (text) => present(sampleOf(text))!,
  characters: (text) => lengthOf(sampleOf(text).completion, 'characters'),
  answer: (text) => extractAnswer(text, 'answer')!,
  closedAnswer: (text) => extractAnswer(text, 'closedAnswer'),
  digits: (text) => digits(sampleOf(text)) === 1,
  singleNumber,
  lastNumber: (text) => extractAnswer(text, 'lastNumber'),
};

for (const [name, rule] of Object.entries(rules)) {
  test(`the rule of ${name} is Python's`, () => {
    const key = name as keyof Case['python'];
    for (const { text, python } of cases) assert.deepEqual(rule(text), python[key], `${name}: ${JSON.stringify(text)}`);
    assert.ok(new Set(cases.map(({ python }) => JSON.stringify(python[key]))).size >= 2, 'the texts reach more than one value');
  });
}
