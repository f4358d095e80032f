import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FileFormatError } from '../errors.ts';
import { readTokenizerFiles } from './checkpoint.ts';
import type { GgufValue } from './gguf.ts';
import { ggufTokenizerFiles } from './gguf-tokenizer.ts';

const fixture = new URL('../../test/fixtures/tokenizer/', import.meta.url).pathname;
const python = readTokenizerFiles(fixture);
const model = python.tokenizerJson['model'] as { vocab: Record<string, number>; merges: [string, string][] };
const tokens = Object.entries(model.vocab).sort(([, a], [, b]) => a - b).map(([token]) => token);

/** The fixture's tokenizer as a GGUF file would say it. */
function metadata(changes: Record<string, GgufValue | undefined> = {}): Map<string, GgufValue> {
  const all: Record<string, GgufValue | undefined> = {
    'general.architecture': 'llama',
    'llama.context_length': 128,
    'tokenizer.ggml.model': 'gpt2',
    'tokenizer.ggml.pre': 'smollm',
    'tokenizer.ggml.tokens': tokens,
    'tokenizer.ggml.token_type': Int32Array.from(tokens, (_, id) => (id < 3 ? 3 : 1)),
    'tokenizer.ggml.merges': model.merges.map((pair) => pair.join(' ')),
    'tokenizer.ggml.bos_token_id': 1,
    'tokenizer.ggml.eos_token_id': 2,
    'tokenizer.ggml.padding_token_id': 0,
    'tokenizer.chat_template': '{{ messages }}',
    ...changes,
  };
  return new Map(Object.entries(all).filter((entry): entry is [string, GgufValue] => entry[1] !== undefined));
}

const build = (changes: Record<string, GgufValue | undefined> = {}) => ggufTokenizerFiles({ path: 'model.gguf', metadata: metadata(changes) });

test('gives the tokenizer.json that Python wrote for the same vocabulary', () => {
  const { tokenizerJson, tokenizerConfig } = build();
  const built = tokenizerJson['model'] as typeof model;
  assert.deepEqual(built.vocab, model.vocab);
  assert.deepEqual(built.merges, model.merges);
  assert.deepEqual(tokenizerJson['added_tokens'], python.tokenizerJson['added_tokens']);
  assert.deepEqual(tokenizerJson['pre_tokenizer'], python.tokenizerJson['pre_tokenizer']);
  assert.deepEqual(tokenizerConfig, {
    tokenizer_class: 'PreTrainedTokenizerFast',
    bos_token: '<|im_start|>',
    eos_token: '<|im_end|>',
    pad_token: '<|endoftext|>',
    model_max_length: 128,
    clean_up_tokenization_spaces: false,
    chat_template: '{{ messages }}',
  });
});

/** The post-processor's items for one text, in short: the special token's name, or `text`. */
function around(changes: Record<string, GgufValue>): string[] {
  const { single } = build(changes).tokenizerJson['post_processor'] as { single: { SpecialToken?: { id: string } }[] };
  return single.map((item) => item.SpecialToken?.id ?? 'text');
}

test('writes BOS and EOS where the file asks for them, and by default only for llama-bpe', () => {
  assert.deepEqual(around({}), ['text']);
  assert.deepEqual(around({ 'tokenizer.ggml.pre': 'llama-bpe' }), ['<|im_start|>', 'text']);
  assert.deepEqual(around({ 'tokenizer.ggml.add_bos_token': true, 'tokenizer.ggml.add_eos_token': true }), ['<|im_start|>', 'text', '<|im_end|>']);
});

test('user-defined tokens are added but not special; a token named __proto__ stays a token', () => {
  const named = [...tokens.slice(0, -1), '__proto__'];
  const { tokenizerJson } = build({
    'tokenizer.ggml.tokens': named,
    'tokenizer.ggml.merges': [],
    'tokenizer.ggml.token_type': Int32Array.from(named, (_, id) => (id === 499 ? 4 : 1)),
  });
  const added = tokenizerJson['added_tokens'] as { id: number; special: boolean }[];
  assert.deepEqual(added.map(({ id, special }) => [id, special]), [[0, true], [1, true], [2, true], [499, false]]);
  assert.deepEqual(Object.getOwnPropertyDescriptor((tokenizerJson['model'] as typeof model).vocab, '__proto__')?.value, 499);
});

const refusals: [string, Record<string, GgufValue | undefined>, RegExp][] = [
  ['a SentencePiece tokenizer', { 'tokenizer.ggml.model': 'llama' }, /byte-level BPE.*got llama/],
  ['an unknown pre-tokenizer', { 'tokenizer.ggml.pre': 'tekken' }, /out of gpt-2, smollm, llama-bpe, qwen2, default, got tekken/],
  ['a pre-tokenizer named like a property of objects', { 'tokenizer.ggml.pre': 'constructor' }, /got constructor/],
  ['no pre-tokenizer', { 'tokenizer.ggml.pre': undefined }, /got none/],
  ['a token twice', { 'tokenizer.ggml.tokens': ['a', 'a'] }, /2 different tokens, got 1/],
  ['a list of types of another length', { 'tokenizer.ggml.token_type': Int32Array.of(1) }, /500 token types/],
  ['a BOS id outside the vocabulary', { 'tokenizer.ggml.bos_token_id': 500 }, /inside its 500 tokens, got 500/],
  ['a BOS that is asked for and not named', { 'tokenizer.ggml.bos_token_id': undefined, 'tokenizer.ggml.add_bos_token': true }, /an id for `bos_token`/],
  ['a merge of unknown tokens', { 'tokenizer.ggml.merges': ['zzz yyy'] }, /merges of two tokens/],
  ['a merge of one token', { 'tokenizer.ggml.merges': ['a'] }, /merges of two tokens/],
];
for (const [what, changes, message] of refusals) {
  test(`refuses ${what}`, () => {
    assert.throws(() => build(changes), (error: unknown) => error instanceof FileFormatError && message.test(error.message));
  });
}

