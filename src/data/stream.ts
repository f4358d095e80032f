/**
 * Rounds of rows. One order per epoch is cut into rounds of distinct rows; the last incomplete round of an epoch is
 * filled from the next epoch's order, and dropped at the very end. Every epoch visits every row once.
 */
import { expected } from '../errors.ts';
import { epochOrder } from './order.ts';
import type { Row } from './row.ts';

/** The rows of one round, with their positions in the dataset before shuffling. */
export interface Round {
  rows: { index: number; row: Row }[];
  /** Epochs done once this round is, as in 1.25; always 0 for a stream, whose length is not known. */
  epoch: number;
}

/** Where the rounds stand; plain JSON, enough to go on from. */
export interface RoundState {
  /** Epochs done; for a stream 0. */
  epoch: number;
  /** Rows of the current epoch done; for a stream all rows done. */
  position: number;
}

/** A source of rounds. */
export interface Rounds {
  /** The next round, or null at the end. */
  next(): Promise<Round | null>;
  /** How many rounds there are in all; `Infinity` when nothing but `maxSteps` ends the run. */
  readonly totalRounds: number;
  /** Where the rounds stand, after the last `next`. */
  state(): RoundState;
}

/** How rows are cut into rounds. */
export interface RoundOptions {
  /** Distinct rows in a round. */
  roundSize: number;
  seed: number;
  shuffle: boolean;
  /** Passes over the rows; null = no end. */
  epochs: number | null;
  /** Where to go on from. */
  from?: RoundState;
}

/**
 * Rounds of a list of rows.
 *
 * @throws InputError when a round is bigger than the dataset, or `epochs` hold no whole round
 */
export function createRounds(rows: readonly Row[], { roundSize, seed, shuffle, epochs, from }: RoundOptions): Rounds {
  const n = rows.length;
  if (roundSize > n) {
    throw expected('dataset', `to hold at least one round (\`promptsPerStep\` × \`stepsPerGeneration\` = ${roundSize} rows)`, n, 'lower them, or give more rows');
  }
  // The small addend keeps 0.29 × 100 rows at 29.
  const totalRounds = epochs === null ? Infinity : Math.floor((epochs * n) / roundSize + 1e-9);
  if (totalRounds === 0) {
    throw expected('numTrainEpochs', `to hold at least one round of ${roundSize} of the ${n} rows`, epochs, 'raise it');
  }
  const orders = createOrders(n, roundSize, (epoch) => epochOrder(n, { seed, epoch, shuffle }));
  let { epoch, position } = from ?? { epoch: 0, position: 0 };
  const drawn = (): number => Math.floor((epoch * n + position) / roundSize);

  const take = (): number[] => {
    const indices = orders(epoch).slice(position, position + roundSize);
    position += indices.length;
    if (position === n) [epoch, position] = [epoch + 1, 0];
    if (indices.length < roundSize) {
      position = roundSize - indices.length;
      indices.push(...orders(epoch).slice(0, position));
    }
    return indices;
  };

  return {
    totalRounds,
    state: () => ({ epoch, position }),
    next: async () => {
      if (drawn() >= totalRounds) return null;
      const indices = take();
      return { rows: indices.map((index) => ({ index, row: rows[index]! })), epoch: epoch + position / n };
    },
  };
}

/**
 * Orders of the epochs, in which the rows that complete the last round of the epoch before come first. A row of that
 * round is not drawn twice: it waits until after the round, in its place in the order.
 */
function createOrders(n: number, roundSize: number, draw: (epoch: number) => number[]): (epoch: number) => number[] {
  // Rows of an epoch that are left over for a round it cannot fill.
  const leftOver = (epoch: number): number => ((epoch + 1) * n) % roundSize;
  let known: { epoch: number; order: number[] } | null = null;

  const following = (last: readonly number[], epoch: number): number[] => {
    const order = draw(epoch);
    const left = leftOver(epoch - 1);
    if (left === 0) return order;
    const waiting = new Set(last.slice(n - left));
    const first = order.filter((index) => !waiting.has(index)).slice(0, roundSize - left);
    const taken = new Set(first);
    return [...first, ...order.filter((index) => !taken.has(index))];
  };

  return (epoch) => {
    if (known?.epoch === epoch) return known.order;
    // Filling a round reorders at most the first `roundSize` rows of an epoch. With two rounds or more in an epoch its
    // last rows are therefore those of the plain draw, and one epoch back is far enough.
    const enough = n >= 2 * roundSize ? Math.max(0, epoch - 1) : 0;
    let [start, order] = known && known.epoch < epoch && known.epoch >= enough ? [known.epoch, known.order] : [enough, draw(enough)];
    while (start < epoch) order = following(order, ++start);
    known = { epoch, order };
    return order;
  };
}

/**
 * Rounds of rows that come one by one, in the order in which they come. Rows at the end that fill no round are dropped.
 *
 * @param from rows already done, which are read and passed over
 */
export function createStreamRounds(rows: AsyncIterable<Row>, { roundSize, from }: { roundSize: number; from?: RoundState }): Rounds {
  const iterator = rows[Symbol.asyncIterator]();
  let position = 0;
  let ended = false;

  const read = async (): Promise<Row | null> => {
    if (ended) return null;
    const { done, value } = await iterator.next();
    ended = done === true;
    return ended ? null : (value as Row);
  };

  return {
    totalRounds: Infinity,
    state: () => ({ epoch: 0, position }),
    next: async () => {
      while (position < (from?.position ?? 0)) {
        if ((await read()) === null) return null;
        position++;
      }
      const round: Round['rows'] = [];
      while (round.length < roundSize) {
        const row = await read();
        if (row === null) return null;
        round.push({ index: position + round.length, row });
      }
      position += roundSize;
      return { rows: round, epoch: 0 };
    },
  };
}
