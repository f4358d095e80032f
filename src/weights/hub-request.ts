/** Requests to the Hub: redirects that never carry the token elsewhere, patience with what passes, and words for the rest. */
import { setTimeout as sleep } from 'node:timers/promises';
import { NotFoundError } from '../errors.ts';
import { at, pagePath } from './hub-files.ts';
import type { HubReference } from './hub-files.ts';
import type { HubSettings } from './hub-settings.ts';
import { withoutToken } from './hub-settings.ts';

/** How often something is tried, and who hears of it. */
export interface Patience {
  onMessage: (line: string) => void;
  /** Tries without any gain before giving up. */
  attempts: number;
  /** First pause between tries; it doubles. */
  pauseMs: number;
  signal?: AbortSignal;
}

/** Who asks, for what, and how patiently. */
export interface HubClient extends Patience {
  settings: HubSettings;
  reference: HubReference;
  /** So long without a byte is a cut. */
  idleMs: number;
}

/** Why the Hub did not give what was asked, for programs: `data.reason` of the error. */
export type HubFault = 'unreachable' | 'refused' | 'gated' | 'missing' | 'revision' | 'file';

/** A fault that may pass: the next try may succeed. */
export class Passing extends Error {
  /** How long the server asks to wait; null where it does not say. */
  readonly waitMs: number | null;

  constructor(message: string, waitMs: number | null = null) {
    super(message);
    this.waitMs = waitMs;
  }
}

/** Longer pauses than this are the user's to wait, not ours. */
const LONGEST_PAUSE_MS = 300_000;

/**
 * Tries until it works, or fails for good, or has failed too often without a gain.
 *
 * @param giveUp the error of the end, from what was wrong last and the number of tries
 * @param gained what the tries have brought so far, as a number that grows
 */
export async function tryPatiently<T>(
  { attempts, pauseMs, onMessage, signal }: Patience,
  attempt: () => Promise<T>,
  giveUp: (last: Passing, tries: number) => Error,
  gained: () => number = () => 0,
): Promise<T> {
  let most = gained();
  for (let failures = 1; ; failures++) {
    try {
      return await attempt();
    } catch (error) {
      signal?.throwIfAborted();
      if (!(error instanceof Passing)) throw error;
      if (gained() > most) failures = 1;
      most = Math.max(most, gained());
      const pause = error.waitMs ?? pauseMs * 2 ** (failures - 1);
      if (failures >= attempts || pause > LONGEST_PAUSE_MS) throw giveUp(error, failures);
      onMessage(`${error.message}; trying again in ${Number((pause / 1000).toPrecision(2))} s`);
      await sleep(pause, undefined, signal ? { signal } : {});
    }
  }
}

/** `tryPatiently` for what is fetched. */
export function patiently<T>(client: HubClient, attempt: () => Promise<T>, gained?: () => number): Promise<T> {
  return tryPatiently(client, attempt, (last, tries) => unreachable(client, last, tries), gained);
}

/**
 * One request. Follows redirects itself: the token goes only to the Hub's own origin, and a HEAD stops where the Hub
 * states a file's size and hash, before the host that stores it.
 *
 * @param about what is asked for, in messages
 * @returns a response with a status below 300; 416 (no such range); or the redirect at which a HEAD stopped
 * @throws Passing for what may pass; NotFoundError for what will not
 */
export async function request(client: HubClient, address: string, about: string, init: { method: 'GET' | 'HEAD'; headers?: Record<string, string>; timeout: AbortSignal }): Promise<Response> {
  const { endpoint, token } = client.settings;
  const signal = client.signal ? AbortSignal.any([client.signal, init.timeout]) : init.timeout;
  let url = new URL(address);
  for (let hops = 0; hops < 10; hops++) {
    const headers = new Headers({ 'user-agent': 'tsrl', 'accept-encoding': 'identity', ...init.headers });
    if (url.origin === new URL(endpoint).origin) {
      if (token !== null) headers.set('authorization', `Bearer ${token}`);
    } else headers.delete('if-range'); // the host that stores a file has tags of its own
    const response = await connect(url, about, { method: init.method, headers, signal });
    const location = response.headers.get('location');
    if (response.status < 300 || response.status >= 400 || !location) {
      if (response.ok || response.status === 416) return response;
      await response.body?.cancel();
      // The address of a stored file is valid for a while; the Hub gives a new one.
      if (response.status === 403 && url.origin !== new URL(endpoint).origin) throw new Passing(`${about}: ${url.host} answers 403`);
      throw refusal(client, response, about);
    }
    if (init.method === 'HEAD' && response.headers.has('x-linked-etag')) return response;
    await response.body?.cancel();
    const next = URL.canParse(location, url.href) ? new URL(location, url) : null;
    if (!next || !/^https?:$/.test(next.protocol)) throw failed(client, 'refused', `for ${about}`, 'a redirect to no web address', 'check HF_ENDPOINT');
    next.username = next.password = ''; // `fetch` would quote them in its complaint
    url = next;
  }
  throw failed(client, 'refused', `for ${about}`, 'ten redirects in a row', 'check HF_ENDPOINT');
}

async function connect(url: URL, about: string, init: RequestInit): Promise<Response> {
  try {
    return await fetch(url, { ...init, redirect: 'manual' });
  } catch (error) {
    // Only the host is named: the address of a stored file holds a signature.
    throw new Passing(`${about}: ${url.host} cannot be reached (${faultOf(error)})`);
  }
}

