import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fitsPattern, isPattern, patternRoot } from './glob.ts';

const cases: [pattern: string, fits: string[], fitsNot: string[]][] = [
  ['data/*.jsonl', ['data/a.jsonl', 'data/.jsonl'], ['data/a/b.jsonl', 'a.jsonl', 'data/a.jsonlx', 'data/ajsonl']],
  ['main/train-*', ['main/train-00000-of-00001.parquet'], ['main/train', 'main/x/train-0']],
  ['**/*.csv', ['a.csv', 'a/b/c.csv'], ['a.csv.gz']],
  ['data/**', ['data/a', 'data/a/b.c'], ['other/a']],
  ['train-0000[0-2]-of-?.{parquet,json}', ['train-00001-of-3.parquet', 'train-00002-of-3.json'], ['train-00003-of-3.json', 'train-00001-of-3.csv']],
  ['[!a]x', ['bx'], ['ax']],
  ['a+(b).{', ['a+(b).{'], ['aab']],
];

for (const [pattern, fits, fitsNot] of cases) {
  test(`the pattern ${pattern}`, () => {
    assert.deepEqual([...fits, ...fitsNot].filter((path) => fitsPattern(pattern, path)), fits);
  });
}

test('where a pattern starts', () => {
  assert.ok(isPattern('a/*.b') && !isPattern('a/b.c'));
  assert.deepEqual(patternRoot('data/x/train-*.parquet'), { root: 'data/x', rest: 'train-*.parquet' });
  assert.deepEqual(patternRoot('**/a'), { root: '.', rest: '**/a' });
  assert.deepEqual(patternRoot('/*/a'), { root: '/', rest: '*/a' });
});
