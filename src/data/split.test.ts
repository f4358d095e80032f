import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseSplit, rowsNeeded, sliceRows } from './split.ts';

const rows = Array.from({ length: 20 }, (_, i) => i);

function slice(notation: string): number[] {
  return sliceRows(rows, parseSplit(notation)[0]!.slice!, notation);
}

test('names with and without a slice', () => {
  assert.deepEqual(parseSplit('train'), [{ name: 'train', slice: null, text: 'train' }]);
  assert.equal(parseSplit('test_2[:5]')[0]!.name, 'test_2');
});

test('sums', () => {
  const end = (value: number, percent = false) => ({ value, percent });
  assert.deepEqual(parseSplit('train[:5] + test+dev[-10%:]'), [
    { name: 'train', slice: { from: null, to: end(5) }, text: 'train[:5]' },
    { name: 'test', slice: null, text: 'test' },
    { name: 'dev', slice: { from: end(-10, true), to: null }, text: 'dev[-10%:]' },
  ]);
});

test('a slice that is counted from the beginning says how many rows it needs', () => {
  const needed = (text: string) => rowsNeeded(parseSplit(text)[0]!.slice!);
  assert.deepEqual(['a[:7]', 'a[2:7]', 'a[2:]', 'a[:-1]', 'a[:7%]', 'a[-2:7]', 'a[1%:7]'].map(needed), [7, 7, null, null, null, null, null]);
});

test('slices by row, from the end and by percentage', () => {
  assert.deepEqual(slice('train[:3]'), [0, 1, 2]);
  assert.deepEqual(slice('train[10:12]'), [10, 11]);
  assert.deepEqual(slice('train[-2:]'), [18, 19]);
  assert.deepEqual(slice('train[:10%]'), [0, 1]);
  assert.deepEqual(slice('train[90%:]'), [18, 19]);
  assert.equal(slice('train[:]').length, 20);
});

test('slices beyond the rows, empty ones and other text are refused', () => {
  for (const notation of ['train[:21]', 'train[5:5]', 'train[-21:]', 'train[9:3]']) {
    assert.throws(() => slice(notation), { name: 'InputError', message: /within the 20 there are/ });
  }
  for (const notation of ['', 'train[', 'train[3]', 'train[a:b]', '../train', 'train+', '+']) {
    assert.throws(() => parseSplit(notation), { name: 'InputError', message: /`split`/ });
  }
});
