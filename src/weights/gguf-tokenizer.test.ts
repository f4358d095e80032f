import assert from 'node:assert/strict';
import fs from 'node:fs';
import { test } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import { FileFormatError } from '../errors.ts';
import { readTokenizerFiles } from './checkpoint.ts';
import type { GgufValue } from './gguf.ts';
import { ggufTokenizerFiles } from './gguf-tokenizer.ts';
import type { JsonObject } from './json-file.ts';
import { renderChat } from '../text/chat-template.ts';
import { Tokenizer } from '../text/tokenizer.ts';

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

/** A fixture's SentencePiece vocabulary as a GGUF file would say it. */
function sentencePiece(name: string, changes: Record<string, GgufValue | undefined> = {}) {
  const wanted = (JSON.parse(fs.readFileSync(new URL(`../../test/fixtures/tokenizers/${name}.json`, import.meta.url), 'utf8')) as { tokenizer: JsonObject }).tokenizer;
  const { vocab } = wanted['model'] as typeof model;
  const added = new Map((wanted['added_tokens'] as { id: number; special: boolean }[]).map(({ id, special }) => [id, special]));
  const spelled = Object.keys(vocab).sort((a, b) => (vocab[a] as number) - (vocab[b] as number));
  const idOf = (token: string): number | undefined => vocab[token];
  return {
    wanted,
    built: build({
      'tokenizer.ggml.model': 'llama',
      'tokenizer.ggml.pre': 'default',
      'tokenizer.ggml.tokens': spelled,
      'tokenizer.ggml.scores': Float32Array.from(spelled, (_, id) => (added.has(id) ? 0 : -id)),
      'tokenizer.ggml.token_type': Int32Array.from(spelled, (token, id) => (token === '<unk>' ? 2 : added.has(id) ? (added.get(id) ? 3 : 4) : /^<0x..>$/.test(token) ? 6 : 1)),
      'tokenizer.ggml.merges': undefined,
      'tokenizer.ggml.bos_token_id': idOf('<s>') ?? idOf('<bos>'),
      'tokenizer.ggml.eos_token_id': idOf('</s>') ?? idOf('<eos>'),
      'tokenizer.ggml.unknown_token_id': idOf('<unk>'),
      'tokenizer.ggml.padding_token_id': idOf('<pad>'),
      ...changes,
    }),
  };
}

test('gives the tokenizer.json that Python wrote for a vocabulary of SentencePiece', () => {
  const { built, wanted } = sentencePiece('llama2');
  assert.deepEqual(built.tokenizerJson, wanted);
  const { bos_token: bos, eos_token: eos, unk_token: unk } = built.tokenizerConfig;
  assert.deepEqual([bos, eos, unk], ['<s>', '</s>', '<unk>']);
});

test("Gemma's vocabulary: user-defined tokens go first whatever their score, runs of spaces are written as spaces", () => {
  const { wanted } = sentencePiece('gemma');
  const { vocab } = wanted['model'] as typeof model;
  const spelled = Object.keys(vocab).sort((a, b) => (vocab[a] as number) - (vocab[b] as number));
  const { built } = sentencePiece('gemma', {
    'general.architecture': 'gemma2',
    'tokenizer.ggml.add_space_prefix': false,
    'tokenizer.ggml.tokens': spelled.map((token) => (/^▁▁+$/.test(token) ? ' '.repeat(token.length) : token)),
    'tokenizer.ggml.scores': new Float32Array(spelled.length).fill(-1000),
  });
  // The pre-tokenizer splits at spaces, of which the normalizer leaves none.
  assert.deepEqual({ ...built.tokenizerJson, pre_tokenizer: wanted['pre_tokenizer'] }, wanted);
});

