/** Why the Hub does not take what is pushed, in the house's sentence: what it said, never the token nor a signed address. */
import { UploadError } from '../errors.ts';
import type { HubClient, Passing } from './hub-request.ts';
import { faultOf, whyGivenUp } from './hub-request.ts';
import { withoutToken } from './hub-settings.ts';

/** Why a push failed, for programs: `data.reason` of the error. */
export type UploadFault = 'token' | 'permission' | 'missing' | 'conflict' | 'visibility' | 'storage' | 'refused' | 'unreachable' | 'offline';

/** What `@huggingface/hub` throws for an answer that is none of success. */
export interface RefusedRequest {
  statusCode: number;
  url: string;
  message: string;
  /** The answer; `error` or `message` is what the server says. */
  data?: object;
}

/** An error of a push. */
export function uploadError({ reference, settings }: Pick<HubClient, 'reference' | 'settings'>, reason: UploadFault, got: string, mend: string, data: Record<string, unknown> = {}): UploadError {
  const { repository } = reference;
  return new UploadError(withoutToken(`Expected the Hub (${settings.endpoint}) to take \`${repository}\`, got ${got}; ${mend}.`, settings.token), { repository, reason, ...data });
}

/** The end of patience. */
export function givenUp(client: HubClient, last: Passing, tries: number): UploadError {
  const { got, mend } = whyGivenUp(last, tries, 'and check the network and HF_ENDPOINT; large files that have arrived are not sent again');
  return uploadError(client, 'unreachable', got, mend);
}

/** What a refusal means. */
export function refusedUpload(client: HubClient, error: RefusedRequest): UploadError {
  const { endpoint } = client.settings;
  const { statusCode: status } = error;
  const data = { status };
  const owner = client.reference.repository.split('/')[0]!;
  const fresh = `make one that may write at ${endpoint}/settings/tokens and set HF_TOKEN`;
  // What a storage says may hold the signature of the address.
  if (!isOfHub(error.url, endpoint)) {
    return uploadError(client, 'storage', `HTTP ${status} from the storage of large files (${hostOf(error.url)})`, 'push again, which gets a new address for it; what has arrived is not sent again', data);
  }
  const said = quoted(whatItSaid(error), client);
  if (status === 401) return uploadError(client, 'token', `HTTP 401: the token is not valid${said}`, fresh, data);
  if (status === 403) return uploadError(client, 'permission', `HTTP 403: the token may not write there${said}`, `check that its account may write to ${owner}, and ${fresh}`, data);
  if (status === 404) return uploadError(client, 'missing', `HTTP 404: there is no such repository, or the token does not see it${said}`, `check the name, and that the token may write to ${owner}`, data);
  if (status === 409 || status === 412) return uploadError(client, 'conflict', `HTTP ${status}: something else changes the repository or has just done so${said}`, 'push again', data);
  if (status === 413) return uploadError(client, 'refused', `HTTP 413: too large${said}`, 'save in shards, or push fewer files', data);
  return uploadError(client, 'refused', `HTTP ${status}${said}`, 'mend what it names', data);
}

/** An error that is neither a refusal nor one of ours: an answer that cannot be read, a file that went away. */
export function strangeFault(client: HubClient, error: unknown): UploadError {
  if (error instanceof SyntaxError) return uploadError(client, 'refused', 'an answer that is not JSON', 'check HF_ENDPOINT, and whether a proxy or login page stands between');
  return uploadError(client, 'refused', faultOf(error).replaceAll(/https?:\/\/\S+/g, '[address]').slice(0, 200), 'push again, and report it if it stays so');
}

function whatItSaid({ data, message }: RefusedRequest): string {
  // Without an answer the message is the library's own, about one object of a batch.
  if (data === undefined) return message;
  const { error, message: text } = data as { error?: unknown; message?: unknown };
  return typeof error === 'string' ? error : typeof text === 'string' ? text : '';
}

function quoted(text: string, { settings }: HubClient): string {
  const line = withoutToken(text, settings.token).replaceAll(/\s+/g, ' ').trim().slice(0, 300);
  return line === '' || line.startsWith('<') ? '' : ` ("${line}")`;
}

function isOfHub(address: string, endpoint: string): boolean {
  return !URL.canParse(address) || new URL(address).origin === new URL(endpoint).origin;
}

function hostOf(address: string): string {
  return new URL(address).host;
}
