import { Tokenizer as TokenizerEngine } from '@huggingface/tokenizers';
import { InputError } from '../errors.ts';
import { tokenBytes } from './byte-level.ts';
import { exactTokenizerJson } from './exact-tokenizer-json.ts';
import type { IncrementalDecoder } from './incremental-decoder.ts';
import { byteDecoder, textDecoder } from './incremental-decoder.ts';
import { namedSpecialTokens } from './special-tokens.ts';
import type { TokenizerFiles } from './tokenizer-files.ts';

/** Whether special tokens (BOS, end of turn, …) appear in decoded text. */
export interface DecodeOptions {
  /** Default true. */
  skipSpecialTokens?: boolean;
}

/** A token that stands for one byte; a run of them reads as a whole, all of it U+FFFD if the run is no UTF-8. */
const BYTE_TOKEN = /^<0x[0-9A-F]{2}>$/;

/** Text to token ids and back; for byte-level BPE equal to Python's tokenizers on the same files. */
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
  readonly #ids: ReadonlyMap<string, number>;
  readonly #tokens: readonly (string | undefined)[];
  readonly #byteLevel: boolean;
  readonly #cleanUp: boolean;

  /** @throws InputError when the files are of a kind the library does not know */
  constructor(files: TokenizerFiles) {
    this.files = files;
    this.namedTokens = namedSpecialTokens(files).named;
    this.#engine = buildEngine(files);
    this.#ids = this.#engine.get_vocab(true);
    const tokens: (string | undefined)[] = [];
    for (const [token, id] of this.#ids) tokens[id] = token;
    this.#tokens = tokens;
    this.vocabSize = tokens.length;
    this.specialIds = new Set([...this.#engine.get_added_tokens_decoder().values()].filter((token) => token.special).map((token) => token.id));
    const named = (name: string): number | null => this.tokenToId(this.namedTokens[name] ?? '') ?? null;
    this.bosId = named('bos_token');
    this.eosId = named('eos_token');
    this.padId = named('pad_token');
    const { decoder, model } = files.tokenizerJson as { decoder?: { type?: string } | null; model?: { type?: string } };
    this.#byteLevel = decoder?.type === 'ByteLevel';
    // As Python's transformers 5: only where the files ask for it, and never for BPE, whose text it would damage.
    this.#cleanUp = files.tokenizerConfig['clean_up_tokenization_spaces'] === true && model?.type !== 'BPE';
  }

  /**
   * Ids of a text. Special tokens written out in the text become their ids, as in Python.
   *
   * @param options.addSpecialTokens whether the tokenizer's post-processor adds its BOS, EOS, …; default true
   */
  encode(text: string, options: { addSpecialTokens?: boolean } = {}): number[] {
    return this.#engine.encode(text, { add_special_tokens: options.addSpecialTokens ?? true }).ids;
  }

  /** Text of ids. Ids that name no token add nothing; bytes that are no UTF-8 become U+FFFD. */
  decode(ids: readonly number[], options: DecodeOptions = {}): string {
    const shown = ids.filter((id) => this.#shows(id, options));
    if (this.#byteLevel) {
      const decoder = byteDecoder((id) => this.#bytes(id));
      return shown.map((id) => decoder.push(id)).join('') + decoder.flush();
    }
    return shown.length === 0 ? '' : this.#engine.decode(shown, { skip_special_tokens: false, clean_up_tokenization_spaces: this.#cleanUp });
  }

  /**
   * Decodes ids one by one as they are sampled. What `push` and `flush` give, put together, is `decode` of all ids; a
   * character is given only when it is whole.
   */
  decoder(options: DecodeOptions = {}): IncrementalDecoder {
    const inner = this.#byteLevel
      ? byteDecoder((id) => this.#bytes(id))
      : textDecoder((ids) => this.decode(ids, { skipSpecialTokens: false }), (id) => this.#cleanUp || BYTE_TOKEN.test(this.#tokens[id] ?? ''));
    return {
      push: (id) => (this.#shows(id, options) ? inner.push(id) : ''),
      flush: () => inner.flush(),
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

  #shows(id: number, { skipSpecialTokens = true }: DecodeOptions): boolean {
    return this.#tokens[id] !== undefined && !(skipSpecialTokens && this.specialIds.has(id));
  }

  #bytes(id: number): Uint8Array {
    return tokenBytes(this.#tokens[id] ?? '');
  }
}

function buildEngine(files: TokenizerFiles): TokenizerEngine {
  try {
    const json = exactTokenizerJson(files.tokenizerJson, namedSpecialTokens(files).ids);
    return new TokenizerEngine(json, files.tokenizerConfig);
  } catch (cause) {
    if (cause instanceof InputError) throw cause;
    throw new InputError(`Expected \`tokenizer.json\` to be of a known kind, got "${(cause as Error).message}"; save it again with Python's transformers.`, {}, { cause });
  }
}
