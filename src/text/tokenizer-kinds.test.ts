/** Tokenizers of every kind that language models have, against Python's tokenizers; see `test/fixtures/tokenizers/make.py`. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { test } from 'node:test';
import { Tokenizer } from './tokenizer.ts';

interface Kind {
  tokenizer: Record<string, unknown>;
  ids: number[][];
  special: number[][];
  decoded: (string | null)[];
  cuts: [ids: number[], skipped: string, shown: string][];
}

const read = (name: string): unknown => JSON.parse(fs.readFileSync(new URL(`../../test/fixtures/tokenizers/${name}.json`, import.meta.url), 'utf8'));
const texts = read('texts') as string[];

/** Ids pushed one by one. */
function piecewise(of: Tokenizer, ids: readonly number[], skipSpecialTokens: boolean): string {
  const decoder = of.decoder({ skipSpecialTokens });
  return ids.map((id) => decoder.push(id)).join('') + decoder.flush();
}

for (const name of ['llama2', 'mistral', 'metaspace', 'gemma', 'llama3', 'qwen2', 'gpt2', 'added']) {
  const kind = read(name) as Kind;
  const tokenizer = new Tokenizer({ tokenizerJson: kind.tokenizer, tokenizerConfig: {} });

  test(`${name}: ids as Python's`, () => {
    assert.ok(texts.length >= 300 && kind.ids.length === texts.length);
    for (const [i, text] of texts.entries()) assert.deepEqual(tokenizer.encode(text, { addSpecialTokens: false }), kind.ids[i], JSON.stringify(text));
    for (const [i, ids] of kind.special.entries()) assert.deepEqual(tokenizer.encode(texts[i] as string), ids, JSON.stringify(texts[i]));
  });

  test(`${name}: text as Python's, at once and id by id`, () => {
    for (const [i, ids] of kind.ids.entries()) {
      const wanted = kind.decoded[i] ?? texts[i];
      assert.equal(tokenizer.decode(ids, { skipSpecialTokens: false }), wanted, String(ids));
      assert.equal(piecewise(tokenizer, ids, false), wanted, String(ids));
    }
    for (const [ids, skipped, shown] of kind.cuts) {
      assert.equal(tokenizer.decode(ids), skipped, String(ids));
      assert.equal(tokenizer.decode(ids, { skipSpecialTokens: false }), shown, String(ids));
      assert.equal(piecewise(tokenizer, ids, true), skipped, String(ids));
      assert.equal(piecewise(tokenizer, ids, false), shown, String(ids));
    }
  });
}

test('a surrogate that stands alone reads as U+FFFD', () => {
  for (const name of ['llama2', 'llama3']) {
    const tokenizer = new Tokenizer({ tokenizerJson: (read(name) as Kind).tokenizer, tokenizerConfig: {} });
    assert.deepEqual(tokenizer.encode('a\ud800b\udc00 😀'), tokenizer.encode('a\ufffdb\ufffd 😀'));
  }
});
