import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compareRecords } from './compare.ts';
import type { QuestionRecord } from './question-record.ts';
import { summarise } from './summary.ts';
import { comparisonText, questionText, summaryText } from './summary-text.ts';
import { textTable } from './text-table.ts';

const question = (index: number, characters: number, right: boolean): QuestionRecord => ({
  index,
  question: `q${index}`,
  gold: '7',
  prompt: `q${index}`,
  promptTokens: 2,
  completions: [{ text: `It is ${right ? 7 : 8}`, tokens: 5, characters, finishReason: 'stop', answers: { boxed: right ? '7' : null }, verdicts: { boxed: right }, rewards: { length: -Math.abs(200 - characters) }, reward: -Math.abs(200 - characters) }],
});

test('numbers stand at the right, words at the left', () => {
  assert.equal(textTable(['name', 'x'], [['a', '1.5'], ['longer', '-10']]), '| name   |   x |\n|--------|----:|\n| a      | 1.5 |\n| longer | -10 |');
});

test('a summary: 7 of 30 with their interval, reward and lengths', () => {
  const records = Array.from({ length: 30 }, (_, i) => question(i, 150, i < 7));
  const text = summaryText(summarise(records, { folder: '/f', model: 'org/model', passAt: [1], modes: [], seed: 0 }));
  assert.match(text, /^org\/model: 30 questions, 1 completion each, 0\.0% cut off$/m);
  assert.match(text, /^\| boxed +\| +23\.3% \| 11\.8% to 40\.9% \| +30 \| +76\.7% \|$/m);
  assert.match(text, /^\| rewards\/length \| +-50 \| +-50 to -50 \|/m);
  assert.match(text, /^\| characters +\| +150 \| +150 to 150 \| 150 \| +150 \| 150 \|$/m);
});

test('a comparison: lengths and verdicts side by side', () => {
  const [before, after] = [[question(0, 305, false), question(1, 1283, true)], [question(0, 109, true), question(1, 339, true)]];
  const text = comparisonText({ first: { folder: 'a', model: 'base' }, second: { folder: 'b', model: 'tuned' }, differences: [{ path: 'sampling.temperature', first: 0, second: 0.7 }], ...compareRecords(before, after) }, 1);
  assert.match(text, /^first {3}base \(a\)$/m);
  assert.match(text, /^Not only the models differ:\n {2}sampling\.temperature: 0 and 0\.7$/m);
  assert.match(text, /^\| boxed .*\| 50\.0% \| 100\.0% \| +\+50\.0% \|.*\| +0 : 1 \| 1\.0000 \|$/m);
  assert.match(text, /^\| characters .*\| +794 \| +224 \| +-570 \|/m);
  assert.match(text, /^\| +0 \| +305 \| +109 \| +-105 \| +-91 \| ✗ +\| ✓ +\|$/m);
  assert.match(text, /\(the first 1 of 2\)$/);
});

test('a question, whole', () => {
  assert.equal(questionText(question(3, 7, false)), '=== row 3, right answer: 7\nq3\n--- completion 1 of 1: boxed ✗ (no answer), reward -193\nIt is 8');
});
