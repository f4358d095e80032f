/**
 * Keys and values while decoding. A prompt is held once and read by all its completions; each completion has a slot of
 * its own, which the next one takes over when it ends. No row is padded, and none waits for another.
 */
import type { AttentionSettings } from '../model/attention.ts';
import type { DecoderConfig } from '../model/decoder-config.ts';
import * as ops from '../tensor/ops.ts';
import { keep } from '../tensor/scope.ts';
import { tensor } from '../tensor/tensor.ts';
import type { DType, Tensor } from '../tensor/tensor.ts';

/** What is held of one prompt, by layer. Keys have their tokens side by side: queries meet many of them at a time. */
export interface PromptCache {
  keys: Tensor[]; // [keyValueHeads, d, P]
  values: Tensor[]; // [keyValueHeads, P, d]
}

/** Adds the keys and values of a prompt's next layer. [P, keyValueHeads, d] each */
export function addLayer({ keys, values }: PromptCache, k: Tensor, v: Tensor): void {
  keys.push(keep(ops.contiguous(ops.permute(k, [1, 2, 0]))));
  values.push(keep(ops.contiguous(ops.transpose(v, 0, 1))));
}

export function disposePromptCache({ keys, values }: PromptCache): void {
  for (const part of [...keys, ...values]) part.dispose();
}

/** Where the newest token of a row goes, and what it sees. */
export interface RowPlace {
  slot: number;
  /** Tokens of the row behind its prompt, the newest included. */
  length: number;
  prompt: PromptCache;
}

/** The places of all rows of one decode step, for all layers. The caller disposes `rows`. */
export interface StepPlaces {
  /** Slot, length and prompt of each row. int64 [R, 3] */
  rows: Tensor;
  prompts: PromptCache[];
}

/** Tokens of a page. */
const pageTokens = 64;

/**
 * Keys and values of completions, in pages of 64 tokens for all slots. By layer and page [slots, keyValueHeads, d, 64] and
 * [slots, keyValueHeads, 64, d]: a completion that grows takes another page, and nothing is copied.
 */
export class SlotCache {
  readonly #config: DecoderConfig;
  readonly #dtype: DType;
  readonly #slots: number;
  readonly #keys: Tensor[][];
  readonly #values: Tensor[][];
  #capacity = 0;

  constructor(config: DecoderConfig, dtype: DType, slots: number) {
    this.#config = config;
    this.#dtype = dtype;
    this.#slots = slots;
    [this.#keys, this.#values] = [0, 1].map(() => Array.from({ length: config.layers }, (): Tensor[] => [])) as [Tensor[][], Tensor[][]];
  }

  /** Prepares a decode step of these rows: makes room for their newest tokens in every layer. */
  place(rows: readonly RowPlace[]): StepPlaces {
    while (rows.some(({ length }) => length > this.#capacity)) this.#addPage();
    const prompts = [...new Set(rows.map(({ prompt }) => prompt))];
    const numbers = new Map(prompts.map((prompt, i) => [prompt, i]));
    const flat = rows.flatMap(({ slot, length, prompt }) => [slot, length, numbers.get(prompt)!]);
    return { rows: tensor(flat, [rows.length, 3], 'int64'), prompts };
  }

  /**
   * Attention of the newest token of each row, after appending its key and value to its slot:
   * q [R, heads, d], k and v [R, keyValueHeads, d] → [R, heads·d].
   */
  attend(layer: number, q: Tensor, k: Tensor, v: Tensor, { rows, prompts }: StepPlaces, { scale, window, cap }: Omit<AttentionSettings, 'kernel'>): Tensor {
    const promptKeys = prompts.map(({ keys }) => keys[layer]!);
    const promptValues = prompts.map(({ values }) => values[layer]!);
    return ops.decodeAttention(q, k, v, this.#keys[layer]!, this.#values[layer]!, promptKeys, promptValues, rows, scale, window ?? 0, cap ?? 0);
  }

  dispose(): void {
    for (const pages of [...this.#keys, ...this.#values]) for (const page of pages.splice(0)) page.dispose();
  }

  #addPage(): void {
    const { keyValueHeads, headDim } = this.#config;
    const page = (tokensByHead: readonly number[]) => keep(ops.empty([this.#slots, keyValueHeads, ...tokensByHead], this.#dtype));
    for (const pages of this.#keys) pages.push(page([headDim, pageTokens]));
    for (const pages of this.#values) pages.push(page([pageTokens, headDim]));
    this.#capacity += pageTokens;
  }
}