test('SentencePiece: ids that go without saying, no prefix space, merges that the file lists', () => {
  const { built, wanted } = sentencePiece('llama2', { 'tokenizer.ggml.bos_token_id': undefined, 'tokenizer.ggml.eos_token_id': undefined, 'tokenizer.ggml.unknown_token_id': undefined });
  assert.deepEqual(built.tokenizerJson, wanted);
  const listed = (wanted['model'] as typeof model).merges.slice(5, 10).toReversed();
  const bare = sentencePiece('llama2', {
    'tokenizer.ggml.add_space_prefix': false,
    'tokenizer.ggml.scores': undefined,
    'tokenizer.ggml.merges': listed.map((pair) => pair.join(' ')),
  }).built.tokenizerJson;
  assert.deepEqual((bare['model'] as typeof model).merges, listed);
  const tokenizer = new Tokenizer({ tokenizerJson: bare, tokenizerConfig: {} });
  assert.equal(tokenizer.decode(tokenizer.encode(' the 犬')), ' the 犬');
});

test('SentencePiece: without scores, with too few of them or one for all the file is refused', () => {
  const count = Object.keys((sentencePiece('llama2').wanted['model'] as typeof model).vocab).length;
  assert.throws(() => sentencePiece('llama2', { 'tokenizer.ggml.scores': new Float32Array(count).fill(-1000) }), /say which tokens go first, got -1000 for each; use the model's Hugging Face folder/);
  assert.throws(() => sentencePiece('llama2', { 'tokenizer.ggml.scores': undefined }), /scores` or `tokenizer.ggml.merges` in its metadata, got neither/);
  assert.throws(() => sentencePiece('llama2', { 'tokenizer.ggml.scores': Float32Array.of(1) }), /scores, one per token, got 1/);
});

test('named chat templates stand beside the default one', () => {
  const named = { 'tokenizer.chat_templates': ['tool_use'], 'tokenizer.chat_template.tool_use': 'T' };
  assert.deepEqual(build(named).tokenizerConfig['chat_template'], [{ name: 'default', template: '{{ messages }}' }, { name: 'tool_use', template: 'T' }]);
  const { tokenizerJson, tokenizerConfig } = build({ ...named, 'tokenizer.chat_template': 'D' });
  const tokenizer = new Tokenizer({ tokenizerJson, tokenizerConfig });
  assert.equal(renderChat(tokenizer, [{ role: 'user', content: '' }]), 'D');
  assert.equal(renderChat(tokenizer, [{ role: 'user', content: '' }], { tools: [] }), 'T');
  assert.throws(() => build({ 'tokenizer.chat_templates': ['rag'] }), /tokenizer.chat_template.rag/);
});

const preTokenizers: [name: string, of: string][] = [['llama-bpe', 'llama3'], ['qwen2', 'qwen2']];
for (const [name, fixtureName] of preTokenizers) {
  test(`the pre-tokenizer ${name} is that of tokenizer.json`, () => {
    const { tokenizer: wanted } = JSON.parse(fs.readFileSync(new URL(`../../test/fixtures/tokenizers/${fixtureName}.json`, import.meta.url), 'utf8')) as { tokenizer: { pre_tokenizer: { pretokenizers: JsonObject[] }; normalizer: unknown } };
    const { tokenizerJson } = build({ 'tokenizer.ggml.pre': name });
    assert.deepEqual((tokenizerJson['pre_tokenizer'] as { pretokenizers: JsonObject[] }).pretokenizers[0], wanted.pre_tokenizer.pretokenizers[0]);
    assert.deepEqual(tokenizerJson['normalizer'], wanted.normalizer);
  });
}

test('the pre-tokenizer gpt-4o is that of Python', () => {
  const { rows } = JSON.parse(fs.readFileSync(new URL('../../test/fixtures/tokenizers/pre-tokenizers.json', import.meta.url), 'utf8')) as { rows: [JsonObject][] };
  const [split] = (build({ 'tokenizer.ggml.pre': 'gpt-4o' }).tokenizerJson['pre_tokenizer'] as { pretokenizers: JsonObject[] }).pretokenizers;
  assert.ok(rows.some(([row]) => isDeepStrictEqual(row, split)));
});

const refusals: [string, Record<string, GgufValue | undefined>, RegExp][] = [
  ['a tokenizer of another kind', { 'tokenizer.ggml.model': 't5' }, /gpt2 \(byte-level BPE\) or llama.*got t5/],
  ['an unknown pre-tokenizer', { 'tokenizer.ggml.pre': 'viking' }, /out of gpt-2, olmo, smollm, .*default, got viking/],
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

