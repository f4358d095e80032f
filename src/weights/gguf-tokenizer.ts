/**
 * The tokenizer inside a GGUF file as `tokenizer.json` and `tokenizer_config.json`: byte-level BPE
 * (`tokenizer.ggml.model` = gpt2) with the pre-tokenizer that `tokenizer.ggml.pre` names.
 */
import type { TokenizerFiles } from '../text/tokenizer-files.ts';
import type { GgufFile } from './gguf.ts';
import type { MetadataReader } from './gguf-metadata.ts';
import { metadataReader } from './gguf-metadata.ts';
import { FETCH_AGAIN } from './file-bytes.ts';
import type { JsonObject } from './json-file.ts';

/** What a `tokenizer.ggml.pre` name stands for. */
interface PreTokenizer {
  normalizer: JsonObject | null;
  preTokenizer: JsonObject;
  /** A piece that is a whole token is not merged from its bytes. */
  ignoreMerges: boolean;
  /** Whether a BOS is written where the file has no `add_bos_token`. */
  addsBos: boolean;
}

const byteLevel = (useRegex: boolean): JsonObject => ({ type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: useRegex });
const sequence = (...pretokenizers: JsonObject[]): JsonObject => ({ type: 'Sequence', pretokenizers });
const split = (regex: string): JsonObject => ({ type: 'Split', pattern: { Regex: regex }, behavior: 'Isolated', invert: false });

/** Words of the Llama 3 and Qwen2 tokenizers; they differ in how many digits stay together. */
const words = (digits: string): string =>
  `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|${digits}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+`;

const PRE_TOKENIZERS: Readonly<Record<string, PreTokenizer>> = {
  'gpt-2': { normalizer: null, preTokenizer: byteLevel(true), ignoreMerges: false, addsBos: false },
  smollm: { normalizer: null, preTokenizer: sequence({ type: 'Digits', individual_digits: true }, byteLevel(true)), ignoreMerges: false, addsBos: false },
  'llama-bpe': { normalizer: null, preTokenizer: sequence(split(words('\\p{N}{1,3}')), byteLevel(false)), ignoreMerges: true, addsBos: true },
  qwen2: { normalizer: { type: 'NFC' }, preTokenizer: sequence(split(words('\\p{N}')), byteLevel(false)), ignoreMerges: false, addsBos: false },
  // llama.cpp's choice for files whose converter knew no better: its four patterns, one after the other.
  default: {
    normalizer: null,
    preTokenizer: sequence(split('[\\p{P}\\$\\+<=>\\^~\\|]+'), split("'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)"), split('\\p{N}+'), split('[0-9][0-9][0-9]'), byteLevel(false)),
    ignoreMerges: false,
    addsBos: false,
  },
};

/** Kinds of tokens in `tokenizer.ggml.token_type`. Control tokens are special, user-defined ones are plain added tokens. */
const CONTROL = 3;
const USER_DEFINED = 4;

const USE_FOLDER = "use the model's Hugging Face folder instead";

/**
 * Builds the tokenizer files.
 *
 * @throws FileFormatError when the tokenizer is of another kind or its parts do not fit together
 */
export function ggufTokenizerFiles(gguf: Pick<GgufFile, 'path' | 'metadata'>): TokenizerFiles {
  const read = metadataReader(gguf);
  const model = read.string('tokenizer.ggml.model');
  if (model !== 'gpt2') throw read.fault('a byte-level BPE tokenizer (`tokenizer.ggml.model` gpt2)', model, USE_FOLDER);
  const name = read.maybeString('tokenizer.ggml.pre');
  const pre = name !== undefined && Object.hasOwn(PRE_TOKENIZERS, name) ? PRE_TOKENIZERS[name] : undefined;
  if (!pre) throw read.fault(`\`tokenizer.ggml.pre\` out of ${Object.keys(PRE_TOKENIZERS).join(', ')}`, name ?? 'none', USE_FOLDER);

  const tokens = read.strings('tokenizer.ggml.tokens');
  const idOf = new Map(tokens.map((token, id) => [token, id]));
  if (idOf.size !== tokens.length) throw read.fault(`${tokens.length} different tokens`, `${idOf.size}`, FETCH_AGAIN);
  const named = namedTokens(read, tokens);
  const tokenizerJson: JsonObject = {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: addedTokens(read, tokens, new Set(Object.values(named))),
    normalizer: pre.normalizer,
    pre_tokenizer: pre.preTokenizer,
    post_processor: postProcessor(read, pre, named, idOf),
    decoder: { type: 'ByteLevel', add_prefix_space: true, trim_offsets: true, use_regex: true },
    model: {
      type: 'BPE',
      dropout: null,
      unk_token: null,
      continuing_subword_prefix: '',
      end_of_word_suffix: '',
      fuse_unk: false,
      byte_fallback: false,
      ignore_merges: pre.ignoreMerges,
      // fromEntries defines own properties, so that a token named `__proto__` stays a token.
      vocab: Object.fromEntries(idOf),
      merges: merges(read, idOf),
    },
  };
  const template = read.maybeString('tokenizer.chat_template');
  const tokenizerConfig: JsonObject = {
    tokenizer_class: 'PreTrainedTokenizerFast',
    ...named,
    model_max_length: read.maybeNumber(`${read.maybeString('general.architecture')}.context_length`),
    clean_up_tokenization_spaces: false,
    ...(template === undefined ? {} : { chat_template: template }),
  };
  return { tokenizerJson, tokenizerConfig };
}

