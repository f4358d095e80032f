/**
 * Where `@huggingface/tokenizers` splits a text otherwise than Python's tokenizers would, the same split said in a way
 * on which the two agree. Only the copy given to that library changes.
 *
 * - `Digits` means every Unicode number (½, ², Ⅷ, Arabic digits) in Python, but 0–9 in the library.
 * - The pattern inside `ByteLevel` meets JavaScript's `\s`, which has U+FEFF and lacks U+0085; the library translates the
 *   pattern of a `Split` with Python's meaning.
 */
type Json = Record<string, unknown>;

/** The pattern that `ByteLevel` splits with when `use_regex` is on (GPT-2's). */
const BYTE_LEVEL_PATTERN = "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";

/**
 * A `tokenizer.json` for the library. `specialTokens` are texts that `tokenizer_config.json` declares special; Python
 * treats them so even where `tokenizer.json` does not say it.
 */
export function exactTokenizerJson(tokenizerJson: Json, specialTokens: ReadonlyMap<string, number>): Json {
  const added = ((tokenizerJson['added_tokens'] ?? []) as Json[]).map((token) => (specialTokens.has(token['content'] as string) ? { ...token, special: true } : token));
  const known = new Set(added.map((token) => token['content']));
  const missing = [...specialTokens].filter(([content]) => !known.has(content)).map(([content, id]) => ({ id, content, special: true, normalized: false }));
  return {
    normalizer: null,
    post_processor: null,
    decoder: null,
    ...tokenizerJson,
    added_tokens: [...added, ...missing],
    pre_tokenizer: exactPreTokenizer((tokenizerJson['pre_tokenizer'] ?? null) as Json | null),
  };
}

function exactPreTokenizer(step: Json | null): Json | null {
  if (step === null) return null;
  if (step['type'] === 'Sequence') {
    const steps = (step['pretokenizers'] as Json[]).map((one) => exactPreTokenizer(one));
    return { ...step, pretokenizers: steps };
  }
  if (step['type'] === 'Digits') return isolate(step['individual_digits'] === true ? '\\p{N}' : '\\p{N}+');
  // With a prefix space the pattern sees the text after the space was put in front, which a Split before it would not.
  if (step['type'] === 'ByteLevel' && step['use_regex'] !== false && step['add_prefix_space'] !== true) {
    return { type: 'Sequence', pretokenizers: [isolate(BYTE_LEVEL_PATTERN), { ...step, use_regex: false }] };
  }
  return step;
}

function isolate(regex: string): Json {
  return { type: 'Split', pattern: { Regex: regex }, behavior: 'Isolated', invert: false };
}
