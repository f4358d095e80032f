/**
 * The rollout engine. Prompts wait in line; each is prefilled once; its completions enter free slots, decode together
 * with whatever else is live, and leave as they end, which lets the next ones in.
 */
import { expected } from '../errors.ts';
import { disposeRotary } from '../model/decoder.ts';
import type { Decoder } from '../model/decoder.ts';
import { noGrad } from '../tensor/autograd.ts';
import { breathe } from '../tensor/breathe.ts';
import * as ops from '../tensor/ops.ts';
import { uniform } from '../tensor/random.ts';
import { scope } from '../tensor/scope.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { decodingNetwork } from './decoding-network.ts';
import type { DecodingNetwork } from './decoding-network.ts';
import { disposePromptCache, SlotCache } from './kv-cache.ts';
import type { PromptCache } from './kv-cache.ts';
import { prefill, prefillBatches } from './prefill.ts';
import { draw } from './sampler.ts';
import type { Draws, Sampling } from './sampler.ts';
import { StopStringWatch } from './stop.ts';
import type { StopRules } from './stop.ts';

/** One prompt and how many completions of it are wanted. */
export interface GenerationRequest {
  ids: readonly number[];
  count: number;
  /** Its place in the random key; its position among the requests where it is left out. */
  key?: number;
}

/** How completions are drawn, and when they end. Lengths in tokens. */
export interface GenerationOptions extends Sampling, StopRules {
  maxNewTokens: number;
  /** Stop ids cannot be drawn before. */
  minNewTokens: number;
  seed: number;
  /** Part of the random key: the round of a run. */
  step: number;
  /** Completions that decode at the same time. */
  slots: number;
  /** Whether the weights may be copied into the order that decoding is fastest with; default true. */
  decodingCopies?: boolean;
  /** Keeps the entropy of the distribution that each token was drawn from. */
  recordEntropy?: boolean;
  /** Decodes tokens as they come, for stop strings and `onToken`. */
  textStream: () => { push(id: number): string };
  /** Called with each token as it is drawn. */
  onToken?: (request: number, sample: number, id: number) => void;
  /** Called when the last completion of a request has ended. */
  onRequest?: (request: number, completions: Completion[]) => void;
  /** Stops between two tokens; the promise then rejects with the signal's reason. */
  signal?: AbortSignal;
}

/** One completion, as sampled. */
export interface Completion {
  ids: number[];
  /** Log-probabilities under the tempered full distribution. */
  logprobs: Float32Array;
  /** Log-probabilities under the distribution drawn from, after truncation. */
  samplerLogprobs: Float32Array;
  /** Entropies of the full distributions in nats, under `recordEntropy`. */
  entropies?: Float32Array;
  finishReason: 'stop' | 'length' | 'stopString';
}

interface LiveRow {
  request: WaitingRequest;
  sample: number;
  /** Its place in the cache while it lives. */
  slot: number;
  ids: number[];
  logprobs: number[];
  samplerLogprobs: number[];
  entropies: number[];
  watch: StopStringWatch | null;
  stream: { push(id: number): string } | null;
}

interface WaitingRequest {
  index: number;
  key: number;
  ids: readonly number[];
  limit: number;
  started: number;
  count: number;
  completions: Completion[];
  ended: number;
  /** After prefill, while completions of it live or wait. */
  prompt: PromptCache | null;
  /** Logits behind the prompt. [1, V] */
  logits: Tensor | null;
}

/**
 * Completions for every request, in the order of the requests: result[request][sample].
 *
 * @throws the signal's reason when it aborts; everything is freed
 */
export async function generate(decoder: Decoder, requests: readonly GenerationRequest[], options: GenerationOptions): Promise<Completion[][]> {
  const { contextLength } = decoder.config;
  for (const { ids } of requests) {
    if (ids.length > 0 && ids.length < contextLength) continue;
    throw expected('prompt', `to have 1 to ${contextLength - 1} tokens, so that one more fits the context`, `${ids.length} tokens`, 'shorten the prompt');
  }
  const run = new GenerationRun(await decodingNetwork(decoder, options.decodingCopies ?? true), requests, options);
  try {
    while (!run.finished) {
      options.signal?.throwIfAborted();
      await run.admit();
      await run.step();
    }
    return run.results;
  } finally {
    run.dispose();
  }
}

class GenerationRun {
  readonly #network: DecodingNetwork;
  readonly #options: GenerationOptions;
  readonly #requests: WaitingRequest[];
  readonly #cache: SlotCache;
  readonly #freeSlots: number[];
  #rows: LiveRow[] = [];

