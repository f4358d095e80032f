import assert from 'node:assert/strict';
import { test } from 'node:test';
import { exactPrompts } from './prompts.ts';

/** A token for every letter. */
const letters = { encode: (text: string) => [...text].map((letter) => letter.codePointAt(0)!), decode: (ids: readonly number[]) => String.fromCodePoint(...ids) };

test('as many prompts as asked, of exactly that length, all different, and read back as they were', () => {
  const prompts = exactPrompts(letters, 300, 40);
  assert.equal(new Set(prompts.map(({ text }) => text)).size, 300);
  for (const { text, ids } of prompts) {
    assert.equal(ids.length, 40);
    assert.deepEqual(letters.encode(text), ids);
  }
});

test('a cut that reads back otherwise is left out', () => {
  // A pair of e is one token, so a text cut between them is read back; one that ends in half a pair never comes up.
  const pairs = { encode: (text: string) => letters.encode(text.replaceAll('ee', 'é')), decode: (ids: readonly number[]) => letters.decode(ids).replaceAll('é', 'e') };
  for (const { text, ids } of exactPrompts(pairs, 5, 12)) assert.deepEqual(pairs.encode(text), ids);
  const deaf = { encode: (text: string) => [...letters.encode(text), 7], decode: letters.decode };
  assert.throws(() => exactPrompts(deaf, 1, 5), /Expected 1 texts of exactly 5 tokens, got 0/);
});
