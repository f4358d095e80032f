import assert from 'node:assert/strict';
import fs from 'node:fs';
import { test } from 'node:test';
import { InputError } from '../errors.ts';
import { Tokenizer } from './tokenizer.ts';
import type { TokenizerFiles } from './tokenizer-files.ts';

const read = (name: string): Record<string, unknown> => JSON.parse(fs.readFileSync(new URL(`../../test/fixtures/tokenizer/${name}`, import.meta.url), 'utf8')) as Record<string, unknown>;
const files = (): TokenizerFiles => ({ tokenizerJson: read('tokenizer.json'), tokenizerConfig: read('tokenizer_config.json') });
const cases = read('cases.json') as { encode: [string, number[], number[]][]; decode: [number[], string, string][] };
const tokenizer = new Tokenizer(files());

/** Ids pushed one by one. */
function piecewise(of: Tokenizer, ids: readonly number[], skipSpecialTokens: boolean): string[] {
  const decoder = of.decoder({ skipSpecialTokens });
  return [...ids.map((id) => decoder.push(id)), decoder.flush()];
}

test("encodes as Python's tokenizers, with and without special tokens", () => {
  assert.ok(cases.encode.length > 150);
  for (const [text, ids, plain] of cases.encode) {
    assert.deepEqual(tokenizer.encode(text), ids, JSON.stringify(text));
    assert.deepEqual(tokenizer.encode(text, { addSpecialTokens: false }), plain, JSON.stringify(text));
  }
});

test("decodes as Python's tokenizers, at once and one by one", () => {
  for (const [ids, skipped, shown] of cases.decode) {
    assert.equal(tokenizer.decode(ids), skipped, String(ids));
    assert.equal(tokenizer.decode(ids, { skipSpecialTokens: false }), shown, String(ids));
    assert.equal(piecewise(tokenizer, ids, true).join(''), skipped, String(ids));
    assert.equal(piecewise(tokenizer, ids, false).join(''), shown, String(ids));
  }
});

test('decode undoes encode, whatever stands in the text', () => {
  for (const [text] of cases.encode) assert.equal(tokenizer.decode(tokenizer.encode(text, { addSpecialTokens: false }), { skipSpecialTokens: false }), text);
});

test('a character of several tokens comes when it is whole', () => {
  const ids = tokenizer.encode('a😀犬', { addSpecialTokens: false });
  assert.ok(ids.length >= 7, 'the tiny vocabulary spells these characters in bytes');
  assert.deepEqual(piecewise(tokenizer, ids, true).filter((piece) => piece !== ''), ['a', '😀', '犬']);
  const cut = piecewise(tokenizer, ids.slice(0, 3), true);
  assert.deepEqual(cut, ['a', '', '', '\uFFFD']);
});

test('spaces before punctuation stay, though the config asks to clean them up', () => {
  assert.equal(files().tokenizerConfig['clean_up_tokenization_spaces'], true);
  const text = "it 's fine , is n't it ? yes .";
  assert.equal(tokenizer.decode(tokenizer.encode(text)), text);
});

test('ids, tokens and files', () => {
  assert.equal(tokenizer.vocabSize, 500);
  assert.deepEqual([tokenizer.bosId, tokenizer.eosId, tokenizer.padId], [1, 2, 0]);
  assert.deepEqual([...tokenizer.specialIds], [0, 1, 2]);
  assert.equal(tokenizer.tokenToId('<|im_end|>'), 2);
  assert.equal(tokenizer.idToToken(2), '<|im_end|>');
  assert.equal(tokenizer.tokenToId('no such token'), undefined);
  assert.equal(tokenizer.idToToken(500), undefined);
  assert.equal(tokenizer.decode([]), '');
  assert.deepEqual(tokenizer.files, files());
});

test('a token that only the config calls special is special', () => {
  const changed = files();
  changed.tokenizerJson['added_tokens'] = [];
  changed.tokenizerConfig['pad_token'] = null;
  changed.tokenizerConfig['eos_token'] = { content: '<|im_end|>', lstrip: false };
  changed.specialTokensMap = { pad_token: { content: '<|endoftext|>' }, eos_token: 'overruled' };
  const other = new Tokenizer(changed);
  assert.deepEqual([other.bosId, other.eosId, other.padId], [1, 2, 0]);
  assert.deepEqual(other.encode('a<|im_end|>', { addSpecialTokens: false }), tokenizer.encode('a<|im_end|>', { addSpecialTokens: false }));
  assert.equal(other.decode([1, 2, 0]), '');
});

test('a named token that the vocabulary lacks has no id', () => {
  const changed = files();
  changed.tokenizerConfig['pad_token'] = '[PAD]';
  assert.equal(new Tokenizer(changed).padId, null);
});

/** A SentencePiece-like tokenizer with byte tokens, as Llama 2 and Mistral have. */
function byteFallback(cleanUp = false, model: Record<string, unknown> = {}): Tokenizer {
  const tokens = ['<unk>', '<s>', '▁hello', '▁world', '!', ...['E4', 'BD', 'A0', 'F0'].map((byte) => `<0x${byte}>`), '▁', "n't", '▁do'];
  return new Tokenizer({
    tokenizerJson: {
      added_tokens: [{ id: 1, content: '<s>', special: true }],
      pre_tokenizer: null,
      normalizer: null,
      decoder: {
        type: 'Sequence',
        decoders: [{ type: 'Replace', pattern: { String: '▁' }, content: ' ' }, { type: 'ByteFallback' }, { type: 'Fuse' }, { type: 'Strip', content: ' ', start: 1, stop: 0 }],
      },
      model: { type: 'BPE', vocab: Object.fromEntries(tokens.map((token, id) => [token, id])), merges: [], byte_fallback: true, unk_token: '<unk>', ...model },
    },
    tokenizerConfig: { clean_up_tokenization_spaces: cleanUp },
  });
}

test('byte tokens come as a run', () => {
  const other = byteFallback();
  assert.deepEqual(piecewise(other, [1, 2, 5, 6, 7, 3, 4], true), ['', 'hello', '', '', '', '你 world', '!', '']);
  assert.deepEqual(piecewise(other, [2, 5, 6], true), ['hello', '', '', '\uFFFD\uFFFD']);
  for (const ids of [[2, 5, 6, 7, 8], [5], [1, 3, 9, 9, 4], [99, 2], [2, 8, 3]]) assert.equal(piecewise(other, ids, true).join(''), other.decode(ids));
});

test('where spaces are cleaned up, nothing is given before the end', () => {
  const other = byteFallback(true, { type: 'WordPiece', unk_token: '<unk>' });
  const ids = [2, 4, 11, 10];
  assert.equal(other.decode(ids), "hello! don't");
  assert.deepEqual(piecewise(other, ids, true), ['', '', '', '', "hello! don't"]);
});

test('files of an unknown kind are refused', () => {
  const changed = files();
  changed.tokenizerJson['pre_tokenizer'] = { type: 'Nonsense' };
  assert.throws(() => new Tokenizer(changed), InputError);
});
