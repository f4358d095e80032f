/** Turns ids into text one by one. */
export interface IncrementalDecoder {
  /** The text that became certain with this id; empty while a character is incomplete. */
  push(id: number): string;
  /** What is left at the end: an incomplete character shows as U+FFFD. */
  flush(): string;
}

/** For byte-level tokenizers: the text is the UTF-8 decoding of the tokens' bytes, one after the other. */
export function byteDecoder(bytesOf: (id: number) => Uint8Array): IncrementalDecoder {
  // ignoreBOM keeps a U+FEFF at the start, which belongs to the text here.
  const utf8 = new TextDecoder('utf-8', { ignoreBOM: true });
  return {
    push: (id) => utf8.decode(bytesOf(id), { stream: true }),
    flush: () => utf8.decode(),
  };
}

/**
 * For the other tokenizers: decodes everything so far and gives what is new. It waits while the text ends in U+FFFD or
 * in a token of which `mayChange` says that later ids can still alter how it reads.
 */
export function textDecoder(decode: (ids: readonly number[]) => string, mayChange: (id: number) => boolean): IncrementalDecoder {
  const ids: number[] = [];
  let given = '';
  const rest = (text: string): string => {
    const added = text.slice(given.length);
    given = text;
    return added;
  };
  return {
    push: (id) => {
      ids.push(id);
      if (mayChange(id)) return '';
      const text = decode(ids);
      return text.endsWith('\uFFFD') ? '' : rest(text);
    },
    flush: () => rest(decode(ids)),
  };
}
