/** When a completion ends, and what its text is. */

/** What ends a completion, besides its length. */
export interface StopRules {
  /** Every end-of-sequence id of model and tokenizer. */
  stopIds: ReadonlySet<number>;
  /** Texts that end a completion; the token that completes one is kept. */
  stopStrings: readonly string[];
}

/** The text before the first stop string, or all of it. */
export function cutAtStop(text: string, stopStrings: readonly string[]): string {
  const first = Math.min(...stopStrings.map((stop) => text.indexOf(stop)).filter((at) => at >= 0));
  return Number.isFinite(first) ? text.slice(0, first) : text;
}

/**
 * Gives the text of one completion as it grows, so that the pieces together are what `cutAtStop` gives: nothing from a
 * stop string on, and what may be the start of one only when it turns out not to be.
 */
export class StopStringFilter {
  readonly #stopStrings: readonly string[];
  #held = '';
  #stopped = false;

  constructor(stopStrings: readonly string[]) {
    this.#stopStrings = stopStrings;
  }

  /** Takes the next piece of text and gives what is certain now. */
  push(piece: string): string {
    if (this.#stopped) return '';
    const text = this.#held + piece;
    const certain = cutAtStop(text, this.#stopStrings);
    this.#stopped = certain.length < text.length;
    const given = this.#stopped ? certain.length : text.length - this.#startOfStop(text);
    this.#held = text.slice(given);
    return text.slice(0, given);
  }

  /** What is left when the completion has ended. */
  flush(): string {
    return this.#stopped ? '' : this.#held;
  }

  /** Length of the longest end of the text that a stop string starts with. */
  #startOfStop(text: string): number {
    const longest = Math.max(0, ...this.#stopStrings.map((stop) => stop.length)) - 1;
    for (let length = Math.min(longest, text.length); length > 0; length--) {
      const end = text.slice(-length);
      if (this.#stopStrings.some((stop) => stop.startsWith(end))) return length;
    }
    return 0;
  }
}

/** Watches the text of one completion as it grows, for a stop string. */
export class StopStringWatch {
  readonly #stopStrings: readonly string[];
  readonly #tail: number;
  #text = '';

  constructor(stopStrings: readonly string[]) {
    this.#stopStrings = stopStrings;
    this.#tail = Math.max(0, ...stopStrings.map((stop) => stop.length)) - 1;
  }

  /** Takes the next piece of text; true when a stop string is complete. */
  push(piece: string): boolean {
    this.#text += piece;
    const found = this.#stopStrings.some((stop) => this.#text.includes(stop));
    this.#text = this.#tail > 0 ? this.#text.slice(-this.#tail) : '';
    return found;
  }
}