/** `bos_token`, `eos_token`, … as texts. */
function namedTokens(read: MetadataReader, tokens: readonly string[]): Record<string, string> {
  const keys = { bos_token: 'bos_token_id', eos_token: 'eos_token_id', unk_token: 'unknown_token_id', pad_token: 'padding_token_id' };
  const named: Record<string, string> = {};
  for (const [name, key] of Object.entries(keys)) {
    const id = read.maybeNumber(`tokenizer.ggml.${key}`);
    if (id === undefined) continue;
    const token = tokens[id];
    if (token === undefined) throw read.fault(`\`tokenizer.ggml.${key}\` inside its ${tokens.length} tokens`, String(id), FETCH_AGAIN);
    named[name] = token;
  }
  return named;
}

function addedTokens(read: MetadataReader, tokens: readonly string[], named: ReadonlySet<string>): JsonObject[] {
  const types = read.maybeIntegers('tokenizer.ggml.token_type');
  if (types && types.length !== tokens.length) throw read.fault(`${tokens.length} token types, one per token`, String(types.length), FETCH_AGAIN);
  return tokens.flatMap((content, id) => {
    const special = types?.[id] === CONTROL || named.has(content);
    if (!special && types?.[id] !== USER_DEFINED) return [];
    return [{ id, content, single_word: false, lstrip: false, rstrip: false, normalized: false, special }];
  });
}

const FIRST_TEXT: JsonObject = { Sequence: { id: 'A', type_id: 0 } };
const SECOND_TEXT: JsonObject = { Sequence: { id: 'B', type_id: 1 } };

/** Writes BOS and EOS around a text where the file asks for it. */
function postProcessor(read: MetadataReader, pre: PreTokenizer, named: Record<string, string>, idOf: ReadonlyMap<string, number>): JsonObject {
  const special: JsonObject = {};
  const item = (flag: string, name: string, byDefault: boolean): JsonObject[] => {
    if (!(read.maybeBoolean(`tokenizer.ggml.${flag}`) ?? byDefault)) return [];
    const token = named[name];
    if (token === undefined) throw read.fault(`an id for \`${name}\`, which \`${flag}\` asks for`, 'none', FETCH_AGAIN);
    special[token] = { id: token, ids: [idOf.get(token)], tokens: [token] };
    return [{ SpecialToken: { id: token, type_id: 0 } }];
  };
  const before = item('add_bos_token', 'bos_token', pre.addsBos);
  const after = item('add_eos_token', 'eos_token', false);
  return {
    type: 'TemplateProcessing',
    single: [...before, FIRST_TEXT, ...after],
    pair: [...before, FIRST_TEXT, ...after, SECOND_TEXT],
    special_tokens: special,
  };
}

/** Pairs of tokens whose union is a token as well, or Python's `tokenizers` refuses the file. */
function merges(read: MetadataReader, idOf: ReadonlyMap<string, number>): [string, string][] {
  return read.strings('tokenizer.ggml.merges').map((line) => {
    const space = line.indexOf(' ', 1);
    const pair: [string, string] = [line.slice(0, space), line.slice(space + 1)];
    if (space < 1 || !idOf.has(pair[0]) || !idOf.has(pair[1]) || !idOf.has(pair[0] + pair[1])) {
      throw read.fault('merges of two tokens into a third', JSON.stringify(line), FETCH_AGAIN);
    }
    return pair;
  });
}