  constructor(network: DecodingNetwork, requests: readonly GenerationRequest[], options: GenerationOptions) {
    const { decoder } = network;
    this.#network = network;
    this.#options = options;
    this.#requests = requests.map(({ ids, count, key }, index) => ({
      index,
      key: key ?? index,
      ids,
      limit: Math.min(options.maxNewTokens, decoder.config.contextLength - ids.length),
      started: 0,
      count,
      completions: [],
      ended: 0,
      prompt: null,
      logits: null,
    }));
    const slots = Math.min(options.slots, requests.reduce((total, { count }) => total + count, 0));
    this.#freeSlots = Array.from({ length: slots }, (_, i) => slots - 1 - i);
    this.#cache = new SlotCache(decoder.config, decoder.dtype, slots);
  }

  get finished(): boolean {
    return this.#requests.every((request) => request.ended === request.count);
  }

  get results(): Completion[][] {
    return this.#requests.map((request) => request.completions);
  }

  /** Lets waiting completions into free slots: prefills their prompts if need be and draws their first tokens. */
  async admit(): Promise<void> {
    for (let entering = this.#entering(); entering.length > 0; entering = this.#entering()) {
      for (const batch of prefillBatches(entering.map(({ request }) => request).filter(({ prompt }) => prompt === null))) {
        this.#options.signal?.throwIfAborted();
        const filled = await prefill(this.#network, batch.map(({ ids }) => ids));
        batch.forEach((request, i) => Object.assign(request, filled[i]!));
      }
      for (const { request, count } of entering) {
        this.#options.signal?.throwIfAborted();
        const rows = Array.from({ length: count }, () => this.#newRow(request));
        scope(() => noGrad(() => this.#take(ops.clone(ops.expand(request.logits!, [count, request.logits!.size(1)])), rows)));
        if (request.started === request.count) {
          request.logits!.dispose();
          request.logits = null;
        }
      }
    }
  }

  /** The requests that free slots are for, and how many completions of each. */
  #entering(): { request: WaitingRequest; count: number }[] {
    let free = this.#freeSlots.length;
    return this.#requests.flatMap((request) => {
      const count = Math.min(free, request.count - request.started);
      free -= count;
      return count > 0 ? [{ request, count }] : [];
    });
  }

  /** One token for every live row. */
  async step(): Promise<void> {
    const rows = this.#rows;
    if (rows.length === 0) return;
    const places = this.#cache.place(rows.map(({ slot, ids, request }) => ({ slot, length: ids.length, prompt: request.prompt! })));
    const { decoder } = this.#network;
    let { x, rotary } = this.#network.embed(
      rows.map((row) => row.ids.at(-1)!),
      rows.map(({ request, ids }) => request.ids.length + ids.length - 1),
    );
    try {
      for (let i = 0; i < decoder.config.layers; i++) {
        x = this.#network.layer(i, x, rotary[i]!, (q, k, v, attention) => this.#cache.attend(i, q, k, v, places, attention));
        await breathe();
      }
      this.#rows = [];
      scope(() => noGrad(() => this.#take(this.#network.logits(x), rows)));
    } finally {
      x.dispose();
      places.rows.dispose();
      disposeRotary(rotary);
    }
    await breathe();
  }

  dispose(): void {
    this.#cache.dispose();
    for (const request of this.#requests) {
      if (request.prompt) disposePromptCache(request.prompt);
      request.logits?.dispose();
    }
    this.#network.dispose();
  }

  #newRow(request: WaitingRequest): LiveRow {
    const { stopStrings, textStream } = this.#options;
    const watched = stopStrings.length > 0;
    return {
      request,
      sample: request.started++,
      slot: this.#freeSlots.pop()!,
      ids: [],
      logprobs: [],
      samplerLogprobs: [],
      entropies: [],
      watch: watched ? new StopStringWatch(stopStrings) : null,
      stream: watched ? textStream() : null,
    };
  }

  /** Draws a token for each of these rows from logits [n, V], whose memory is written over; those that go on are live. */
  #take(logits: Tensor, rows: readonly LiveRow[]): void {
    const { seed, step, minNewTokens, stopIds } = this.#options;
    const suppressed = [...stopIds];
    const draws = draw(
      logits,
      rows.map(({ request, sample, ids }) => ({
        uniform: uniform({ seed, step, prompt: request.key, sample, token: ids.length }),
        seen: () => [...request.ids, ...ids],
        suppressed: ids.length < minNewTokens ? suppressed : [],
      })),
      this.#options,
      this.#options,
    );
    rows.forEach((row, place) => {
      if (this.#append(row, draws, place)) this.#rows.push(row);
      else this.#freeSlots.push(row.slot);
    });
  }

  /** Adds a drawn token to its row; false when the row has ended. */
  #append(row: LiveRow, draws: Draws, place: number): boolean {
    const { request } = row;
    const id = draws.ids[place]!;
    row.ids.push(id);
    row.logprobs.push(draws.logprobs[place]!);
    row.samplerLogprobs.push(draws.samplerLogprobs[place]!);
    if (draws.entropies) row.entropies.push(draws.entropies[place]!);
    this.#options.onToken?.(request.index, row.sample, id);
    const finishReason = this.#finish(row, id, request.limit);
    if (!finishReason) return true;
    request.completions[row.sample] = {
      ids: row.ids,
      logprobs: Float32Array.from(row.logprobs),
      samplerLogprobs: Float32Array.from(row.samplerLogprobs),
      ...(draws.entropies ? { entropies: Float32Array.from(row.entropies) } : {}),
      finishReason,
    };
    request.ended += 1;
    if (request.ended === request.count) this.#close(request);
    return false;
  }

  #finish(row: LiveRow, id: number, limit: number): Completion['finishReason'] | null {
    if (this.#options.stopIds.has(id)) return 'stop';
    if (row.watch?.push(row.stream!.push(id))) return 'stopString';
    return row.ids.length >= limit ? 'length' : null;
  }

  #close(request: WaitingRequest): void {
    disposePromptCache(request.prompt!);
    request.prompt = null;
    this.#options.onRequest?.(request.index, request.completions);
  }
}
