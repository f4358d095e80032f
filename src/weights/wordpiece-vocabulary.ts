/** The `vocab.txt` of older BERT models, which have no `tokenizer.json`, as the `tokenizer.json` that transformers makes of it. */
import { FileFormatError } from '../errors.ts';
import { namedSpecialTokens } from '../text/special-tokens.ts';
import type { TokenizerFiles } from '../text/tokenizer-files.ts';

type Json = Record<string, unknown>;

/** What most models have. */
export const TOKENIZER_FILE = 'tokenizer.json';
/** What a BERT may have in its place. */
export const VOCABULARY_FILE = 'vocab.txt';

/** The special tokens of a BERT that declares none, in the order in which transformers adds them. */
const SPECIAL = { unk_token: '[UNK]', sep_token: '[SEP]', pad_token: '[PAD]', cls_token: '[CLS]', mask_token: '[MASK]' };

/** Whether `vocab.txt` means BERT's tokenizer here: `tokenizer_config.json` says so, or nothing but the model's type. */
export function isBertVocabulary({ tokenizer_class: named }: Json, modelType: unknown): boolean {
  return named === undefined || named === null ? modelType === 'bert' : named === 'BertTokenizer' || named === 'BertTokenizerFast';
}

/**
 * A `tokenizer.json` of a list of word pieces, one a line.
 *
 * @throws FileFormatError when a special token is not in the list
 */
export function bertTokenizerJson(vocabulary: string, tokenizerConfig: Json, specialTokensMap: Json = {}): TokenizerFiles['tokenizerJson'] {
  const lines = vocabulary.split(/\r\n|\n|\r/);
  if (lines.at(-1) === '') lines.pop();
  const vocab = Object.fromEntries(lines.map((piece, id) => [piece, id]));
  const declared = namedSpecialTokens({ tokenizerJson: { model: { vocab } }, tokenizerConfig, specialTokensMap }).named;
  const idOf = (token: string): number => {
    if (!Object.hasOwn(vocab, token)) throw new FileFormatError(`Expected vocab.txt to hold the special token ${token}, got ${lines.length} others; take the vocab.txt of the model's own folder.`, { token });
    return vocab[token]!;
  };
  const special = { ...SPECIAL, ...declared };
  const added = Object.keys(SPECIAL).map((name) => special[name as keyof typeof SPECIAL]);
  const [cls, sep] = [special.cls_token, special.sep_token];
  const single = [specialPiece(cls, 0), sequencePiece('A', 0), specialPiece(sep, 0)];
  return {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: [...new Set(added)]
      .map((content) => ({ id: idOf(content), content, single_word: false, lstrip: false, rstrip: false, normalized: false, special: true }))
      .sort((a, b) => a.id - b.id),
    normalizer: {
      type: 'BertNormalizer',
      clean_text: true,
      handle_chinese_chars: tokenizerConfig['tokenize_chinese_chars'] ?? true,
      strip_accents: tokenizerConfig['strip_accents'] ?? null,
      lowercase: tokenizerConfig['do_lower_case'] ?? true,
    },
    pre_tokenizer: { type: 'BertPreTokenizer' },
    post_processor: {
      type: 'TemplateProcessing',
      single,
      pair: [...single, sequencePiece('B', 1), specialPiece(sep, 1)],
      special_tokens: Object.fromEntries([cls, sep].map((token) => [token, { id: token, ids: [idOf(token)], tokens: [token] }])),
    },
    decoder: { type: 'WordPiece', prefix: '##', cleanup: true },
    model: { type: 'WordPiece', unk_token: special.unk_token, continuing_subword_prefix: '##', max_input_chars_per_word: 100, vocab },
  };
}

const specialPiece = (id: string, type: number): Json => ({ SpecialToken: { id, type_id: type } });
const sequencePiece = (id: string, type: number): Json => ({ Sequence: { id, type_id: type } });
