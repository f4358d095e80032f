import assert from 'node:assert/strict';
import fs from 'node:fs';
import { test } from 'node:test';
import { Tokenizer as TokenizerEngine } from '@huggingface/tokenizers';
import { exactTokenizerJson } from './exact-tokenizer-json.ts';

const { texts, rows } = JSON.parse(fs.readFileSync(new URL('../../test/fixtures/tokenizers/pre-tokenizers.json', import.meta.url), 'utf8')) as { texts: string[]; rows: [Record<string, unknown>, string[][]][] };
const model = { type: 'BPE', vocab: {}, merges: [] };

/** What the library splits a text into. */
function splitter(json: Record<string, unknown>): (text: string) => string[] {
  const engine = new TokenizerEngine(json, {});
  return (text) => engine.pre_tokenizer?.pre_tokenize(text, { section_index: 0 }) ?? [];
}

for (const [preTokenizer, wanted] of rows) {
  const { pattern, ...rest } = preTokenizer;
  test(`splits as Python's ${JSON.stringify({ ...rest, ...(pattern ? { pattern } : {}) }).slice(0, 140)}`, () => {
    const split = splitter(exactTokenizerJson({ model, pre_tokenizer: preTokenizer }, new Map()));
    for (const [i, text] of texts.entries()) assert.deepEqual(split(text), wanted[i], JSON.stringify(text));
  });
}

const bert = (settings: Record<string, unknown>) => ({ type: 'BertNormalizer', clean_text: true, handle_chinese_chars: true, strip_accents: null, lowercase: true, ...settings });
const normalised: [Record<string, unknown>, string, string][] = [
  // What tokenizers 0.23 makes of them.
  [bert({}), 'ΣΑΣ \u{20000}\u{2a700}é', 'σασ  \u{20000}  \u{2a700} e'],
  [bert({ lowercase: false }), 'ΣΑΣ é', 'ΣΑΣ é'],
  [bert({ handle_chinese_chars: false }), '\u{20000}中', '\u{20000}中'],
  [{ type: 'Sequence', normalizers: [bert({ strip_accents: false })] }, 'ΑΣ É', 'ασ é'],
];
for (const [normalizer, text, wanted] of normalised) {
  test(`normalises as Python's ${JSON.stringify(normalizer).slice(0, 160)}`, () => {
    const engine = new TokenizerEngine(exactTokenizerJson({ model, normalizer }, new Map()), {});
    assert.equal(engine.normalizer!.normalize(text), wanted);
  });
}
