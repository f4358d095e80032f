/** Where the Hub is, where its files are kept, and who asks: from the variables that Python's huggingface_hub reads. */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { InputError } from '../errors.ts';

/** What the environment says about the Hub. */
export interface HubSettings {
  /** Address without a slash at its end. */
  endpoint: string;
  /** Holds one folder per repository. */
  cacheDir: string;
  /** Goes into the Authorization header and nowhere else. */
  token: string | null;
  /** True: nothing is asked of the network. */
  offline: boolean;
}

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Reads the settings.
 *
 * @param cacheDir used in place of what the environment names, like `cache_dir` in Python
 * @throws InputError when an address or token cannot be used; the message never holds a secret
 */
export function hubSettings(cacheDir: string | null = null, environment: Environment = process.env): HubSettings {
  const home = asPath(environment['HF_HOME'], environment) ?? path.join(environment['XDG_CACHE_HOME'] || path.join(os.homedir(), '.cache'), 'huggingface');
  const cache = asPath(environment['HF_HUB_CACHE'] || environment['HUGGINGFACE_HUB_CACHE'], environment) ?? path.join(home, 'hub');
  return {
    endpoint: endpointOf(environment['HF_ENDPOINT'] || 'https://huggingface.co'),
    cacheDir: path.resolve(cacheDir ?? cache),
    token: tokenOf(environment, asPath(environment['HF_TOKEN_PATH'], environment) ?? path.join(home, 'token')),
    offline: isTrue(environment['HF_HUB_OFFLINE'] || environment['TRANSFORMERS_OFFLINE']),
  };
}

/** The text without the token in it, should a server have echoed it. */
export function withoutToken(text: string, token: string | null): string {
  return token === null ? text : text.replaceAll(token, '[token]');
}

function isTrue(value: string | undefined): boolean {
  return ['1', 'ON', 'YES', 'TRUE'].includes(value?.toUpperCase() ?? '');
}

/** `~` and `$NAME` mean what they mean to Python, so that both find the same folder. */
function asPath(value: string | undefined, environment: Environment): string | null {
  if (!value) return null;
  const home = value === '~' || value.startsWith('~/') ? path.join(os.homedir(), value.slice(1)) : value;
  return home.replaceAll(/\$(\w+)|\$\{(\w+)\}/g, (all, bare: string | undefined, braced: string | undefined) => environment[bare ?? braced!] ?? all);
}

function endpointOf(value: string): string {
  const url = URL.canParse(value) ? new URL(value) : null;
  if (url === null || !/^https?:$/.test(url.protocol) || url.username !== '' || url.password !== '') {
    // The value is not shown: it may hold a password.
    throw new InputError('Expected `HF_ENDPOINT` to be an http or https address without user and password, got something else; write it like https://huggingface.co.', { name: 'HF_ENDPOINT' });
  }
  return `${url.origin}${url.pathname}`.replace(/\/+$/, '');
}

function tokenOf(environment: Environment, file: string): string | null {
  const given = (environment['HF_TOKEN'] || environment['HUGGING_FACE_HUB_TOKEN'])?.trim();
  const token = given || readToken(file);
  // A header cannot carry other characters, and the complaint of `fetch` would show the token.
  if (token && !/^[\x21-\x7e]+$/.test(token)) {
    throw new InputError(`Expected the Hub token to be letters, digits and signs without spaces, got something else; set HF_TOKEN anew${given ? '' : `, or write ${file} anew`}.`, { name: 'HF_TOKEN' });
  }
  return token || null;
}

function readToken(file: string): string | null {
  try {
    return fs.readFileSync(file, 'utf8').trim();
  } catch {
    return null;
  }
}
