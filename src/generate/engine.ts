/**
 * The rollout engine. Prompts wait in line; each is prefilled once; its completions enter free slots, decode together
 * with whatever else is live, and leave as they end, which lets the next ones in.
 */
import { expected } from '../errors.ts';
import { attentionSettings } from '../model/attention.ts';
import type { AttentionSettings } from '../model/attention.ts';
import { disposeRotary } from '../model/decoder.ts';
import type { Decoder } from '../model/decoder.ts';
import { decoderInputs } from '../model/inputs.ts';
import type { DecoderInputs } from '../model/inputs.ts';
import { decoderLayer, rmsNorm } from '../model/layers.ts';
import type { Attend } from '../model/layers.ts';
import { disposeBatch, packTrees, treeAttention } from '../model/packed-batch.ts';
import type { Rotary } from '../model/rope.ts';
import { noGrad } from '../tensor/autograd.ts';
import { breathe } from '../tensor/breathe.ts';
import * as ops from '../tensor/ops.ts';
import { uniform } from '../tensor/random.ts';
import { keep, scope } from '../tensor/scope.ts';
import { tensor } from '../tensor/tensor.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { decodingWeights } from './decoding-weights.ts';
import type { DecodingWeights } from './decoding-weights.ts';
import { CohortCache, disposePromptCache } from './kv-cache.ts';
import type { PromptCache } from './kv-cache.ts';
import { draw } from './sampler.ts';
import type { Draws, Sampling } from './sampler.ts';
import { StopStringWatch } from './stop.ts';
import type { StopRules } from './stop.ts';

/** One prompt and how many completions of it are wanted. */
export interface GenerationRequest {
  ids: readonly number[];
  count: number;
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
  request: number;
  sample: number;
  ids: number[];
  logprobs: number[];
  samplerLogprobs: number[];
  entropies: number[];
  watch: StopStringWatch | null;
  stream: { push(id: number): string } | null;
}

interface Cohort {
  cache: CohortCache;
  waiting: WaitingRequest;
  rows: LiveRow[];
}

interface WaitingRequest {
  index: number;
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
  const run = new GenerationRun(decoder, requests, options, await decodingWeights(decoder));
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
  readonly #decoder: Decoder;
  readonly #options: GenerationOptions;
  readonly #weights: DecodingWeights;
  /** Of each layer. */
  readonly #attention: AttentionSettings[];
  readonly #requests: WaitingRequest[];
  #cohorts: Cohort[] = [];

