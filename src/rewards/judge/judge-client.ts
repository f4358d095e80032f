/** What the judges share: the service, its cache, and one request for all who ask the same at the same time. */
import { join } from 'node:path';
import { expected, InputError, RemoteError, show } from '../../errors.ts';
import type { Message } from '../../text/message.ts';
import { defaultCacheDir } from '../../weights/reference.ts';
import { keepAnswer, readAnswer, requestKey, type CachedRequest } from './answer-cache.ts';
import { completeChat } from './chat-completion.ts';

/** Where the judge is and how it is asked. */
export interface JudgeService {
  /** The address before `/chat/completions`, as in `http://localhost:8000/v1`. */
  baseUrl: string;
  /** The model as the service names it. */
  model: string;
  /** Name of the environment variable that holds the key; null = the service wants none. The key itself is never written. */
  apiKeyVariable?: string | null;
  /** 0 = the answer the judge finds best; null = not sent, for models that take none. */
  temperature?: number | null;
  /** Longest answer in tokens, sent as `max_tokens`; null = not sent. */
  maxTokens?: number | null;
  /** More fields of the request, as in `{ seed: 1, top_p: 0.9 }`. */
  parameters?: Readonly<Record<string, unknown>>;
  /** Where answers are kept; null = nowhere. Without it, `judge` in tsrl's cache folder. */
  cacheFolder?: string | null;
}

interface Pending {
  answer: Promise<string>;
  controller: AbortController;
  waiting: number;
}

/** Asks the service. */
export class JudgeClient {
  readonly #endpoint: string;
  /** What was given, every default written out. */
  readonly service: JudgeService;
  readonly #pending = new Map<string, Pending>();

  /** @throws InputError for an address or a setting that cannot be, or a variable that is not set */
  constructor(service: JudgeService) {
    const { model, temperature = 0, maxTokens = 512, cacheFolder } = service;
    this.#endpoint = endpointOf(service.baseUrl);
    if (typeof model !== 'string' || model === '') throw expected('model', 'to be the name of the judge', model, 'write it as the service does');
    if (temperature !== null && !(Number.isFinite(temperature) && temperature >= 0)) throw expected('temperature', 'to be 0 or more, or null', temperature, 'correct it');
    if (maxTokens !== null && !(Number.isInteger(maxTokens) && maxTokens > 0)) throw expected('maxTokens', 'to be a whole number of 1 or more, or null', maxTokens, 'correct it');
    for (const name of ['model', 'messages', 'temperature', 'max_tokens', 'stream']) {
      if (service.parameters && Object.hasOwn(service.parameters, name)) throw expected('parameters', `not to hold \`${name}\``, service.parameters[name], 'use the option of that meaning; answers are not streamed');
    }
    const { baseUrl, apiKeyVariable = null, parameters = {} } = service;
    this.service = { baseUrl, model, apiKeyVariable, temperature, maxTokens, parameters, cacheFolder: cacheFolder === undefined ? join(defaultCacheDir(), 'judge') : cacheFolder };
    this.#apiKey();
  }

  /**
   * Asks, or takes the answer that is kept, and reads it.
   *
   * @param read gives what the answer says; null when it says nothing usable
   * @param wanted what `read` looks for, for the error
   * @throws RemoteError when there is no usable answer; such an answer is not kept
   */
  async ask<T>(messages: readonly Message[], read: (answer: string) => T | null, wanted: string, signal: AbortSignal): Promise<T> {
    signal.throwIfAborted();
    const { model, temperature, maxTokens, parameters, cacheFolder = null } = this.service;
    const request: CachedRequest = {
      endpoint: this.#endpoint,
      body: { model, messages, ...(temperature === null ? {} : { temperature }), ...(maxTokens === null ? {} : { max_tokens: maxTokens }), ...parameters },
    };
    const key = requestKey(request);
    const kept = cacheFolder === null ? null : await readAnswer(cacheFolder, key);
    const fromCache = kept === null ? null : read(kept);
    if (fromCache !== null) return fromCache;
    const answer = await this.#shared(key, request, signal);
    const value = read(answer);
    if (value === null) {
      const text = `Expected the judge ${model} to end with ${wanted}, got ${show(answer.slice(-60))}; change the template, raise \`maxTokens\`, or use another model.`;
      throw new RemoteError(text, { status: 200, retryable: temperature !== 0, retryAfterMs: null, answer });
    }
    if (cacheFolder !== null) await keepAnswer(cacheFolder, key, request, answer);
    return value;
  }

  /** One request for all who wait for the same; it ends early only when none of them waits any more. */
  async #shared(key: string, request: CachedRequest, signal: AbortSignal): Promise<string> {
    signal.throwIfAborted();
    const shared = this.#pending.get(key) ?? this.#start(key, request);
    shared.waiting++;
    let onAbort = (): void => {};
    const aborted = new Promise<never>((_, reject) => {
      onAbort = () => reject(signal.reason);
      signal.addEventListener('abort', onAbort, { once: true });
    });
    try {
      return await Promise.race([shared.answer, aborted]);
    } finally {
      signal.removeEventListener('abort', onAbort);
      if (--shared.waiting === 0) {
        if (this.#pending.get(key) === shared) this.#pending.delete(key);
        shared.controller.abort(signal.reason);
      }
    }
  }

  #start(key: string, request: CachedRequest): Pending {
    const controller = new AbortController();
    const pending: Pending = { answer: completeChat(request, this.#apiKey(), controller.signal), controller, waiting: 0 };
    this.#pending.set(key, pending);
    return pending;
  }

  #apiKey(): string | null {
    const name = this.service.apiKeyVariable ?? null;
    if (name === null) return null;
    // What is wrong is not shown: it may be the key itself.
    if (!/^[A-Z_][A-Z0-9_]*$/.test(name)) throw new InputError('Expected `apiKeyVariable` to be the name of an environment variable in capitals, got something else; put the key into a variable and give its name.');
    const key = process.env[name];
    if (!key) throw new InputError(`Expected the environment variable ${name} to hold the judge's key, got nothing; set it.`, { name });
    return key;
  }
}

function endpointOf(baseUrl: string): string {
  const url = URL.canParse(baseUrl) ? new URL(baseUrl) : null;
  if (!url || !/^https?:$/.test(url.protocol)) throw expected('baseUrl', 'to be the address of the service', baseUrl, 'write it as in `http://localhost:8000/v1`');
  if (url.username || url.password || url.search || url.hash) {
    throw new InputError('Expected `baseUrl` to be an address without user, query or fragment, got one with them; give a key by `apiKeyVariable`.');
  }
  return `${url.href.replace(/\/+$/, '')}/chat/completions`;
}
