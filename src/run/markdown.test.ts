import assert from 'node:assert/strict';
import { test } from 'node:test';
import { codeSpan, plainText, table, yamlText } from './markdown.ts';

test('YAML: plain where it cannot be read as anything else, quoted else', () => {
  const cases: [text: string, yaml: string][] = [
    ['org/my-model_1.5', 'org/my-model_1.5'],
    ['apache-2.0', 'apache-2.0'],
    ['no', '"no"'],
    ['True', '"True"'],
    ['1e5', '"1e5"'],
    ['', '""'],
    ['a: b', '"a: b"'],
    ['a\n---\nb: "c"', '"a\\n---\\nb: \\"c\\""'],
    ['#x\u2028\u0085', '"#x\\u2028\\u0085"'],
  ];
  for (const [text, yaml] of cases) assert.equal(yamlText(text), yaml);
});

test('Markdown: text stays text', () => {
  assert.equal(plainText('a_b*c* [x](y) <b>\n# no | `z` \\'), String.raw`a\_b\*c\* \[x\]\(y\) \<b\> \# no \| \`z\` \\`);
  assert.equal(plainText('ein Wort – 語'), 'ein Wort – 語');
});

test('code: the fence is longer than what it holds', () => {
  assert.equal(codeSpan('x'), '`x`');
  assert.equal(codeSpan('a `b` ``c``'), '``` a `b` ``c`` ```');
  assert.equal(codeSpan(' x'), '`  x `');
  assert.equal(codeSpan('a\nb\u0000c'), '`a b c`');
  assert.equal(codeSpan(''), '` `');
});

test('a bar ends no cell', () => {
  assert.equal(table(['a', 'b'], [[codeSpan('x|y'), plainText('p|q')]]), '| a | b |\n| --- | --- |\n| `x\\|y` | p\\|q |');
});