/** The shortest true description of what `fetch` complains about. */
export function faultOf(error: unknown): string {
  const { message, cause, name } = error as Error & { cause?: Error & { code?: string } };
  if (name === 'TimeoutError') return 'no answer in time';
  return cause?.code ?? cause?.message ?? message;
}

/** Reads a JSON answer, patiently. */
export async function requestJson(client: HubClient, address: string, about: string): Promise<unknown> {
  return patiently(client, async () => {
    const response = await request(client, address, about, { method: 'GET', timeout: AbortSignal.timeout(client.idleMs) });
    let text: string;
    try {
      text = await response.text();
    } catch (error) {
      throw new Passing(`${about}: the answer was cut (${faultOf(error)})`);
    }
    try {
      return JSON.parse(text) as unknown;
    } catch {
      throw failed(client, 'refused', `for ${about}`, 'something that is not JSON', 'check HF_ENDPOINT, and whether a proxy or login page stands between');
    }
  });
}

/** An error of the Hub in the house's sentence. */
export function failed({ reference, settings }: HubClient, reason: HubFault, what: string, got: string, mend: string, data: Record<string, unknown> = {}): NotFoundError {
  const text = `Expected the Hub (${settings.endpoint}) to give ${at(reference)} ${what}`.trimEnd();
  return new NotFoundError(withoutToken(`${text}, got ${got}; ${mend}.`, settings.token), { ...reference, reason, ...data });
}

function unreachable(client: HubClient, last: Passing, tries: number): NotFoundError {
  const { got, mend } = whyGivenUp(last, tries, 'check the network, or name a mirror in HF_ENDPOINT; what has come is kept');
  return failed(client, 'unreachable', '', got, mend);
}

/** What is wrong where the patience ended, and what to do. */
export function whyGivenUp(last: Passing, tries: number, otherwise: string): { got: string; mend: string } {
  if (last.waitMs !== null && last.waitMs > LONGEST_PAUSE_MS) return { got: `${last.message}, and asks to wait ${Math.ceil(last.waitMs / 1000)} s`, mend: 'try again then' };
  const proxy = Object.keys(process.env).some((name) => /^https?_proxy$/i.test(name)) && process.env['NODE_USE_ENV_PROXY'] !== '1';
  const got = `after ${tries} ${tries === 1 ? 'try' : 'tries'}: ${last.message}`;
  if (proxy) return { got, mend: 'try again later; Node uses the proxy of the environment only with NODE_USE_ENV_PROXY=1 (Node 22.21 or newer)' };
  return { got, mend: `try again later, ${otherwise}` };
}

/** What a status says. */
function refusal(client: HubClient, response: Response, about: string): Error {
  const { settings, reference } = client;
  const { status, headers } = response;
  const code = headers.get('x-error-code');
  const said = withoutToken(headers.get('x-error-message') ?? '', settings.token).slice(0, 200);
  const data = { status, ...(code ? { code } : {}) };
  const token = settings.token === null ? 'no token' : 'a token';
  const page = `${settings.endpoint}/${pagePath(reference)}`;
  const passing = passingStatus(response, about);
  if (passing !== null) return passing;
  if (code === 'GatedRepo') {
    const mend = settings.token === null ? `accept its terms at ${page}, then set HF_TOKEN to a token of that account` : `accept its terms at ${page} with the account that the token belongs to`;
    return failed(client, 'gated', '', `HTTP ${status} for a request with ${token}: the repository is gated`, mend, data);
  }
  if (code === 'RevisionNotFound') return failed(client, 'revision', '', `HTTP ${status}: there is no branch, tag or commit ${reference.revision}`, `look at ${page}/tree/main`, data);
  if (code === 'EntryNotFound') return failed(client, 'file', `with ${about}`, `HTTP ${status}: there is no such file`, `look at ${page}/tree/${reference.revision}`, data);
  if (status === 401 && settings.token !== null && /invalid (credentials|username)/i.test(said)) {
    return failed(client, 'refused', '', `HTTP 401: the token is not valid ("${said}")`, `make a new one at ${settings.endpoint}/settings/tokens and set HF_TOKEN`, data);
  }
  if (status === 401 || status === 404) {
    const mend = settings.token === null ? 'correct the name; if the repository is private, set HF_TOKEN to a token that may read it' : 'correct the name, or use a token that may read the repository';
    return failed(client, 'missing', '', `HTTP ${status} for a request with ${token}: the repository does not exist or is private`, mend, data);
  }
  return failed(client, 'refused', `(${about})`, `HTTP ${status}${said ? ` ("${said}")` : ''} for a request with ${token}`, status === 403 ? 'use a token that may read the repository' : 'check HF_ENDPOINT', data);
}

/** The fault of a status that may pass; null for any other. */
export function passingStatus({ status, headers }: Response, about: string): Passing | null {
  if (status === 429) return new Passing(`${about}: the Hub has had too many requests (429)`, retryAfter(headers));
  if (status === 408 || status >= 500) return new Passing(`${about}: the Hub answers ${status}`, retryAfter(headers));
  return null;
}

/** Milliseconds that the server asks to wait, by `Retry-After` (seconds or a date) or the `t` of `RateLimit`; null where it says nothing. */
function retryAfter(headers: Headers): number | null {
  const text = headers.get('retry-after') ?? /\bt=(\d+)/.exec(headers.get('ratelimit') ?? '')?.[1];
  if (!text) return null;
  const ms = /^\d+$/.test(text) ? Number(text) * 1000 : Date.parse(text) - Date.now();
  return Number.isFinite(ms) ? Math.max(0, ms) : null;
}
