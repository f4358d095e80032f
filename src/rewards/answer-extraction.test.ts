import assert from 'node:assert/strict';
import { test } from 'node:test';
import { extractAnswer, type Extraction } from './answer-extraction.ts';

const cases: Record<Extraction, [text: string, answer: string | null][]> = {
  whole: [[' 7 \n', '7'], ['', '']],
  answer: [
    ['<answer>1</answer> or <answer>\n 2 </answer> more', '2'],
    ['<answer>7', '7'],
    ['no tag: 7', 'no tag: 7'],
    ['7</answer> more', '7'],
    ['<answer></answer>', ''],
    ['', ''],
  ],
  closedAnswer: [
    ['<answer>1</answer> or <answer>2</answer>', '2'],
    ['<answer> ... </answer>', null],
    ['<answer>7', null],
    ['<answer>1</answer><answer>7', null],
    ['7', null],
    ['<answer>.... </answer>', '....'],
  ],
  hashes: [['a\n#### 72', '72'], ['#### 1\n#### 2 \nmore', '2'], ['72', null], ['#####7', '7']],
  boxed: [
    ['\\boxed{1} so \\boxed{\\frac{1}{2}}.', '\\frac{1}{2}'],
    ['\\boxed{a \\} b}', 'a \\} b'],
    ['\\boxed{1', null],
    ['boxed{1}', null],
  ],
  lastNumber: [
    ['so it is 72', '72'],
    ['x=-7', '-7'],
    ['$72%\n', '72'],
    ['costs $.5', '.5'],
    ['1.2.3', null],
    ['a-5', null],
    ['1,350', null],
    ['72.', null],
    ['it is 72 apples', null],
    ['3.5', '3.5'],
    ['', null],
  ],
  fence: [
    ['```json\n{"a": 1}\n```', '{"a": 1}'],
    ['```\n1\n```\ntext\n```js\n2\n3\n```\n', '2\n3'],
    ['```\n```', ''],
    ['```\nnever closed', null],
    ['a ``` b', null],
  ],
};
for (const [extraction, list] of Object.entries(cases)) {
  for (const [text, answer] of list) {
    test(`${extraction} of ${JSON.stringify(text)}`, () => assert.equal(extractAnswer(text, extraction as Extraction), answer));
  }
}
