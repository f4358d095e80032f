import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { DecoderJson } from './token-decoder.ts';
import { tokenDecoder } from './token-decoder.ts';

const replace = { type: 'Replace', pattern: { String: '▁' }, content: ' ' };
const sequence = (...decoders: DecoderJson[]): DecoderJson => ({ type: 'Sequence', decoders });

/** What comes with each token, and at the end. */
function pieces(json: DecoderJson | null, tokens: string[]): string[] {
  const decoder = tokenDecoder(json);
  assert.ok(decoder);
  return [...tokens.map((token) => decoder.push(token)), decoder.flush()];
}
const whole = (json: DecoderJson | null, tokens: string[]): string => pieces(json, tokens).join('');

test('a run of byte tokens comes when it has ended; where it is no UTF-8 each byte is U+FFFD', () => {
  const json = sequence(replace, { type: 'ByteFallback' }, { type: 'Fuse' });
  assert.deepEqual(pieces(json, ['▁a', '<0xE4>', '<0xBD>', '<0xA0>', '▁b']), [' a', '', '', '', '你 b', '']);
  assert.deepEqual(pieces(json, ['<0xE4>', '<0xBD>', 'b', '<0xe4>', '<0xbd>', '<0xa0>']), ['', '', '\uFFFD\uFFFDb', '', '', '', '你']);
  assert.equal(whole(json, ['<0xE4>', '<0xBD>', '<0xA0>', '<0xE4>']), '\uFFFD'.repeat(4));
  assert.equal(whole(json, ['<0xEF>', '<0xBB>', '<0xBF>', 'a']), '\uFEFFa');
  assert.equal(whole(json, ['<0xGG>', '<0x4>']), '<0xGG><0x4>');
});

test('a strip before fusing cuts every token, one behind it the whole text', () => {
  assert.equal(whole({ type: 'Strip', content: 'a', start: 1, stop: 1 }, ['aaa', 'aba', 'bab']), 'abbab');
  const start = sequence(replace, { type: 'Fuse' }, { type: 'Strip', content: ' ', start: 2, stop: 0 });
  assert.deepEqual(pieces(start, ['▁', '▁▁a', '▁b']), ['', ' a', ' b', '']);
  assert.deepEqual(pieces(start, ['a', '▁', '▁b']), ['a', ' ', ' b', '']);
  const both = sequence(replace, { type: 'Fuse' }, { type: 'Strip', content: ' ', start: 1, stop: 2 });
  assert.deepEqual(pieces(both, ['▁a', '▁b', '▁', '▁', '▁']), ['', '', '', '', '', 'a b ']);
});

test('Metaspace drops every ▁ of the first token', () => {
  assert.equal(whole({ type: 'Metaspace' }, ['▁▁a', '▁b']), 'a b');
  assert.equal(whole({ type: 'Metaspace' }, ['a▁b', '▁▁c']), 'ab  c');
  assert.equal(whole({ type: 'Metaspace', prepend_scheme: 'never' }, ['▁a', '▁b']), ' a b');
});

test('byte-level tokens come as whole characters, and sequences may hold sequences', () => {
  assert.deepEqual(pieces({ type: 'ByteLevel' }, ['a', 'ä½', 'ł', 'Ġb', 'ä']), ['a', '', '你', ' b', '', '\uFFFD']);
  assert.deepEqual(pieces(sequence(sequence({ type: 'ByteLevel' }), replace), ['▁a', 'Ġb']), ['', '', ' a b']);
});

test('without a decoder there are spaces between tokens', () => {
  assert.deepEqual(pieces(null, ['a', 'b', 'c']), ['a', ' b', ' c', '']);
});

test('decoders of other kinds are not known', () => {
  assert.equal(tokenDecoder({ type: 'WordPiece' }), null);
  assert.equal(tokenDecoder(sequence({ type: 'Replace', pattern: { Regex: 'a+' }, content: '' })), null);
});
