/** Rows one count at a time, from rounds that come in fixed sizes. What a draw leaves over is first in the next. */
import type { Round, Rounds } from './stream.ts';

export class RowQueue {
  readonly #rounds: Rounds;
  #left: Round['rows'] = [];
  #epoch = 0;

  constructor(rounds: Rounds) {
    this.#rounds = rounds;
  }

  /** Epochs done by the rounds that rows were taken from. */
  get epoch(): number {
    return this.#epoch;
  }

  /** The next `count` rows; fewer at the end of the data, none behind it. */
  async draw(count: number): Promise<Round['rows']> {
    while (this.#left.length < count) {
      const round = await this.#rounds.next();
      if (!round) break;
      this.#epoch = round.epoch;
      this.#left.push(...round.rows);
    }
    return this.#left.splice(0, count);
  }
}
