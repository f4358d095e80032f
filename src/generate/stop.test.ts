import assert from 'node:assert/strict';
import { test } from 'node:test';
import { StopStringFilter, StopStringWatch, cutAtStop } from './stop.ts';

test('text is cut before the first stop string in the text, not in the list', () => {
  assert.equal(cutAtStop('one two three', ['three', 'two']), 'one ');
  assert.equal(cutAtStop('one two', ['four']), 'one two');
  assert.equal(cutAtStop('one two', []), 'one two');
  assert.equal(cutAtStop('ENDone', ['END']), '');
});

test('a stop string is found wherever the pieces divide it', () => {
  for (let at = 0; at <= 9; at++) {
    const watch = new StopStringWatch(['<end>', '##']);
    const text = 'ab<<end>c';
    assert.equal([text.slice(0, at), text.slice(at)].some((piece) => watch.push(piece)), true, `divided at ${at}`);
  }
  const single = new StopStringWatch(['<end>']);
  assert.deepEqual([...'x<end>'].map((piece) => single.push(piece)), [false, false, false, false, false, true]);
  const short = new StopStringWatch(['.']);
  assert.deepEqual(['a', 'b.c'].map((piece) => short.push(piece)), [false, true]);
  const never = new StopStringWatch(['<end>']);
  assert.deepEqual(['<end', '<', 'end', ' >'].map((piece) => never.push(piece)), [false, false, false, false]);
});

const texts = ['plain text', 'ab<<end>c<end>d', '<end>', 'almost <en', 'a#b##c<end>', '###', '<e<en<end', ''];

for (const text of texts) {
  test(`the pieces given together are the cut text: ${JSON.stringify(text)}`, () => {
    for (let size = 1; size <= 4; size++) {
      const filter = new StopStringFilter(['<end>', '##']);
      const pieces = text.match(new RegExp(`.{1,${size}}`, 'g')) ?? [];
      const given = pieces.map((piece) => filter.push(piece)).join('') + filter.flush();
      assert.equal(given, cutAtStop(text, ['<end>', '##']));
    }
  });
}

test('only what may begin a stop string is held back', () => {
  const filter = new StopStringFilter(['<end>']);
  assert.deepEqual(['a', 'b<', 'en', 'x', '<end', '>', 'after'].map((piece) => filter.push(piece)), ['a', 'b', '', '<enx', '', '', '']);
  assert.equal(filter.flush(), '');
  const free = new StopStringFilter([]);
  assert.equal(free.push('a<'), 'a<');
});
