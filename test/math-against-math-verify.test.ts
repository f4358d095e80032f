/**
 * Math answers against Python's math-verify 0.9.0 and TRL 1.16.0 (test/fixtures/math/make.py): at least 97% of the same
 * verdicts on each list of ordinary answers, every other pair judged, and the values of TRL's accuracy_reward.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { corpora, judged, mathFile, opinions, withAgreement } from '../scripts/math-docs.ts';
import { mathAnswer } from '../src/rewards/math/math-answer.ts';
import { compareMath, mathEquals } from '../src/rewards/math/math-equals.ts';
import type { RewardSample } from '../src/rewards/reward.ts';

const lists = corpora.map((corpus) => ({ corpus, pairs: judged(corpus) }));

for (const { corpus, pairs } of lists.filter((list) => list.corpus.file !== 'unusual-pairs')) {
  test(`${corpus.file}: the verdict is math-verify's on 97% of the pairs`, () => {
    const same = pairs.filter(({ ours, verdict }) => ours === verdict).length;
    assert.ok(same >= 0.97 * pairs.length, `${same} of ${pairs.length}`);
  });

  test(`${corpus.file}: right and wrong answers are both there`, () => {
    const wrong = pairs.filter(({ verdict }) => verdict === false).length;
    assert.ok(wrong > 0.15 * pairs.length && wrong < 0.5 * pairs.length, `${wrong} of ${pairs.length}`);
  });
}

test('the lists hold what their text files hold', () => {
  for (const { corpus, pairs } of lists) {
    const lines = readFileSync(new URL(`./fixtures/math/${corpus.file}.txt`, import.meta.url), 'utf8').trimEnd().split('\n');
    assert.deepEqual(pairs.map(({ gold, answer }) => `${gold} ;; ${answer}`), lines.filter((line) => !line.startsWith('# ')));
  }
});

test('every disagreement is judged, and nothing else', () => {
  const differing = lists.flatMap(({ pairs }) => pairs).filter(({ ours, verdict }) => ours !== verdict);
  const judgements = opinions();
  assert.deepEqual([...new Set(differing.map(({ gold, answer }) => `${gold} ;; ${answer}`))].sort(), [...judgements.keys()].sort());
  for (const { right, reason } of judgements.values()) assert.ok(['ours', 'theirs', 'open'].includes(right) && reason.length > 0, reason);
});

test('docs/math-answers.md is what the lists say', () => {
  const text = readFileSync(mathFile, 'utf8');
  assert.equal(text, withAgreement(text), 'run `npx tsx scripts/math-docs.ts`');
});

test('a pair keeps its verdict when both sides change places, but for the three rules that say otherwise', () => {
  // An answer that is an equation stands for its last side; a gold inequality is met by its interval; a gold point is ordered.
  const isOneWay = ({ gold, answer }: { gold: string; answer: string }): boolean =>
    [gold, answer].some((text) => /[=<>]|\\[lg]e|\\ne|\\in\b/.test(text)) || [gold, answer].filter((text) => /\(.*,.*\)/.test(text)).length === 1;
  const ordinary = lists.flatMap(({ pairs }) => pairs).filter((pair) => pair.ours !== null && !isOneWay(pair));
  assert.ok(ordinary.length > 700);
  for (const { gold, answer, ours } of ordinary) {
    if (mathEquals(answer, gold) !== null) assert.equal(mathEquals(answer, gold), ours, `${gold} ;; ${answer}`);
  }
});

test('every answer of the lists is equal to itself, except where nothing is found in it', () => {
  for (const text of lists.flatMap(({ pairs }) => pairs).flatMap(({ gold, answer }) => [gold, answer])) {
    const verdict = compareMath(text, text);
    assert.ok(verdict === 'equal' || verdict === 'noGold', `${text}: ${verdict}`);
  }
});

interface Graded {
  gold: string;
  text: string;
  reward: number | null;
}

test("mathAnswer has the values of TRL's accuracy_reward", async () => {
  const reward = mathAnswer();
  const rows = JSON.parse(readFileSync(new URL('./fixtures/math/rewards.json', import.meta.url), 'utf8')) as Graded[];
  for (const { gold, text, reward: expected } of rows) {
    const sample = { completion: { text }, row: { solution: gold } } as unknown as RewardSample;
    assert.equal(await reward(sample), expected, `${gold} against ${text}`);
  }
  for (const value of [0, 1, null]) assert.ok(rows.some(({ reward: one }) => one === value), `${value} occurs`);
});
