import assert from 'node:assert/strict';
import { test } from 'node:test';
import { lastCodeBlock } from './code-block.ts';

const cases: [name: string, text: string, code: string | null][] = [
  ['the last of two', 'First:\n```js\na\n```\nBetter:\n```javascript\nb\nc\n```\nDone.', 'b\nc'],
  ['no language', '```\na\n```', 'a'],
  ['none', 'add = (a, b) => a + b', null],
  ['the empty text', '', null],
  ['an empty block', '```\n```', ''],
  ['without an end, to the end', 'So:\n```python\na\n  b', 'a\n  b'],
  ['tildes, and backticks inside them', '~~~js\nconst t = `x`;\n```\n~~~', 'const t = `x`;\n```'],
  ['a longer fence holds a shorter one', '````\n```\na\n```\n````', '```\na\n```'],
  ['three backticks inside a line are text', 'Use ```a``` here.', null],
  ['Windows line ends', '```js\r\na\r\nb\r\n```\r\n', 'a\nb'],
  ['an emoji and indentation stay', '  ```py\n\tx = "🙂"\n  ```', '\tx = "🙂"'],
];
for (const [name, text, code] of cases) {
  test(`code block: ${name}`, () => assert.equal(lastCodeBlock(text), code));
}
