import { Tokenizer as TokenizerEngine } from '@huggingface/tokenizers';
import { InputError } from '../errors.ts';
import type { AddedToken, Section } from './added-tokens.ts';
import { addedTokens, cutter } from './added-tokens.ts';
import { exactTokenizerJson } from './exact-tokenizer-json.ts';
import { namedSpecialTokens } from './special-tokens.ts';
import type { DecoderJson } from './token-decoder.ts';
import { tokenDecoder } from './token-decoder.ts';
import type { TokenizerFiles } from './tokenizer-files.ts';

/** Whether special tokens (BOS, end of turn, …) appear in decoded text. */
export interface DecodeOptions {
  /** Default true. */
  skipSpecialTokens?: boolean;
}

/** Turns ids into text one by one. */
export interface IncrementalDecoder {
  /** The text that became certain with this id; empty while a character is incomplete. */
  push(id: number): string;
  /** What is left at the end: an incomplete character shows as U+FFFD. */
  flush(): string;
}

/** Text to token ids and back; for BPE, byte-level or with byte fallback, equal to Python's tokenizers on the same files. */
export class Tokenizer {
  /** The files it was built from, untouched; what a saved model gets. */
  readonly files: TokenizerFiles;
  /** `bos_token`, `eos_token`, … as `tokenizer_config.json` names them: name to text. */
  readonly namedTokens: Readonly<Record<string, string>>;
  /** Ids that `skipSpecialTokens` leaves out. */
  readonly specialIds: ReadonlySet<number>;
  /** All ids are below it. The model's embedding may have more rows. */
  readonly vocabSize: number;
  /** Null where the tokenizer names no such token. */
  readonly bosId: number | null;
  /** Null where the tokenizer names no such token. */
  readonly eosId: number | null;
  /** Null where the tokenizer names no such token. */
  readonly padId: number | null;
  readonly #engine: TokenizerEngine;
  /** Cuts a text at the added tokens that are looked for as they are written. */
  readonly #cutRaw: (text: string) => Section[];
  /** Cuts a normalised text at the others. */
  readonly #cutNormalized: (text: string) => Section[];
  readonly #ids: ReadonlyMap<string, number>;
  readonly #tokens: readonly (string | undefined)[];
  /** Added tokens as they read. */
  readonly #spellings: ReadonlyMap<number, string>;
  readonly #decoderJson: DecoderJson | null;
  readonly #cleanUp: boolean;

