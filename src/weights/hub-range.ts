/** Part of a file of the Hub, without keeping it. */
import type { RemoteFile } from './hub-download.ts';
import { failed, faultOf, Passing, patiently, request } from './hub-request.ts';
import type { HubClient } from './hub-request.ts';

/**
 * The bytes of a file from `start` to before `end`.
 *
 * @throws NotFoundError when the server gives no parts, or cannot be reached
 */
export function readRange(client: HubClient, remote: RemoteFile, start: number, end: number): Promise<Uint8Array> {
  if (start === end) return Promise.resolve(new Uint8Array(0));
  return patiently(client, () => readOnce(client, remote, start, end));
}

async function readOnce(client: HubClient, { name, address }: RemoteFile, start: number, end: number): Promise<Uint8Array> {
  const idle = new AbortController();
  const clock = setTimeout(() => idle.abort(new Error(`no byte in ${client.idleMs / 1000} s`)), client.idleMs);
  try {
    const response = await request(client, address, name, { method: 'GET', headers: { range: `bytes=${start}-${end - 1}` }, timeout: idle.signal });
    const from = /^bytes (\d+)-/.exec(response.headers.get('content-range') ?? '')?.[1];
    if (response.status !== 206 || Number(from) !== start || !response.body) {
      await response.body?.cancel();
      throw failed(client, 'refused', `with bytes ${start} to ${end} of ${name}`, `HTTP ${response.status} for another part`, 'leave out `streaming`, so that the file is fetched whole');
    }
    const bytes = new Uint8Array(end - start);
    let have = 0;
    const reader = response.body.getReader();
    for (;;) {
      const { done, value } = await reader.read().catch((error: unknown) => {
        throw new Passing(`${name}: cut after ${have} of ${bytes.length} bytes (${faultOf(error)})`);
      });
      if (done) break;
      if (have + value.length > bytes.length) throw new Passing(`${name}: more than the ${bytes.length} bytes that were asked for`);
      bytes.set(value, have);
      have += value.length;
      clock.refresh();
    }
    if (have < bytes.length) throw new Passing(`${name}: ended after ${have} of ${bytes.length} bytes`);
    return bytes;
  } finally {
    clearTimeout(clock);
    // Ends what may still come after a fault.
    idle.abort();
  }
}
