/** One request of the chat-completions protocol, and what can be wrong with its answer. */
import { RemoteError } from '../../errors.ts';
import type { CachedRequest } from './answer-cache.ts';

/** Characters of a server's complaint that an error shows. */
const SHOWN = 300;

/**
 * Sends a request and gives the text of the answer.
 *
 * @param apiKey sent as a bearer token to this endpoint alone, and taken out of every message; null = none
 * @throws RemoteError, except for the reason of `signal`, when it is aborted
 */
export async function completeChat({ endpoint, body }: CachedRequest, apiKey: string | null, signal: AbortSignal): Promise<string> {
  const clean = (text: string): string => (apiKey ? text.replaceAll(apiKey, '…') : text);
  let response: Response;
  let text: string;
  try {
    response = await fetch(endpoint, {
      method: 'POST',
      headers: { 'content-type': 'application/json', accept: 'application/json', ...(apiKey ? { authorization: `Bearer ${apiKey}` } : {}) },
      body: JSON.stringify(body),
      // A redirect could carry prompts and completions to a host that nobody named.
      redirect: 'manual',
      signal,
    });
    text = await response.text();
  } catch (error) {
    signal.throwIfAborted();
    throw fault(endpoint, clean(reasonOf(error)), 'check `baseUrl`, and whether the server runs', { status: null, retryable: true });
  }
  if (!response.ok) throw refused(endpoint, response, clean(text));
  return answerText(endpoint, response.status, text, clean);
}

function refused(endpoint: string, { status, headers }: Response, text: string): RemoteError {
  const retryable = status === 408 || status === 429 || status >= 500;
  const location = status >= 300 && status < 400 ? `, a redirect to ${headers.get('location') ?? 'nowhere'}` : '';
  const mend = retryable
    ? 'try again later, or ask for less at once (`rewardConcurrency`)'
    : status === 401 || status === 403
      ? 'name the variable that holds a valid key in `apiKeyVariable`'
      : 'check `baseUrl`, `model` and `parameters`';
  return fault(endpoint, `HTTP ${status}${location} (${text.slice(0, SHOWN)})`, mend, { status, retryable, retryAfterMs: retryAfter(headers) });
}

/** The text in the answer's first choice. */
function answerText(endpoint: string, status: number, text: string, clean: (text: string) => string): string {
  let answer: { choices?: { message?: { content?: unknown; refusal?: unknown } }[] } | null;
  try {
    answer = JSON.parse(text) as typeof answer;
  } catch {
    throw fault(endpoint, `text that is not JSON (${clean(text).slice(0, SHOWN)})`, 'check `baseUrl`: it ends before /chat/completions', { status, retryable: true });
  }
  const message = answer?.choices?.[0]?.message;
  if (typeof message?.content === 'string' && message.content !== '') return message.content;
  const got = message?.refusal ? `a refusal (${clean(String(message.refusal)).slice(0, SHOWN)})` : `an answer without text (${clean(text).slice(0, SHOWN)})`;
  throw fault(endpoint, got, 'change the prompt, raise `maxTokens`, or use another model', { status, retryable: false });
}

function fault(endpoint: string, got: string, mend: string, data: { status: number | null; retryable: boolean; retryAfterMs?: number | null }): RemoteError {
  return new RemoteError(`Expected the judge at ${endpoint} to answer, got ${got}; ${mend}.`, { endpoint, retryAfterMs: null, ...data });
}

/** Milliseconds that the server asks to wait: seconds or a date; null where it says nothing. */
function retryAfter(headers: Headers): number | null {
  const text = headers.get('retry-after');
  if (!text) return null;
  const ms = /^\d+(\.\d+)?$/.test(text) ? Number(text) * 1000 : Date.parse(text) - Date.now();
  return Number.isFinite(ms) ? Math.max(0, ms) : null;
}

/** `fetch` hides what happened in the cause. */
function reasonOf(error: unknown): string {
  const { message, cause } = error as Error & { cause?: Error & { code?: string } };
  return `no whole answer (${cause?.code ?? cause?.message ?? message})`;
}
