/** What `config.json` holds: the resolved options as plain JSON, without functions, without secrets. */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';

/** Lists longer than this (a dataset given as an array) are written as their length and hash. */
const LONGEST_LIST = 64;
const HIDDEN = '[redacted]';
/** Keys whose values are secrets, compared in lower case without separators. Tokenizer tokens and token counts are none. */
const SECRET_KEY = /(^|hf|hub|access|auth|api|bearer|refresh|wandb)token$|secret|password|passphrase|apikey|authorization|credential|privatekey/;
/** Values that are secrets wherever they stand: tokens of Hugging Face, GitHub, OpenAI-like services, AWS, Slack; JWTs; bearer headers. */
const SECRET_VALUE =
  /\bhf_[A-Za-z0-9]{16,}|\bgh[pousr]_[A-Za-z0-9]{20,}|\bgithub_pat_\w{20,}|\bsk-[\w-]{16,}|\bAKIA[0-9A-Z]{16}|\bxox[abprs]-[\w-]{10,}|\beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]+|\bBearer\s+\S+/g;
/** User and password inside a URL, and secret query parameters. */
const SECRET_IN_URL = /(?<=:\/\/)[^/\s@]+(?=@)|(?<=[?&](?:token|key|api_key|access_token|signature)=)[^&\s]+/gi;

/**
 * Options as plain JSON. Functions become `[function name]`; built-in rewards and reward models, functions or not, what their `toJSON` says; objects
 * that JSON cannot hold `[ClassName]`, numbers that are not finite their name, long lists their length and hash; secrets are
 * hidden, by key, by shape, and wherever the value of a secret environment variable stands.
 *
 * @param config resolved options
 * @param environment the variables whose secrets are looked for; the process's own by default
 */
export function configDocument(
  config: Readonly<Record<string, unknown>>,
  environment: Readonly<Record<string, string | undefined>> = process.env,
): Record<string, unknown> {
  const secrets = Object.entries(environment).flatMap(([key, value]) =>
    value !== undefined && value.length >= 8 && isSecretKey(key) ? [value] : [],
  );
  return plain(config, secrets, new Set()) as Record<string, unknown>;
}

/** sha256 of each file, in the order given. */
export async function fileHashes(paths: readonly string[]): Promise<{ path: string; sha256: string }[]> {
  return Promise.all(paths.map(async (path) => ({ path, sha256: sha256(await readFile(path)) })));
}

function isSecretKey(key: string): boolean {
  return SECRET_KEY.test(key.toLowerCase().replaceAll(/[^a-z0-9]/g, ''));
}

function hideSecrets(text: string, secrets: readonly string[]): string {
  const known = secrets.reduce((result, secret) => result.replaceAll(secret, HIDDEN), text);
  return known.replaceAll(SECRET_VALUE, HIDDEN).replaceAll(SECRET_IN_URL, HIDDEN);
}

function plain(value: unknown, secrets: readonly string[], above: ReadonlySet<object>): unknown {
  if (typeof value === 'string') return hideSecrets(value, secrets);
  if (typeof value === 'function') return 'toJSON' in value ? plain((value.toJSON as () => unknown)(), secrets, above) : `[function ${value.name || 'anonymous'}]`;
  if (typeof value === 'number') return Number.isFinite(value) ? value : String(value);
  if (typeof value === 'bigint' || typeof value === 'symbol') return String(value);
  if (typeof value !== 'object' || value === null) return value;
  if (above.has(value)) return '[circular]';
  const path = new Set(above).add(value);
  if (Array.isArray(value)) return plainList(value, secrets, path);
  if (Object.hasOwn(value, 'toJSON') && typeof (value as { toJSON: unknown }).toJSON === 'function') {
    return plain((value as { toJSON: () => unknown }).toJSON(), secrets, path);
  }
  const prototype: unknown = Object.getPrototypeOf(value);
  if (value instanceof Date) return value.toISOString();
  if (prototype !== Object.prototype && prototype !== null) return `[${value.constructor.name || 'object'}]`;
  return Object.fromEntries(
    Object.entries(value).map(([key, one]) => [
      hideSecrets(key, secrets),
      isSecretKey(key) && one !== null && one !== undefined ? HIDDEN : plain(one, secrets, path),
    ]),
  );
}

function plainList(list: readonly unknown[], secrets: readonly string[], path: ReadonlySet<object>): unknown {
  if (list.length <= LONGEST_LIST) return list.map((one) => plain(one, secrets, path));
  const hash = createHash('sha256');
  for (const one of list) hash.update(`${JSON.stringify(plain(one, secrets, path))}\n`);
  return `[${list.length} items, sha256 ${hash.digest('hex')}]`;
}

function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}
