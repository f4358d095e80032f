/** What an engine does over time, read from outside: from the moments at which it hands over its tokens. */
import { expected } from '../src/errors.ts';

/** One step of decoding. */
export interface DecodeStep {
  /** Completions that took part. */
  rows: number;
  /** Seconds since the token or prompt before it. */
  seconds: number;
}

/**
 * Sorts tokens into steps. A step gives each live completion one token; the first token of a completion belongs to its
 * admission instead, which ran its prompt.
 */
export class DecodeTimeline {
  readonly steps: DecodeStep[] = [];
  /** Seconds of every admission, in order. */
  readonly admissions: number[] = [];
  /** Completion → number of the step, from 1, in which it last had a token; that of the step before for its first. */
  readonly #last = new Map<string, number>();
  #before: number;
  #admitting = -1;

  /** @param start seconds, on the clock of the tokens */
  constructor(start: number) {
    this.#before = start;
  }

  /** A token came, at a time in seconds. */
  token(request: number, sample: number, now: number): void {
    const key = `${request}/${sample}`;
    const last = this.#last.get(key);
    if (last === undefined) {
      // Completions of one prompt that enter together are one admission.
      if (this.#admitting !== request) this.admissions.push(now - this.#before);
      this.#admitting = request;
      this.#last.set(key, this.steps.length);
    } else {
      this.#admitting = -1;
      if (last === this.steps.length) this.steps.push({ rows: 0, seconds: now - this.#before });
      this.steps.at(-1)!.rows += 1;
      this.#last.set(key, this.steps.length);
    }
    this.#before = now;
  }
}

/** The value at x of the broken line through some points, which are sorted by x and hold x between them. */
export function interpolate(points: readonly { x: number; y: number }[], x: number): number {
  const right = points.findIndex((point) => point.x >= x);
  const [b, a] = [points[right], points[Math.max(0, right - 1)]];
  if (!b || !a || a.x > x) throw expected('x', `to lie between ${points[0]?.x} and ${points.at(-1)?.x}`, x, 'measure there');
  return b.x === a.x ? b.y : a.y + ((b.y - a.y) * (x - a.x)) / (b.x - a.x);
}
