import type { Row } from '../row.ts';
import { makeRows, sameText } from './task.ts';
import type { Draws, TaskOptions } from './task.ts';

const letters = [...'abcdefghijklmnopqrstuvwxyz'];

/** Letters as a task shows them: difficulty + 2 of them, with spaces between. */
export function drawLetters(draws: Draws, difficulty: number): string[] {
  return Array.from({ length: difficulty + 2 }, () => draws.pick(letters));
}

/** A row of `copy`. */
export interface CopyRow extends Row {
  task: 'copy';
  prompt: string;
  answer: string;
}

/** Letters to be written again. Difficulty d, 1 to 100: d + 2 letters. */
export function copy(options: TaskOptions): CopyRow[] {
  return makeRows('copy', options, 100, (draws, difficulty) => {
    const answer = drawLetters(draws, difficulty).join(' ');
    return { task: 'copy', prompt: `Write these letters again, and nothing else: ${answer}\n`, answer };
  });
}

/** 1 for the same letters in the same order and nothing else, else 0. */
export function verifyCopy(text: string, { answer }: CopyRow): number {
  return sameText(text, answer);
}
