/** Tokenizers written into GGUF files and read back from them give the ids and texts of Python's tokenizers (fixtures/tokenizers/make.py). */
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { Tokenizer } from '../src/text/tokenizer.ts';
import { openGguf } from '../src/weights/gguf.ts';
import { ggufTokenizerFiles } from '../src/weights/gguf-tokenizer.ts';
import type { TypedValue } from './fixtures/gguf/build-gguf.ts';
import { buildGguf } from './fixtures/gguf/build-gguf.ts';

interface Kind {
  tokenizer: { model: { vocab: Record<string, number>; merges: [string, string][] }; added_tokens: { id: number; content: string; special: boolean }[] };
  ids: number[][];
  special: number[][];
  decoded: (string | null)[];
}

const folder = mkdtempSync(join(tmpdir(), 'tsrl-gguf-tokenizers-'));
after(() => rmSync(folder, { recursive: true }));

const fixture = (name: string): unknown => JSON.parse(readFileSync(new URL(`./fixtures/tokenizers/${name}.json`, import.meta.url), 'utf8'));
const texts = fixture('texts') as string[];

/** `tokenizer.ggml.token_type`: 1 normal, 2 unknown, 3 control, 4 user-defined, 6 byte. */
function typesOf(tokens: readonly string[], { tokenizer }: Kind): number[] {
  const added = new Map(tokenizer.added_tokens.map(({ content, special }) => [content, special ? 3 : 4]));
  return tokens.map((token) => (token === '<unk>' ? 2 : (added.get(token) ?? (/^<0x[0-9A-F]{2}>$/.test(token) ? 6 : 1))));
}

/** The metadata that llama.cpp's converter writes: merges for byte-level BPE, scores for SentencePiece. */
function metadata(kind: Kind, architecture: string, pre: string | null, special: Record<string, string>): Record<string, TypedValue> {
  const { vocab, merges } = kind.tokenizer.model;
  const idOf = new Map([...Object.entries(vocab), ...kind.tokenizer.added_tokens.map(({ content, id }): [string, number] => [content, id])]);
  const tokens = [...idOf.keys()].sort((a, b) => idOf.get(a)! - idOf.get(b)!);
  const types = typesOf(tokens, kind);
  const rank = new Map(merges.map((pair, at): [string, number] => [pair.join(''), at]).toReversed());
  const scores = tokens.map((token, id) => (types[id] === 4 ? -1000 : types[id] === 1 ? -(rank.get(token) ?? merges.length + id) : 0));
  return {
    'general.architecture': { string: architecture },
    'tokenizer.ggml.model': { string: pre === null ? 'llama' : 'gpt2' },
    'tokenizer.ggml.pre': { string: pre ?? 'default' },
    'tokenizer.ggml.tokens': { strings: pre === null ? tokens.map((token, id) => (types[id] === 4 ? token.replaceAll('▁', ' ') : token)) : tokens },
    'tokenizer.ggml.token_type': { i32s: types },
    ...(pre === null ? { 'tokenizer.ggml.scores': { f32s: scores } } : { 'tokenizer.ggml.merges': { strings: merges.map((pair) => pair.join(' ')) } }),
    ...Object.fromEntries(Object.entries(special).map(([key, token]) => [`tokenizer.ggml.${key}_token_id`, { u32: idOf.get(token)! }])),
  };
}

const files: [name: string, architecture: string, pre: string | null, special: Record<string, string>, more: Record<string, TypedValue>][] = [
  ['llama2', 'llama', null, { bos: '<s>', eos: '</s>', unknown: '<unk>' }, { 'tokenizer.ggml.add_space_prefix': { bool: true } }],
  ['gemma', 'gemma2', null, { bos: '<bos>', eos: '<eos>', unknown: '<unk>', padding: '<pad>' }, { 'tokenizer.ggml.add_space_prefix': { bool: false } }],
  ['llama3', 'llama', 'llama-bpe', { bos: '<|begin_of_text|>', eos: '<|eot_id|>' }, {}],
  ['qwen2', 'qwen2', 'qwen2', { eos: '<|im_end|>', padding: '<|endoftext|>' }, { 'tokenizer.ggml.add_bos_token': { bool: false } }],
];
for (const [name, architecture, pre, special, more] of files) {
  test(`${name}: ids and texts as Python's`, () => {
    const kind = fixture(name) as Kind;
    const path = join(folder, `${name}.gguf`);
    writeFileSync(path, buildGguf({ metadata: { ...metadata(kind, architecture, pre, special), ...more } }));
    const gguf = openGguf(path);
    const tokenizer = new Tokenizer(ggufTokenizerFiles(gguf));
    gguf.close();
    for (const [i, text] of texts.entries()) {
      assert.deepEqual(tokenizer.encode(text, { addSpecialTokens: false }), kind.ids[i], JSON.stringify(text));
      assert.equal(tokenizer.decode(kind.ids[i]!, { skipSpecialTokens: false }), kind.decoded[i] ?? text, JSON.stringify(text));
    }
    for (const [i, ids] of kind.special.entries()) assert.deepEqual(tokenizer.encode(texts[i]!), ids, JSON.stringify(texts[i]));
  });
}