  /** @throws InputError when the files are of a kind the library does not know */
  constructor(files: TokenizerFiles) {
    this.files = files;
    this.namedTokens = namedSpecialTokens(files).named;
    const json = exactTokenizerJson(files.tokenizerJson, namedSpecialTokens(files).ids);
    this.#engine = buildEngine(json, files.tokenizerConfig);
    this.#ids = this.#engine.get_vocab(true);
    const tokens: (string | undefined)[] = [];
    for (const [token, id] of this.#ids) tokens[id] = token;
    this.#tokens = tokens;
    this.vocabSize = tokens.length;
    const added = addedTokens(json.added_tokens);
    this.specialIds = new Set(added.filter((token) => token.special).map((token) => token.id));
    const spelling = (token: AddedToken): string => (token.normalized ? this.#normalized(token.content) : token.content);
    this.#spellings = new Map(added.map((token) => [token.id, spelling(token)]));
    this.#cutRaw = cutter(added.filter((token) => !token.normalized), spelling);
    this.#cutNormalized = cutter(added.filter((token) => token.normalized), spelling);
    const named = (name: string): number | null => this.tokenToId(this.namedTokens[name] ?? '') ?? null;
    this.bosId = named('bos_token');
    this.eosId = named('eos_token');
    this.padId = named('pad_token');
    const { decoder, model } = files.tokenizerJson as { decoder?: DecoderJson | null; model?: { type?: string } };
    this.#decoderJson = decoder ?? null;
    // As Python's transformers 5: only where the files ask for it, and never for BPE, whose text it would damage.
    this.#cleanUp = files.tokenizerConfig['clean_up_tokenization_spaces'] === true && model?.type !== 'BPE';
  }

  /**
   * Ids of a text. Special tokens written out in the text become their ids, as in Python. A surrogate that stands alone
   * is no character and reads as U+FFFD, as in UTF-8.
   *
   * @param options.addSpecialTokens whether the tokenizer's post-processor adds its BOS, EOS, …; default true
   */
  encode(text: string, options: { addSpecialTokens?: boolean } = {}): number[] {
    const { model, post_processor: postProcessor } = this.#engine;
    const tokens = this.#pieces(text.replace(/\p{Surrogate}/gu, '\uFFFD')).flatMap((piece) => (typeof piece === 'string' ? (model?._call([piece]) ?? []) : [piece.content]));
    const whole = postProcessor ? postProcessor.post_process(tokens, null, options.addSpecialTokens ?? true).tokens : tokens;
    return whole.map((token: string) => this.#ids.get(token) ?? (model?.unk_token_id as number));
  }

  /** What the model sees one by one, and the added tokens between. */
  #pieces(text: string): Section[] {
    const { pre_tokenizer: preTokenizer } = this.#engine;
    const pieces: Section[] = [];
    for (const [i, section] of this.#cutRaw(text).entries()) {
      const inner = typeof section === 'string' ? this.#cutNormalized(this.#normalized(section)) : [section];
      for (const [j, part] of inner.entries()) {
        // `Metaspace` may put its space only before what starts the text.
        const split = typeof part === 'string' && preTokenizer ? preTokenizer.pre_tokenize(part, { section_index: i + j }) : [part];
        for (const piece of split) pieces.push(piece);
      }
    }
    return pieces;
  }

  #normalized(text: string): string {
    return this.#engine.normalizer?.normalize(text) ?? text;
  }

  /** Text of ids. Ids that name no token add nothing; bytes that are no UTF-8 become U+FFFD. */
  decode(ids: readonly number[], options: DecodeOptions = {}): string {
    const decoder = this.decoder(options);
    return ids.map((id) => decoder.push(id)).join('') + decoder.flush();
  }

  /**
   * Decodes ids one by one as they are sampled. What `push` and `flush` give, put together, is `decode` of all ids; a
   * character is given only when it is whole.
   */
  decoder({ skipSpecialTokens = true }: DecodeOptions = {}): IncrementalDecoder {
    const inner = this.#cleanUp ? null : tokenDecoder(this.#decoderJson);
    // Without an inner decoder the ids are kept until the end: it cleans spaces up, or is of a kind that no language model has.
    const kept: number[] = [];
    return {
      push: (id) => {
        const token = this.#spellings.get(id) ?? this.#tokens[id];
        if (token === undefined || (skipSpecialTokens && this.specialIds.has(id))) return '';
        if (inner) return inner.push(token);
        kept.push(id);
        return '';
      },
      flush: () => {
        if (inner) return inner.flush();
        return kept.length === 0 ? '' : this.#engine.decode(kept, { skip_special_tokens: false, clean_up_tokenization_spaces: this.#cleanUp });
      },
    };
  }

  /** The id of a token as the vocabulary spells it (byte-level tokens in their printable spelling). */
  tokenToId(token: string): number | undefined {
    return this.#ids.get(token);
  }

  /** The token of an id, as the vocabulary spells it. */
  idToToken(id: number): string | undefined {
    return this.#tokens[id];
  }
}

function buildEngine(json: Record<string, unknown>, config: Record<string, unknown>): TokenizerEngine {
  try {
    return new TokenizerEngine(json, config);
  } catch (cause) {
    throw new InputError(`Expected \`tokenizer.json\` to be of a known kind, got "${(cause as Error).message}"; save it again with Python's transformers.`, {}, { cause });
  }
}
