/**
 * Keys and values while decoding. A prompt is held once and read by all its completions. Completions of one prompt that
 * started together form a cohort: they have the same length, so their attention needs no mask and no padding.
 */
import { capped } from '../model/attention.ts';
import type { AttentionSettings } from '../model/attention.ts';
import type { DecoderConfig } from '../model/decoder-config.ts';
import * as ops from '../tensor/ops.ts';
import { keep, scope } from '../tensor/scope.ts';
import { tensor } from '../tensor/tensor.ts';
import type { DType, Tensor } from '../tensor/tensor.ts';

/** Keys and values of one prompt. [layers] of [keyValueHeads, P, d] */
export interface PromptCache {
  keys: Tensor[];
  values: Tensor[];
}

export function disposePromptCache({ keys, values }: PromptCache): void {
  for (const part of [...keys, ...values]) part.dispose();
}

/** Tokens by which a cohort's own cache grows when it is full. */
const growth = 64;

/** Keys and values of completions that started together, [layers] of [R, keyValueHeads, capacity, d]. */
export class CohortCache {
  /** Tokens held per row. */
  length = 0;
  readonly prompt: PromptCache;
  readonly #config: DecoderConfig;
  readonly #dtype: DType;
  readonly #limit: number;
  #rows: number;
  #capacity = 0;
  #keys: Tensor[] = [];
  #values: Tensor[] = [];

  /** @param limit most tokens a row can reach */
  constructor(prompt: PromptCache, rows: number, limit: number, config: DecoderConfig, dtype: DType) {
    this.prompt = prompt;
    this.#config = config;
    this.#dtype = dtype;
    this.#limit = limit;
    this.#rows = rows;
  }

  /** Makes room for one more token in every layer; called once per step, before the layers. */
  reserve(): void {
    if (this.length < this.#capacity) return;
    const capacity = Math.min(this.#limit, this.#capacity + growth);
    this.#replace((old) => {
      const fresh = ops.zeros([this.#rows, this.#config.keyValueHeads, capacity, this.#config.headDim], this.#dtype);
      if (old && this.length > 0) ops.copy_(ops.narrow(fresh, 2, 0, this.length), ops.narrow(old, 2, 0, this.length));
      return fresh;
    });
    this.#capacity = capacity;
  }

  /** Keeps only the rows at these places: the others have ended and stop costing. */
  keepRows(places: readonly number[]): void {
    this.#rows = places.length;
    if (this.#capacity === 0) return;
    const index = tensor(BigInt64Array.from(places, BigInt), [places.length]);
    this.#replace((old) => ops.indexSelect(old!, 0, index));
    index.dispose();
  }

  /**
   * Attention of the newest token of each row, after appending its key and value at place `length`:
   * q [R, heads, d], k and v [R, keyValueHeads, d] → [R, heads·d].
   */
  attend(layer: number, q: Tensor, k: Tensor, v: Tensor, { scale, window, cap }: Omit<AttentionSettings, 'kernel'>): Tensor {
    const { keyValueHeads: kv, headDim: d, heads } = this.#config;
    const rows = this.#rows;
    const repeats = heads / kv;
    const own = this.length + 1;
    const wholePrompt = this.prompt.keys[layer]!.size(1);
    // The newest token sees the last `window` tokens: the end of its own row, then the end of the prompt.
    const seenOwn = window === null ? own : Math.min(own, window);
    const seenPrompt = window === null ? wholePrompt : Math.min(wholePrompt, window - seenOwn);
    const append = (cache: Tensor, x: Tensor) => {
      ops.copy_(ops.narrow(cache, 2, this.length, 1), ops.unsqueeze(x, 2));
      return ops.narrow(cache, 2, own - seenOwn, seenOwn); // [R, kv, seenOwn, d]
    };
    const ownKeys = append(this.#keys[layer]!, k);
    const ownValues = append(this.#values[layer]!, v);
    const queries = ops.mulScalar(ops.view(ops.contiguous(q), [rows, kv, repeats, d]), scale);
    const ownScores = ops.matmul(queries, ops.transpose(ownKeys, 2, 3)); // [R, kv, repeats, seenOwn]
    if (seenPrompt === 0) return ops.reshape(ops.matmul(ops.softmax(capped(ownScores, cap), -1), ownValues), [rows, heads * d]);

    // The queries of all rows and heads that share a key head meet the prompt in one product per key head.
    const ofPrompt = (x: Tensor) => (seenPrompt === wholePrompt ? x : ops.narrow(x, 1, wholePrompt - seenPrompt, seenPrompt));
    const toPrompt = (x: Tensor, last: number) => ops.reshape(ops.permute(x, [1, 0, 2, 3]), [kv, rows * repeats, last]);
    const fromPrompt = (x: Tensor, last: number) => ops.permute(ops.view(x, [kv, rows, repeats, last]), [1, 0, 2, 3]);
    const promptScores = fromPrompt(ops.bmm(toPrompt(queries, d), ops.transpose(ofPrompt(this.prompt.keys[layer]!), 1, 2)), seenPrompt);
    const weights = ops.softmax(capped(ops.cat([promptScores, ownScores], -1), cap), -1);
    const [promptWeights, ownWeights] = ops.split(weights, [seenPrompt, seenOwn], -1) as [Tensor, Tensor];
    const fromPromptValues = fromPrompt(ops.bmm(toPrompt(promptWeights, seenPrompt), ofPrompt(this.prompt.values[layer]!)), d);
    return ops.reshape(ops.add(ops.matmul(ownWeights, ownValues), fromPromptValues), [rows, heads * d]);
  }

  /** Counts the token that all layers have appended. */
  advance(): void {
    this.length += 1;
  }

  dispose(): void {
    for (const part of [...this.#keys, ...this.#values]) part.dispose();
    this.#keys = [];
    this.#values = [];
  }

  #replace(make: (old: Tensor | null) => Tensor): void {
    const renew = (caches: Tensor[]) =>
      Array.from({ length: this.#config.layers }, (_, layer) => {
        const old = caches[layer] ?? null;
        const fresh = keep(scope(() => make(old)));
        old?.dispose();
        return fresh;
      });
    this.#keys = renew(this.#keys);
    this.#values = renew(this.#values);
  }
}
