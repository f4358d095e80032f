/** Byte-level BPE in a GGUF file (`tokenizer.ggml.model` = gpt2), with the pre-tokenizer that `tokenizer.ggml.pre` names. */
import type { MetadataReader } from './gguf-metadata.ts';
import type { TokenizerParts } from './gguf-vocabulary.ts';
import { listedMerges, USE_FOLDER, vocabulary } from './gguf-vocabulary.ts';
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

const CONTRACTION = "(?i:'s|'t|'re|'ve|'m|'ll|'d)";
const GAPS = '\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+';

/** Words of the Llama 3 and Qwen2 tokenizers; they differ in how many digits stay together. */
const words = (digits: string): string => `${CONTRACTION}|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|${digits}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|${GAPS}`;

/** Words of Mistral's Tekken and of GPT-4o, which also end before a capital. */
const casedWords = (contraction: string, digits: string): string => {
  const upper = '[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]';
  const lower = '[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]';
  const word = (letters: string): string => `[^\\r\\n\\p{L}\\p{N}]?${letters}${contraction}`;
  return `${word(`${upper}*${lower}+`)}|${word(`${upper}+${lower}*`)}|${digits}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|${GAPS}`;
};

const plain = (preTokenizer: JsonObject): PreTokenizer => ({ normalizer: null, preTokenizer, ignoreMerges: false, addsBos: false });
const splitting = (regex: string): PreTokenizer => plain(sequence(split(regex), byteLevel(false)));
const gpt2 = plain(byteLevel(true));
const llama3: PreTokenizer = { ...splitting(words('\\p{N}{1,3}')), ignoreMerges: true, addsBos: true };
const qwen2: PreTokenizer = { ...splitting(words('\\p{N}')), normalizer: { type: 'NFC' } };

/** The names of llama.cpp, and what it does by them. */
const PRE_TOKENIZERS: Readonly<Record<string, PreTokenizer>> = {
  'gpt-2': gpt2,
  olmo: gpt2,
  smollm: plain(sequence({ type: 'Digits', individual_digits: true }, byteLevel(true))),
  'llama-bpe': llama3,
  llama3,
  'llama-v3': llama3,
  // OLMo 2 and others that took the words of Llama 3.
  dbrx: splitting(words('\\p{N}{1,3}')),
  'smaug-bpe': splitting(words('\\p{N}{1,3}')),
  qwen2,
  'deepseek-r1-qwen': qwen2,
  tekken: { ...splitting(casedWords('', '\\p{N}')), ignoreMerges: true, addsBos: true },
  'gpt-4o': splitting(casedWords(`${CONTRACTION}?`, '\\p{N}{1,3}')),
  // llama.cpp's choice for files whose converter knew no better: its four patterns, one after the other.
  default: plain(
    sequence(split('[\\p{P}\\$\\+<=>\\^~\\|]+'), split("'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)"), split('\\p{N}+'), split('[0-9][0-9][0-9]'), byteLevel(false)),
  ),
};

/** The parts of `tokenizer.json`. */
export function byteLevelParts(read: MetadataReader): TokenizerParts {
  const name = read.maybeString('tokenizer.ggml.pre');
  const pre = name !== undefined && Object.hasOwn(PRE_TOKENIZERS, name) ? PRE_TOKENIZERS[name] : undefined;
  if (!pre) throw read.fault(`\`tokenizer.ggml.pre\` out of ${Object.keys(PRE_TOKENIZERS).join(', ')}`, name ?? 'none', USE_FOLDER);
  const tokens = read.strings('tokenizer.ggml.tokens');
  const idOf = vocabulary(read, tokens);
  return {
    tokens,
    idOf,
    addsBos: pre.addsBos,
    normalizer: pre.normalizer,
    preTokenizer: pre.preTokenizer,
    decoder: { type: 'ByteLevel', add_prefix_space: true, trim_offsets: true, use_regex: true },
    model: { unk_token: null, continuing_subword_prefix: '', end_of_word_suffix: '', fuse_unk: false, byte_fallback: false, ignore_merges: pre.ignoreMerges },
    merges: listedMerges(read, idOf),
  };
}
