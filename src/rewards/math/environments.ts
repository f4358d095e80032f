/** Finds the LaTeX environments of a text, as math-verify does: `$…$`, `$$…$$`, `\(…\)`, `\[…\]`, ` [ … ] `. */

/** One environment, or several that a comma, `and` or `or` connects. */
export interface Span {
  start: number;
  /** Behind the last character. */
  end: number;
  /** What stands inside, one for each environment, and whether a percent sign follows it. */
  pieces: { text: string; isPercent: boolean }[];
}

const MAX_PIECES = 6;
const CONNECTION = /\s{0,20}(?:,?and|,?or|,)\s{0,20}/y;
const PERCENT = /\s{0,20}(?:\\?%|[Pp]ercentage|[Pp]ercent|[Pp]ct)/y;
const FRACTION = /-?\\frac\{-?\d{1,100}(?:[.,]\d{1,100})?\}\{-?\d{1,100}(?:[.,]\d{1,100})?\}/y;

/** A text with the places of everything that can close an environment, so that each search is short. */
export class Environments {
  readonly text: string;
  readonly #places = new Map<string, number[]>();

  constructor(text: string) {
    this.text = text;
  }

  /** All of them from left to right; only those that hold a box where `boxed`. */
  all(boxed = false): Span[] {
    const spans: Span[] = [];
    for (const { index } of this.text.matchAll(/[$\\\-\s]/g)) {
      const span = index < (spans.at(-1)?.end ?? 0) ? null : this.at(index, boxed);
      if (span) spans.push(span);
    }
    return spans;
  }

  /** The environments that begin here and are connected; null where none begins. */
  at(start: number, boxed = false): Span | null {
    if (!/[$\\\-\s]/.test(this.text[start] ?? '')) return null;
    let piece = this.#single(start, boxed);
    if (!piece) return null;
    const span: Span = { start, end: start, pieces: [] };
    for (;;) {
      const isPercent = matchEnd(PERCENT, this.text, piece.end) !== null;
      span.pieces.push({ text: piece.text, isPercent });
      span.end = matchEnd(PERCENT, this.text, piece.end) ?? piece.end;
      const next = matchEnd(CONNECTION, this.text, span.end);
      const following: { text: string; end: number } | null = next === null || span.pieces.length === MAX_PIECES ? null : this.#single(next, boxed);
      if (!following) return span;
      piece = following;
    }
  }

  #single(start: number, boxed: boolean): { text: string; end: number } | null {
    const { text } = this;
    const first = text[start];
    if (first === '$' && text[start - 1] !== '\\') return (text[start + 1] === '$' ? this.#until(start, 2, '$$', true, boxed) : null) ?? this.#dollar(start, boxed);
    if (first === '\\' && text[start - 1] !== '\\') {
      if (text[start + 1] === '[') return this.#until(start, 2, '\\]', true, boxed);
      if (text[start + 1] === '(') return this.#until(start, 2, '\\)', false, boxed);
    }
    if ((first === '\\' || first === '-') && !boxed) return this.#fraction(start);
    if (text[start + 1] === '[' && /\s/.test(first!)) return this.#bracket(start, boxed);
    return null;
  }

  #dollar(start: number, boxed: boolean): { text: string; end: number } | null {
    return /\d/.test(this.text[start - 1] ?? '') ? null : this.#until(start, 1, '$', false, boxed);
  }

  #fraction(start: number): { text: string; end: number } | null {
    const end = matchEnd(FRACTION, this.text, start);
    return end === null ? null : { text: this.text.slice(start, end), end };
  }

  #bracket(start: number, boxed: boolean): { text: string; end: number } | null {
    const found = this.#until(start, 2, ']', false, boxed);
    return found && /\s/.test(this.text[found.end] ?? '') && !found.text.includes('[') ? { text: found.text, end: found.end + 1 } : null;
  }

  #until(start: number, opening: number, closer: string, multiline: boolean, boxed: boolean): { text: string; end: number } | null {
    const from = start + opening;
    const end = this.#next(closer, from + 1);
    if (end === null || (!multiline && (this.#next('\n', from) ?? Infinity) < end)) return null;
    if (boxed && (this.#next('\\boxed{', from) ?? Infinity) >= end) return null;
    return { text: this.text.slice(from, end), end: end + closer.length };
  }

  /** The first place of `needle` at `from` or later, not behind a backslash. */
  #next(needle: string, from: number): number | null {
    let places = this.#places.get(needle);
    if (!places) {
      places = [];
      for (let at = this.text.indexOf(needle); at >= 0; at = this.text.indexOf(needle, at + 1)) {
        if (needle === '\n' || this.text[at - 1] !== '\\') places.push(at);
      }
      this.#places.set(needle, places);
    }
    let [low, high] = [0, places.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (places[middle]! < from) low = middle + 1;
      else high = middle;
    }
    return places[low] ?? null;
  }
}

function matchEnd(sticky: RegExp, text: string, from: number): number | null {
  sticky.lastIndex = from;
  return sticky.test(text) ? sticky.lastIndex : null;
}
