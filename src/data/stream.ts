/**
 * Rounds of rows. One order per epoch is cut into rounds of distinct rows; the last incomplete round of an epoch is
 * filled from the next epoch's order, and dropped at the very end. Every epoch visits every row once.
 */
import { expected } from '../errors.ts';
import { below, epochOrder } from './order.ts';
import type { Row } from './row.ts';
import type { RowStream } from './source.ts';

/** The rows of one round, with their positions in the dataset before shuffling. */
export interface Round {
  rows: { index: number; row: Row }[];
  /** Epochs done once this round is, as in 1.25; whole ones for a stream, whose length is not known. */
  epoch: number;
}

/** Where the rounds stand; plain JSON, enough to go on from. */
export interface RoundState {
  /** Epochs done. */
  epoch: number;
  /** Rows of the current epoch done. */
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
  /** Lets go of what a stream holds open. */
  close(): Promise<void>;
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
    close: async () => {},
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

/** How rows that come one by one are cut into rounds. */
export interface StreamRoundOptions {
  roundSize: number;
  seed: number;
  /** Whether rows are drawn from the stream's waiting ones; false = as they come. */
  shuffle: boolean;
  /** Passes over the stream; null = no end. One that comes only once is gone through once. */
  epochs: number | null;
  /** Where to go on from: the rows before are read and passed over. */
  from?: RoundState;
}

/**
 * Rounds of rows that come one by one. Where one pass ends within a round, the next one fills it; rows at the very end that
 * fill no round are dropped.
 */
export function createStreamRounds(stream: Pick<RowStream, 'open' | 'once' | 'shuffleBuffer'>, { roundSize, seed, shuffle, epochs, from }: StreamRoundOptions): Rounds {
  const passes = stream.once ? 1 : (epochs ?? Infinity);
  let { epoch, position } = from ?? { epoch: 0, position: 0 };
  let rows = passFrom(epoch, position);

  async function* passFrom(pass: number, start: number): AsyncGenerator<Round['rows'][number]> {
    let drawn = 0;
    for await (const row of shuffled(stream.open(), shuffle ? stream.shuffleBuffer : 1, seed, pass)) if (drawn++ >= start) yield row;
  }

  return {
    totalRounds: Infinity,
    state: () => ({ epoch, position }),
    close: async () => void (await rows.return(undefined)),
    next: async () => {
      const round: Round['rows'] = [];
      while (round.length < roundSize) {
        if (epoch >= passes) return null;
        const { done, value } = await rows.next();
        if (!done) {
          round.push(value);
          position += 1;
        } else {
          // A pass without rows would be followed by others without end.
          if (position === 0) return null;
          [epoch, position] = [epoch + 1, 0];
          if (epoch < passes) rows = passFrom(epoch, 0);
        }
      }
      return { rows: round, epoch };
    },
  };
}

/**
 * Rows with their positions, each drawn from `size` waiting ones. The draws depend on seed, pass and place alone, so that the
 * order is the same from any position.
 */
async function* shuffled(rows: AsyncIterable<Row>, size: number, seed: number, pass: number): AsyncGenerator<Round['rows'][number]> {
  const waiting: Round['rows'] = [];
  let [read, drawn] = [0, 0];
  const draw = (): Round['rows'][number] => {
    const at = below(waiting.length, seed, pass, drawn++);
    const one = waiting[at]!;
    waiting[at] = waiting.at(-1)!;
    waiting.pop();
    return one;
  };
  for await (const row of rows) {
    waiting.push({ index: read++, row });
    if (waiting.length >= size) yield draw();
  }
  while (waiting.length > 0) yield draw();
}
