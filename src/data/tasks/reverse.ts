import type { Row } from '../row.ts';
import { drawLetters } from './copy.ts';
import { makeRows, sameText } from './task.ts';
import type { TaskOptions } from './task.ts';

/** A row of `reverse`. */
export interface ReverseRow extends Row {
  task: 'reverse';
  prompt: string;
  answer: string;
}

/** Letters to be written from last to first. Difficulty d, 1 to 100: d + 2 letters. */
export function reverse(options: TaskOptions): ReverseRow[] {
  return makeRows('reverse', options, 100, (draws, difficulty) => {
    const letters = drawLetters(draws, difficulty);
    return { task: 'reverse', prompt: `Write these letters from last to first, and nothing else: ${letters.join(' ')}\n`, answer: letters.toReversed().join(' ') };
  });
}

/** 1 for the letters in reverse order and nothing else, else 0. */
export function verifyReverse(text: string, { answer }: ReverseRow): number {
  return sameText(text, answer);
}
