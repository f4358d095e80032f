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
