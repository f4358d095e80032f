import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseSplit, sliceRows } from './split.ts';

const rows = Array.from({ length: 20 }, (_, i) => i);

function slice(notation: string): number[] {
  return sliceRows(rows, parseSplit(notation).slice!, notation);
}

test('names with and without a slice', () => {
  assert.deepEqual(parseSplit('train'), { name: 'train', slice: null });
  assert.equal(parseSplit('test_2[:5]').name, 'test_2');
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
  for (const notation of ['', 'train[', 'train[3]', 'train[a:b]', '../train']) {
    assert.throws(() => parseSplit(notation), { name: 'InputError', message: /`split`/ });
  }
});
