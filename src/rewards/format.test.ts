import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sampleOf } from '../../test/reward-sample.ts';
import { format } from './format.ts';

const oneLine = '<think>It is 7.</think><answer>7</answer>';
const onLines = '<think>\nIt is 7.\n</think>\n<answer>\n7\n</answer>\n';

/** Soft and strict, each with blocks of one line and of several. */
const variants = [{ multiline: false }, { multiline: true }, { strict: true, multiline: false }, { strict: true, multiline: true }];

const samples: [text: string, earned: number[], why: string][] = [
  [oneLine, [1, 1, 1, 1], 'the pair on one line'],
  [onLines, [0, 1, 0, 0], 'the layout that the prompt of recipe 2 asks for'],
  [`${oneLine} and more`, [1, 1, 0, 0], 'text after it'],
  [`So: ${oneLine}`, [0, 0, 0, 0], 'text before it'],
  ['<think>a</think> \n <answer>7</answer>', [1, 1, 0, 0], 'white space between the blocks'],
  ['<think>a\nb</think><answer>7</answer>', [0, 1, 0, 1], 'a line break in the first block'],
  ['<think>a</think><answer>7\n</answer>', [0, 1, 0, 1], 'a line break in the second block'],
  [`${oneLine}\n`, [1, 1, 0, 0], 'a line break after it'],
  ['<think>a</think>b</think><answer>7</answer>', [1, 1, 1, 1], 'a tag that closes twice'],
  ['<think>a</think><answer>\n<think></think><answer>7</answer>', [0, 1, 0, 1], 'a second start on the second line'],
  ['<think>a</think>\n<answer>b</think>\n<answer>7</answer>', [0, 1, 0, 0], 'a line break between two starts, of which the first block would have to reach over one'],
  ['<think>a</think>\x1c\u3000<answer>7</answer>', [1, 1, 0, 0], "Python's white space between the blocks"],
  ['<think>a</think>\ufeff<answer>7</answer>', [0, 0, 0, 0], 'a byte order mark, white space to JavaScript alone'],
  ['<think></think><answer></answer>', [1, 1, 1, 1], 'empty blocks'],
  ['<think></think><answer>', [0, 0, 0, 0], 'an open block'],
  ['<think></answer>', [0, 0, 0, 0], 'first and last tag alone'],
  ['<think></think></answer><answer>', [0, 0, 0, 0], 'tags in the wrong order'],
  ['', [0, 0, 0, 0], 'nothing'],
];
for (const [text, earned, why] of samples) {
  test(why, () => assert.deepEqual(variants.map((options) => format(options)(sampleOf(text))), earned));
}

test('recipe 2 scores 0.5, other tags have their own names', () => {
  assert.equal(format({ multiline: false, score: 0.5 })(sampleOf(oneLine)), 0.5);
  assert.equal(format({ think: 'reasoning' })(sampleOf(oneLine)), 0);
  assert.equal(format({ think: 'reasoning' })(sampleOf(oneLine.replaceAll('think', 'reasoning'))), 1);
});

test('blocks hold several lines unless told otherwise', () => assert.equal(format()(sampleOf(onLines)), 1));
