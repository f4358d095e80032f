/**
 * Where `@huggingface/tokenizers` splits a text otherwise than Python's tokenizers would, the same split said in a way
 * on which the two agree. Only the copy given to that library changes.
 *
 * - Of the behaviours of `Split` it knows `Isolated`, and it keeps what `Removed` should drop if the pattern captures.
 * - Without regard to case, ſ is an s and K (the Kelvin sign) a k in Python: "'ſ" is cut off like "'s".
 * - `Digits` means every Unicode number (½, ², Ⅷ, Arabic digits) in Python, but 0–9 in the library.
 * - `Punctuation` cuts out every mark alone in Python, runs of them in the library, and it has behaviours as well. (What is
 *   left: marks that came with Unicode 9 or later are none to Python.)
 * - `Metaspace` splits before every ▁ unless `split` is off; the library never does.
 * - `Whitespace`, `WhitespaceSplit` and the pattern inside `ByteLevel` meet JavaScript's `\w` and `\s`, which has U+FEFF
 *   and lacks U+0085; the library translates the pattern of a `Split` with Python's meaning.
 * - `BertNormalizer` sets ideographs apart in Python, but in the library only those of the first 65,536 code points, and the
 *   library makes a Σ that ends a word a ς, where Python makes every one a σ. (What is left: characters that came with
 *   Unicode 9 or later may be controls, marks or accents to one and not to the other.)
 */
type Json = Record<string, unknown>;

/** The pattern that `ByteLevel` splits with when `use_regex` is on (GPT-2's). */
const BYTE_LEVEL_PATTERN = "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";

/**
 * A `tokenizer.json` for the library. `specialTokens` are texts that `tokenizer_config.json` declares special; Python
 * treats them so even where `tokenizer.json` does not say it.
 */
export function exactTokenizerJson(tokenizerJson: Json, specialTokens: ReadonlyMap<string, number>): Json & { added_tokens: Json[] } {
  const added = ((tokenizerJson['added_tokens'] ?? []) as Json[]).map((token) => (specialTokens.has(token['content'] as string) ? { ...token, special: true } : token));
  const known = new Set(added.map((token) => token['content']));
  const missing = [...specialTokens].filter(([content]) => !known.has(content)).map(([content, id]) => ({ id, content, special: true, normalized: false }));
  return {
    post_processor: null,
    decoder: null,
    ...tokenizerJson,
    added_tokens: [...added, ...missing],
    normalizer: exactNormalizer((tokenizerJson['normalizer'] ?? null) as Json | null),
    pre_tokenizer: exactPreTokenizer((tokenizerJson['pre_tokenizer'] ?? null) as Json | null),
  };
}

/** Ideographs behind the first 65,536 code points, as Python's `BertNormalizer` knows them. */
const FAR_IDEOGRAPHS = '[\\u{20000}-\\u{2A6DF}\\u{2A700}-\\u{2B81F}\\u{2B920}-\\u{2CEAF}\\u{2F800}-\\u{2FA1F}]';

function exactNormalizer(step: Json | null): Json | null {
  if (step?.['type'] === 'Sequence') return { ...step, normalizers: (step['normalizers'] as Json[]).map((one) => exactNormalizer(one)) };
  if (step?.['type'] !== 'BertNormalizer') return step;
  const replace = (pattern: string, content: string): Json => ({ type: 'Replace', pattern: { Regex: pattern }, content });
  const before = [
    ...(step['handle_chinese_chars'] === false ? [] : [replace(FAR_IDEOGRAPHS, ' $& ')]),
    ...(step['lowercase'] === false ? [] : [replace('Σ', 'σ')]),
  ];
  return { type: 'Sequence', normalizers: [...before, step] };
}

/** Python's `\w` in `Whitespace`. */
const WORD = '\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}\\u200C\\u200D';

function exactPreTokenizer(step: Json | null): Json | null {
  switch (step?.['type']) {
    case 'Sequence':
      return { ...step, pretokenizers: (step['pretokenizers'] as Json[]).map((one) => exactPreTokenizer(one)) };
    case 'Split':
      return split(patternSource(step['pattern'] as Pattern), String(step['behavior']), step['invert'] === true);
    case 'Digits':
      return split('\\p{N}', step['individual_digits'] === true ? 'Isolated' : 'Contiguous');
    case 'Punctuation':
      return split('[\\p{P}!-\\/:-@\\[-`{-~]', String(step['behavior'] ?? 'Isolated'));
    case 'Whitespace':
      return split(`[${WORD}]+|[^${WORD}\\s]+`, 'Removed', true);
    case 'WhitespaceSplit':
      return split('\\s+', 'Removed');
    case 'Metaspace':
      return step['split'] === false ? step : sequence(step, split(escaped(String(step['replacement'] ?? '▁')), 'MergedWithNext'));
    case 'ByteLevel':
      if (step['use_regex'] === false) return step;
      return sequence(...(step['add_prefix_space'] === false ? [] : [PREFIX_SPACE]), split(BYTE_LEVEL_PATTERN), { ...step, use_regex: false, add_prefix_space: false });
    default:
      return step;
  }
}

/** The pattern of `ByteLevel` sees the text after the space was put in front; a `Metaspace` of spaces puts it there. */
const PREFIX_SPACE: Json = { type: 'Metaspace', replacement: ' ', prepend_scheme: 'always' };

function sequence(...pretokenizers: Json[]): Json {
  return { type: 'Sequence', pretokenizers };
}

/** As `tokenizer.json` writes a pattern. */
interface Pattern {
  String?: string;
  Regex?: string;
}

function patternSource({ String: text, Regex: regex }: Pattern): string {
  return text === undefined ? folded(String(regex)) : escaped(text);
}

/** Adds the two letters outside ASCII that fold into it, in groups of plain words such as `(?i:'s|'t)`. */
function folded(regex: string): string {
  return regex.replace(/\(\?i:[^()[\]{}\\]*\)/g, (group) => group.slice(0, 4) + group.slice(4).replace(/s/gi, '[s\u017F]').replace(/k/gi, '[k\u212A]'));
}

function escaped(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
}

/**
 * A `Split` in the two forms that the library does right: what matches and what lies between, each alone; and, inverted,
 * only what matches. Inverting swaps matches and gaps, so that `MergedWithNext` and `MergedWithPrevious` change places.
 */
function split(regex: string, behavior = 'Isolated', invert = false): Json {
  const step = (pattern: string, onlyMatches: boolean): Json => ({ type: 'Split', pattern: { Regex: pattern }, behavior: onlyMatches ? 'Removed' : 'Isolated', invert: onlyMatches });
  const match = `(?:${regex})`;
  const gap = `(?:(?!${match})[\\s\\S])+`;
  switch (behavior) {
    case 'Isolated':
      return step(regex, false);
    case 'Contiguous':
      return step(`${match}+`, false);
    case 'Removed':
      // Without captures the library's own `Removed` is right.
      return invert ? step(regex, true) : { type: 'Split', pattern: { Regex: withoutCaptures(regex) }, behavior, invert };
    default:
      return step((behavior === 'MergedWithPrevious') === invert ? `${match}(?:${gap})?` : `${gap}${match}?|${match}`, false);
  }
}

function withoutCaptures(regex: string): string {
  return regex.replace(/\\.|\[(?:\\.|[^\]\\])*\]|\((?!\?)/gs, (part) => (part === '(' ? '(?:' : part));
}
