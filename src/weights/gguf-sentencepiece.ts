/**
 * SentencePiece's BPE in a GGUF file (`tokenizer.ggml.model` = llama): Llama 2, Mistral 7B, Gemma, Phi-3. As Python's
 * transformers converts such a vocabulary: BPE over code points with ▁ for spaces, where a character without a token
 * becomes its bytes. Where a space is put in front of a text, it goes before each piece between special tokens, as
 * SentencePiece and llama.cpp do it.
 */
import { FETCH_AGAIN } from './file-bytes.ts';
import type { MetadataReader } from './gguf-metadata.ts';
import type { TokenizerParts } from './gguf-vocabulary.ts';
import { listedMerges, tokenTypes, USE_FOLDER, USER_DEFINED, vocabulary } from './gguf-vocabulary.ts';
import type { JsonObject } from './json-file.ts';

const SPACE: JsonObject = { type: 'Replace', pattern: { String: ' ' }, content: '▁' };

/** The parts of `tokenizer.json`. */
export function sentencePieceParts(read: MetadataReader): TokenizerParts {
  const gemma = (read.maybeString('general.architecture') ?? '').startsWith('gemma');
  const listed = read.strings('tokenizer.ggml.tokens');
  // Runs of spaces are tokens of their own in Gemma, which its files write as spaces.
  const tokens = gemma ? listed.map((token) => (/^ +$/.test(token) ? '▁'.repeat(token.length) : token)) : listed;
  const idOf = vocabulary(read, tokens);
  const prefix = read.maybeBoolean('tokenizer.ggml.add_space_prefix') ?? true;
  const decoders: JsonObject[] = [{ type: 'Replace', pattern: { String: '▁' }, content: ' ' }, { type: 'ByteFallback' }, { type: 'Fuse' }];
  return {
    tokens,
    idOf,
    addsBos: true,
    normalizer: prefix ? { type: 'Sequence', normalizers: [{ type: 'Prepend', prepend: '▁' }, SPACE] } : SPACE,
    preTokenizer: null,
    decoder: { type: 'Sequence', decoders: prefix ? [...decoders, { type: 'Strip', content: ' ', start: 1, stop: 0 }] : decoders },
    model: { unk_token: unknownToken(read, tokens), continuing_subword_prefix: null, end_of_word_suffix: null, fuse_unk: true, byte_fallback: true, ignore_merges: false },
    merges: read.has('tokenizer.ggml.merges') ? listedMerges(read, idOf) : impliedMerges(idOf, preferences(read, tokens.length, gemma)),
    defaultIds: DEFAULT_IDS,
  };
}

/** Ids of SentencePiece, which llama.cpp takes where a file names none. */
const DEFAULT_IDS = { unknown_token_id: 0, bos_token_id: 1, eos_token_id: 2 };

function unknownToken(read: MetadataReader, tokens: readonly string[]): string | null {
  return tokens[read.maybeNumber('tokenizer.ggml.unknown_token_id') ?? DEFAULT_IDS.unknown_token_id] ?? null;
}

/** How early a token is made, by id: the greater, the earlier. */
function preferences(read: MetadataReader, count: number, gemma: boolean): ArrayLike<number> {
  const types = tokenTypes(read, count);
  // In Gemma's files the user-defined tokens, which go first, have the worst scores. The others stand in the order of
  // their merges.
  if (gemma) return Float64Array.from({ length: count }, (_, id) => (types?.[id] === USER_DEFINED ? 0 : -id));
  const scores = read.maybeFloats('tokenizer.ggml.scores');
  if (!scores) throw read.fault('`tokenizer.ggml.scores` or `tokenizer.ggml.merges` in its metadata', 'neither', 'convert the model again with a current llama.cpp');
  if (scores.length !== count) throw read.fault(`${count} scores, one per token`, String(scores.length), FETCH_AGAIN);
  // A converter without the model's `tokenizer.model` writes one score for all. Ids would not do: runs of spaces go last.
  if (scores.every((score) => score === scores[0])) throw read.fault('`tokenizer.ggml.scores` that say which tokens go first', `${scores[0]} for each`, USE_FOLDER);
  return scores;
}

/**
 * Every way to put a token together from two others, the preferred tokens first; of several ways for one token, or for
 * equally good ones, that with the longer left part.
 */
function impliedMerges(idOf: ReadonlyMap<string, number>, preference: ArrayLike<number>): [string, string][] {
  const merges: { pair: [string, string]; preference: number; left: number; right: number }[] = [];
  for (const [token, id] of idOf) {
    const ways: { pair: [string, string]; ids: [number, number] }[] = [];
    for (let cut = 1; cut < token.length; cut++) {
      const pair: [string, string] = [token.slice(0, cut), token.slice(cut)];
      const left = idOf.get(pair[0]);
      const right = left === undefined ? undefined : idOf.get(pair[1]);
      if (left !== undefined && right !== undefined) ways.push({ pair, ids: [left, right] });
    }
    ways.sort((a, b) => a.ids[0] - b.ids[0] || a.ids[1] - b.ids[1]);
    for (const { pair } of ways) merges.push({ pair, preference: preference[id] as number, left: [...pair[0]].length, right: [...pair[1]].length });
  }
  merges.sort((a, b) => b.preference - a.preference || b.left - a.left || b.right - a.right);
  return merges.map(({ pair }) => pair);
}
