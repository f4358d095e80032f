/** What both kinds of tokenizers in GGUF files have: tokens, their kinds, merges. */
import { FETCH_AGAIN } from './file-bytes.ts';
import type { MetadataReader } from './gguf-metadata.ts';
import type { JsonObject } from './json-file.ts';

/** Kinds of tokens in `tokenizer.ggml.token_type`. Control tokens are special, user-defined ones are plain added tokens. */
export const CONTROL = 3;
export const USER_DEFINED = 4;

/** What to do about a tokenizer that we cannot read. */
export const USE_FOLDER = "use the model's Hugging Face folder instead";

/** What the two kinds of tokenizers give. */
export interface TokenizerParts {
  /** As the tokenizer spells them, by id. */
  tokens: readonly string[];
  idOf: ReadonlyMap<string, number>;
  /** Whether a BOS is written where the file has no `add_bos_token`. */
  addsBos: boolean;
  normalizer: JsonObject | null;
  preTokenizer: JsonObject | null;
  decoder: JsonObject;
  /** `model` of `tokenizer.json`, without vocabulary and merges. */
  model: JsonObject;
  merges: [string, string][];
  /** Ids that go without saying, by metadata key. */
  defaultIds?: Readonly<Record<string, number>>;
}

/** Ids by token. */
export function vocabulary(read: MetadataReader, tokens: readonly string[]): Map<string, number> {
  const idOf = new Map(tokens.map((token, id) => [token, id]));
  if (idOf.size !== tokens.length) throw read.fault(`${tokens.length} different tokens`, `${idOf.size}`, FETCH_AGAIN);
  return idOf;
}

/** The kind of every token, where the file says it. */
export function tokenTypes(read: MetadataReader, count: number): Int32Array | undefined {
  const types = read.maybeIntegers('tokenizer.ggml.token_type');
  if (types && types.length !== count) throw read.fault(`${count} token types, one per token`, String(types.length), FETCH_AGAIN);
  return types;
}

/** Pairs of tokens whose union is a token as well, or Python's `tokenizers` refuses the file. */
export function listedMerges(read: MetadataReader, idOf: ReadonlyMap<string, number>): [string, string][] {
  return read.strings('tokenizer.ggml.merges').map((line) => {
    const space = line.indexOf(' ', 1);
    const pair: [string, string] = [line.slice(0, space), line.slice(space + 1)];
    if (space < 1 || !idOf.has(pair[0]) || !idOf.has(pair[1]) || !idOf.has(pair[0] + pair[1])) {
      throw read.fault('merges of two tokens into a third', JSON.stringify(line), FETCH_AGAIN);
    }
    return pair;
  });
}
