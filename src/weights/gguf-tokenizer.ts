/**
 * The tokenizer inside a GGUF file as `tokenizer.json` and `tokenizer_config.json`, for us and for Python alike: byte-level
 * BPE (`tokenizer.ggml.model` = gpt2) and SentencePiece's BPE (llama).
 */
import type { TokenizerFiles } from '../text/tokenizer-files.ts';
import type { GgufFile } from './gguf.ts';
import { byteLevelParts } from './gguf-byte-level.ts';
import type { MetadataReader } from './gguf-metadata.ts';
import { metadataReader } from './gguf-metadata.ts';
import { sentencePieceParts } from './gguf-sentencepiece.ts';
import type { TokenizerParts } from './gguf-vocabulary.ts';
import { CONTROL, tokenTypes, USE_FOLDER, USER_DEFINED } from './gguf-vocabulary.ts';
import { FETCH_AGAIN } from './file-bytes.ts';
import type { JsonObject } from './json-file.ts';

const KINDS: Readonly<Record<string, (read: MetadataReader) => TokenizerParts>> = { gpt2: byteLevelParts, llama: sentencePieceParts };

/**
 * Builds the tokenizer files.
 *
 * @throws FileFormatError when the tokenizer is of another kind or its parts do not fit together
 */
export function ggufTokenizerFiles(gguf: Pick<GgufFile, 'path' | 'metadata'>): TokenizerFiles {
  const read = metadataReader(gguf);
  const kind = read.string('tokenizer.ggml.model');
  const partsOf = Object.hasOwn(KINDS, kind) ? KINDS[kind] : undefined;
  if (!partsOf) throw read.fault('`tokenizer.ggml.model` to be gpt2 (byte-level BPE) or llama (SentencePiece BPE)', kind, USE_FOLDER);
  const parts = partsOf(read);
  const named = namedTokens(read, parts);
  const tokenizerJson: JsonObject = {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: addedTokens(read, parts.tokens, new Set(Object.values(named))),
    normalizer: parts.normalizer,
    pre_tokenizer: parts.preTokenizer,
    post_processor: postProcessor(read, parts, named),
    decoder: parts.decoder,
    // fromEntries defines own properties, so that a token named `__proto__` stays a token.
    model: { type: 'BPE', dropout: null, ...parts.model, vocab: Object.fromEntries(parts.idOf), merges: parts.merges },
  };
  const template = chatTemplate(read);
  const tokenizerConfig: JsonObject = {
    tokenizer_class: 'PreTrainedTokenizerFast',
    ...named,
    model_max_length: read.maybeNumber(`${read.maybeString('general.architecture')}.context_length`),
    clean_up_tokenization_spaces: false,
    ...(template === undefined ? {} : { chat_template: template }),
  };
  return { tokenizerJson, tokenizerConfig };
}

/** The one template, or the list of named ones that `tokenizer_config.json` may hold as well. */
function chatTemplate(read: MetadataReader): string | { name: string; template: string }[] | undefined {
  const template = read.maybeString('tokenizer.chat_template');
  const names = read.has('tokenizer.chat_templates') ? read.strings('tokenizer.chat_templates') : [];
  if (names.length === 0) return template;
  const named = names.map((name) => ({ name, template: read.string(`tokenizer.chat_template.${name}`) }));
  return template === undefined ? named : [{ name: 'default', template }, ...named];
}

/** `bos_token`, `eos_token`, … as texts. */
function namedTokens(read: MetadataReader, { tokens, defaultIds = {} }: TokenizerParts): Record<string, string> {
  const keys = { bos_token: 'bos_token_id', eos_token: 'eos_token_id', unk_token: 'unknown_token_id', pad_token: 'padding_token_id' };
  const named: Record<string, string> = {};
  for (const [name, key] of Object.entries(keys)) {
    const id = read.maybeNumber(`tokenizer.ggml.${key}`) ?? defaultIds[key];
    if (id === undefined) continue;
    const token = tokens[id];
    if (token === undefined) throw read.fault(`\`tokenizer.ggml.${key}\` inside its ${tokens.length} tokens`, String(id), FETCH_AGAIN);
    named[name] = token;
  }
  return named;
}

function addedTokens(read: MetadataReader, tokens: readonly string[], named: ReadonlySet<string>): JsonObject[] {
  const types = tokenTypes(read, tokens.length);
  return tokens.flatMap((content, id) => {
    const special = types?.[id] === CONTROL || named.has(content);
    if (!special && types?.[id] !== USER_DEFINED) return [];
    return [{ id, content, single_word: false, lstrip: false, rstrip: false, normalized: false, special }];
  });
}

const FIRST_TEXT: JsonObject = { Sequence: { id: 'A', type_id: 0 } };
const SECOND_TEXT: JsonObject = { Sequence: { id: 'B', type_id: 1 } };

/** Writes BOS and EOS around a text where the file asks for it. */
function postProcessor(read: MetadataReader, { addsBos, idOf }: TokenizerParts, named: Record<string, string>): JsonObject {
  const special: JsonObject = {};
  const item = (flag: string, name: string, byDefault: boolean): JsonObject[] => {
    if (!(read.maybeBoolean(`tokenizer.ggml.${flag}`) ?? byDefault)) return [];
    const token = named[name];
    if (token === undefined) throw read.fault(`an id for \`${name}\`, which \`${flag}\` asks for`, 'none', FETCH_AGAIN);
    special[token] = { id: token, ids: [idOf.get(token)], tokens: [token] };
    return [{ SpecialToken: { id: token, type_id: 0 } }];
  };
  const before = item('add_bos_token', 'bos_token', addsBos);
  const after = item('add_eos_token', 'eos_token', false);
  return {
    type: 'TemplateProcessing',
    single: [...before, FIRST_TEXT, ...after],
    pair: [...before, FIRST_TEXT, ...after, SECOND_TEXT],
    special_tokens: special,
  };
}
