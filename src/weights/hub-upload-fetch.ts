/** The `fetch` that `@huggingface/hub` is given: it knows the token and the patience, of which the library has none. */
import { givenUp } from './hub-upload-faults.ts';
import type { HubClient } from './hub-request.ts';
import { faultOf, Passing, passingStatus, tryPatiently } from './hub-request.ts';

/**
 * Makes a `fetch` that tries again where a fault may pass: no connection, a cut, 408, 429, 5xx. Every request of a push may
 * be made twice: what it asks for is named by content, or, like a repository, is there or not.
 *
 * The token goes to the Hub's own origin and nowhere else; redirects to another lose it by the rules of `fetch`.
 *
 * @param onSent hears how many bytes of a large file, or a part of it, have left
 */
export function uploadingFetch(client: HubClient, onSent: (address: string, bytes: number) => void): typeof fetch {
  const hub = new URL(client.settings.endpoint).origin;
  return async (input, init = {}) => {
    const url = new URL(input instanceof Request ? input.url : input);
    const headers = new Headers(init.headers);
    if (url.origin === hub) headers.set('authorization', `Bearer ${client.settings.token}`);
    headers.set('user-agent', 'tsrl');
    const signal = init.signal ?? client.signal ?? null;
    // Only the host is named for a storage: its addresses hold signatures.
    const about = url.origin === hub ? `${init.method ?? 'GET'} ${url.pathname}` : url.host;
    const attempt = async (): Promise<Response> => {
      const body = init.body instanceof Blob ? counted(init.body, (bytes) => onSent(url.href, bytes)) : init.body;
      const response = await fetch(url, { ...init, headers, signal, body: body ?? null }).catch((error: unknown) => {
        throw new Passing(`${about}: ${url.host} cannot be reached (${faultOf(error)})`);
      });
      const passing = passingStatus(response, about);
      if (passing === null) return response;
      await response.body?.cancel();
      throw passing;
    };
    return tryPatiently({ ...client, ...(signal ? { signal } : {}) }, attempt, (last, tries) => givenUp(client, last, tries));
  };
}

/** The same content, which tells how much of it has been read. */
function counted(content: Blob, onRead: (bytes: number) => void): Blob {
  const stream = (): ReturnType<Blob['stream']> => {
    let read = 0;
    const count = new TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>>({
      transform: (piece, controller) => {
        read += piece.length;
        onRead(read);
        controller.enqueue(piece);
      },
    });
    return content.stream().pipeThrough(count);
  };
  return Object.defineProperties(new Blob([]), { size: { value: content.size }, stream: { value: stream } });
}
