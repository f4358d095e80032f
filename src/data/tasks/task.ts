/** What the tasks that make their own rows share: their options, their random draws, and how an answer is read. */
import { expected } from '../../errors.ts';
import { below } from '../order.ts';

/** How many rows of a task are made, and how hard they are. */
export interface TaskOptions {
  /** Rows. The first ones are the same for every count. */
  count: number;
  /** Draws the rows; the same seed gives the same rows. Default 42. */
  seed?: number;
  /** From 1; each task says what it means. Default 1. */
  difficulty?: number;
}

/** Random draws of one row; they depend on seed and row alone. */
export interface Draws {
  /** A whole number from `least` to `most`, both included. */
  whole(least: number, most: number): number;
  pick<T>(items: readonly T[]): T;
  /** Two different ones. */
  pickTwo<T>(items: readonly T[]): [T, T];
}

/** A task's rows, one by one from draws of their own. */
export function makeRows<T>(name: string, { count, seed = 42, difficulty = 1 }: TaskOptions, hardest: number, make: (draws: Draws, difficulty: number) => T): T[] {
  const whole = (option: string, value: number, least: number, most = Infinity): void => {
    const range = most === Infinity ? `${least} or more` : `${least} to ${most}`;
    if (!Number.isSafeInteger(value) || value < least || value > most) throw expected(option, `to be a whole number, ${range}, for the task ${name}`, value, 'correct it');
  };
  whole('count', count, 1);
  whole('seed', seed, 0);
  whole('difficulty', difficulty, 1, hardest);
  return Array.from({ length: count }, (_, row) => make(drawsOf(seed, row), difficulty));
}

function drawsOf(seed: number, row: number): Draws {
  let counter = 0;
  const index = (n: number): number => below(n, seed, row, counter++);
  const pick = <T>(items: readonly T[]): T => items[index(items.length)]!;
  return {
    whole: (least, most) => least + index(most - least + 1),
    pick,
    pickTwo: (items) => {
      const first = index(items.length);
      return [items[first]!, pick(items.filter((_, i) => i !== first))];
    },
  };
}

/** The number that a text answers with: the one behind the last `####`, else its last one; null where there is none. */
export function answeredNumber(text: string): number | null {
  const behind = text.split('####').slice(1).at(-1);
  const found = [...(behind ?? text).matchAll(/(?<![\w.])[-−]?\d[\d,]*(?:\.\d+)?/g)].map(([number]) => number);
  const chosen = behind === undefined ? found.at(-1) : found[0];
  return chosen === undefined ? null : Number(chosen.replaceAll(',', '').replace('−', '-'));
}

/** 1 when a text is the answer, white space aside, else 0. */
export function sameText(text: string, answer: string): number {
  const plain = (value: string): string => value.trim().replaceAll(/\s+/g, ' ');
  return plain(text) === plain(answer) ? 1 : 0;
}
