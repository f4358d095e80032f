import type { TokenizerFiles } from './tokenizer-files.ts';

const NAMES = ['bos_token', 'eos_token', 'unk_token', 'sep_token', 'pad_token', 'cls_token', 'mask_token'];
const LISTS = ['additional_special_tokens', 'extra_special_tokens'];

/** The special tokens that the config files of a tokenizer declare. */
export interface SpecialTokens {
  /** `bos_token`, `eos_token`, … to text. */
  named: Record<string, string>;
  /** Every declared text that the vocabulary has, with its id. */
  ids: Map<string, number>;
}

/** Reads `tokenizer_config.json`; `special_tokens_map.json` fills what it leaves open. */
export function namedSpecialTokens({ tokenizerJson, tokenizerConfig, specialTokensMap }: TokenizerFiles): SpecialTokens {
  const declared: Record<string, unknown> = { ...specialTokensMap };
  for (const [key, value] of Object.entries(tokenizerConfig)) if (value !== null) declared[key] = value;

  const named: Record<string, string> = {};
  for (const name of NAMES) {
    const text = tokenText(declared[name]);
    if (text !== undefined) named[name] = text;
  }
  const listed = LISTS.flatMap((name) => (Array.isArray(declared[name]) ? (declared[name] as unknown[]) : [])).map(tokenText);

  const idOf = vocabulary(tokenizerJson);
  const ids = new Map<string, number>();
  for (const text of [...Object.values(named), ...listed]) {
    const id = text === undefined ? undefined : idOf(text);
    if (text !== undefined && id !== undefined) ids.set(text, id);
  }
  return { named, ids };
}

/** A token stands as its text, or as an object with `content`. */
function tokenText(value: unknown): string | undefined {
  if (typeof value === 'string') return value;
  const content = (value as { content?: unknown } | null | undefined)?.content;
  return typeof content === 'string' ? content : undefined;
}

/** Looks a text up among the added tokens, then in the model's vocabulary. */
function vocabulary(tokenizerJson: Record<string, unknown>): (text: string) => number | undefined {
  const added = new Map(((tokenizerJson['added_tokens'] ?? []) as { content: string; id: number }[]).map((token) => [token.content, token.id]));
  const vocab = (tokenizerJson['model'] as { vocab?: unknown } | undefined)?.vocab;
  return (text) => {
    if (added.has(text)) return added.get(text);
    if (Array.isArray(vocab)) {
      // Unigram: a list of [text, score].
      const at = vocab.findIndex((entry) => Array.isArray(entry) && entry[0] === text);
      return at < 0 ? undefined : at;
    }
    return vocab && Object.hasOwn(vocab, text) ? (vocab as Record<string, number>)[text] : undefined;
  };
}