  constructor(decoder: Decoder, requests: readonly GenerationRequest[], options: GenerationOptions, weights: DecodingWeights) {
    this.#decoder = decoder;
    this.#options = options;
    this.#weights = weights;
    this.#attention = attentionSettings(decoder);
    this.#requests = requests.map(({ ids, count }, index) => ({
      index,
      ids,
      limit: Math.min(options.maxNewTokens, decoder.config.contextLength - ids.length),
      started: 0,
      count,
      completions: [],
      ended: 0,
      prompt: null,
      logits: null,
    }));
  }

  get finished(): boolean {
    return this.#requests.every((request) => request.ended === request.count);
  }

  get results(): Completion[][] {
    return this.#requests.map((request) => request.completions);
  }

  get #live(): number {
    return this.#cohorts.reduce((total, cohort) => total + cohort.rows.length, 0);
  }

  /** Lets waiting completions into free slots: prefills their prompt if need be and draws their first token. */
  async admit(): Promise<void> {
    for (const request of this.#requests) {
      const free = this.#options.slots - this.#live;
      if (free <= 0) return;
      const entering = Math.min(free, request.count - request.started);
      if (entering === 0) continue;
      this.#options.signal?.throwIfAborted();
      if (!request.prompt) await this.#prefill(request);
      const rows = Array.from({ length: entering }, (_, i) => this.#newRow(request, request.started + i));
      request.started += entering;
      const cohort: Cohort = {
        cache: new CohortCache(request.prompt!, entering, request.limit, this.#decoder.config, this.#decoder.dtype),
        waiting: request,
        rows,
      };
      this.#cohorts.push(cohort);
      scope(() => noGrad(() => this.#take(ops.expand(request.logits!, [entering, request.logits!.size(1)]), [cohort])));
      if (request.started === request.count) {
        request.logits!.dispose();
        request.logits = null;
      }
    }
  }

  /** One token for every live row. */
  async step(): Promise<void> {
    const cohorts = this.#cohorts;
    if (cohorts.length === 0) return;
    const { config } = this.#decoder;
    for (const { cache } of cohorts) scope(() => cache.reserve());
    const sizes = cohorts.map((cohort) => cohort.rows.length);
    let { x, rotary } = this.#embed(
      cohorts.flatMap((cohort) => cohort.rows.map((row) => row.ids.at(-1)!)),
      cohorts.flatMap(({ waiting, cache, rows }) => rows.map(() => waiting.ids.length + cache.length)),
    );
    try {
      for (let i = 0; i < config.layers; i++) {
        const attend: Attend = (q, k, v) => {
          const [qs, ks, vs] = [q, k, v].map((part) => ops.split(part, sizes, 0)) as [Tensor[], Tensor[], Tensor[]];
          const parts = cohorts.map(({ cache }, c) => cache.attend(i, qs[c]!, ks[c]!, vs[c]!, this.#attention[i]!));
          return parts.length === 1 ? parts[0]! : ops.cat(parts, 0);
        };
        x = this.#layer(i, x, rotary[i]!, attend);
        await breathe();
      }
      for (const { cache } of cohorts) cache.advance();
      scope(() => noGrad(() => this.#take(this.#logits(x), cohorts)));
    } finally {
      x.dispose();
      disposeRotary(rotary);
    }
    await breathe();
  }

  dispose(): void {
    for (const { cache } of this.#cohorts) cache.dispose();
    for (const request of this.#requests) {
      if (request.prompt) disposePromptCache(request.prompt);
      request.logits?.dispose();
    }
    this.#weights.dispose();
  }

  #newRow(request: WaitingRequest, sample: number): LiveRow {
    const { stopStrings, textStream } = this.#options;
    const watched = stopStrings.length > 0;
    return {
      request: request.index,
      sample,
      ids: [],
      logprobs: [],
      samplerLogprobs: [],
      entropies: [],
      watch: watched ? new StopStringWatch(stopStrings) : null,
      stream: watched ? textStream() : null,
    };
  }

  /** Runs the prompt once, keeping its keys and values and the logits behind it. */
  async #prefill(request: WaitingRequest): Promise<void> {
    const decoder = this.#decoder;
    let { x, rotary } = this.#embed(request.ids, request.ids.map((_, i) => i));
    const batch = packTrees([{ prompt: request.ids, completions: [] }], decoder.config.contextLength, decoder.dtype);
    const cache: PromptCache = { keys: [], values: [] };
    request.prompt = cache;
    const headsFirst = (x: Tensor) => keep(ops.contiguous(ops.transpose(x, 0, 1))); // [kv, P, d]
    const attention = (i: number): Attend => (q, k, v) => {
      cache.keys.push(headsFirst(k));
      cache.values.push(headsFirst(v));
      return treeAttention(batch, this.#attention[i]!)(q, k, v);
    };
    try {
      for (let i = 0; i < decoder.config.layers; i++) {
        x = this.#layer(i, x, rotary[i]!, attention(i));
        await breathe();
      }
      const final = x;
      request.logits = keep(scope(() => noGrad(() => this.#logits(ops.narrow(final, 0, request.ids.length - 1, 1)))));
    } finally {
      x.dispose();
      disposeRotary(rotary);
      disposeBatch(batch);
    }
  }

  #embed(ids: readonly number[], positions: readonly number[]): DecoderInputs {
    const index = (values: readonly number[]) => tensor(BigInt64Array.from(values, BigInt), [values.length]);
    return keep(scope(() => noGrad(() => decoderInputs(this.#decoder, index(ids), index(positions)))));
  }

  /** One layer; frees its input. */
  #layer(i: number, x: Tensor, rotary: Rotary | null, attend: Attend): Tensor {
    const { layers, config } = this.#decoder;
    const next = noGrad(() => keep(scope(() => decoderLayer(x, layers[i]!, this.#weights.layers[i]!, rotary, attend, config))));
    x.dispose();
    return next;
  }

  #logits(x: Tensor): Tensor {
    const { finalNorm, config } = this.#decoder;
    return this.#weights.head(rmsNorm(x, finalNorm, config.normEpsilon, config.normStyle));
  }

  /** Draws a token for every row of these cohorts from logits [n, V], and lets the ended rows go. */
  #take(logits: Tensor, cohorts: readonly Cohort[]): void {
    const { seed, step, minNewTokens, stopIds } = this.#options;
    const rows = cohorts.flatMap((cohort) => cohort.rows);
    const suppressed = [...stopIds];
    const draws = draw(
      logits,
      rows.map((row) => ({
        uniform: uniform({ seed, step, prompt: row.request, sample: row.sample, token: row.ids.length }),
        seen: () => [...this.#requests[row.request]!.ids, ...row.ids],
        suppressed: row.ids.length < minNewTokens ? suppressed : [],
      })),
      this.#options,
      this.#options,
    );
    let next = 0;
    for (const cohort of cohorts) {
      const survivors = cohort.rows.flatMap((row, place) => (this.#append(row, draws, next++, cohort.waiting) ? [place] : []));
      if (survivors.length === cohort.rows.length) continue;
      cohort.rows = survivors.map((place) => cohort.rows[place]!);
      if (survivors.length === 0) this.#close(cohort);
      else cohort.cache.keepRows(survivors);
    }
  }

  /** Adds a drawn token to its row; false when the row has ended. */
  #append(row: LiveRow, draws: Draws, place: number, request: WaitingRequest): boolean {
    const id = draws.ids[place]!;
    row.ids.push(id);
    row.logprobs.push(draws.logprobs[place]!);
    row.samplerLogprobs.push(draws.samplerLogprobs[place]!);
    if (draws.entropies) row.entropies.push(draws.entropies[place]!);
    this.#options.onToken?.(row.request, row.sample, id);
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
    if (request.ended === request.count) this.#options.onRequest?.(request.index, request.completions);
    return false;
  }

  #finish(row: LiveRow, id: number, limit: number): Completion['finishReason'] | null {
    if (this.#options.stopIds.has(id)) return 'stop';
    if (row.watch?.push(row.stream!.push(id))) return 'stopString';
    return row.ids.length >= limit ? 'length' : null;
  }

  #close(cohort: Cohort): void {
    cohort.cache.dispose();
    this.#cohorts = this.#cohorts.filter((other) => other !== cohort);
    const { waiting } = cohort;
    if (waiting.ended === waiting.count && waiting.prompt) {
      disposePromptCache(waiting.prompt);
      waiting.prompt = null;
    }
  }
}
