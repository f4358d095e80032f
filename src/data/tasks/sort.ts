import type { Row } from '../row.ts';
import { makeRows, sameText } from './task.ts';
import type { TaskOptions } from './task.ts';

/** A row of `sort`. */
export interface SortRow extends Row {
  task: 'sort';
  prompt: string;
  answer: string;
}

/** Whole numbers from 0 to 99 to be written from smallest to largest. Difficulty d, 1 to 100: d + 2 numbers; some may be equal. */
export function sort(options: TaskOptions): SortRow[] {
  return makeRows('sort', options, 100, (draws, difficulty) => {
    const numbers = Array.from({ length: difficulty + 2 }, () => draws.whole(0, 99));
    const answer = numbers.toSorted((a, b) => a - b).join(' ');
    return { task: 'sort', prompt: `Write these numbers from smallest to largest, and nothing else: ${numbers.join(' ')}\n`, answer };
  });
}

/** 1 for the numbers in ascending order and nothing else, else 0. */
export function verifySort(text: string, { answer }: SortRow): number {
  return sameText(text, answer);
}
