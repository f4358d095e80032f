import type { Row } from '../row.ts';
import { makeRows } from './task.ts';
import type { Draws, TaskOptions } from './task.ts';

/** A row of `countdown`. Its verifier needs `numbers` and `target`. */
export interface CountdownRow extends Row {
  task: 'countdown';
  prompt: string;
  /** To be used exactly once each. */
  numbers: number[];
  target: number;
  /** One equation's left side that is right; there may be others. */
  solution: string;
  /** The target as text. */
  answer: string;
}

/** A value made of numbers, and how. */
interface Made {
  value: number;
  text: string;
}

/**
 * The countdown game as TinyZero plays it: numbers from 1 to 99, each to be used exactly once, with + - * / and brackets, so
 * that the equation gives the target. Every row has a solution with whole numbers at each step: it is drawn first, and the
 * target is its value. Difficulty d, 1 to 4: d + 2 numbers; targets from 10 to 99, from difficulty 3 on from 100 to 999.
 */
export function countdown(options: TaskOptions): CountdownRow[] {
  return makeRows('countdown', options, 4, (draws, difficulty) => {
    const { numbers, made } = drawGame(draws, difficulty);
    const { value: target, text: solution } = made;
    return { task: 'countdown', prompt: promptText(numbers, target), numbers, target, solution, answer: String(target) };
  });
}

function promptText(numbers: readonly number[], target: number): string {
  return (
    `Using the numbers [${numbers.join(', ')}], write an equation that equals ${target}. ` +
    'You may use +, -, *, / and brackets, and must use each number exactly once. ' +
    'Think inside <think> </think>, and give the equation inside <answer> </answer>, as in <answer>(1 + 2) / 3</answer>.\n'
  );
}

/** Draws games until one has a target in the range; about one in three has. */
function drawGame(draws: Draws, difficulty: number): { numbers: number[]; made: Made } {
  const [least, most] = difficulty < 3 ? [10, 99] : [100, 999];
  for (;;) {
    const numbers = Array.from({ length: difficulty + 2 }, () => draws.whole(1, 99));
    const made = combine(draws, numbers.map((value) => ({ value, text: String(value) })));
    if (made.value >= least && made.value <= most) return { numbers, made: { value: made.value, text: made.text.replace(/^\((.*)\)$/, '$1') } };
  }
}

/** Puts two of the values together until one is left. */
function combine(draws: Draws, values: readonly Made[]): Made {
  if (values.length === 1) return values[0]!;
  const [a, b] = draws.pickTwo(values);
  const larger = a.value >= b.value ? a : b;
  const smaller = larger === a ? b : a;
  const together = (sign: string, value: number): Made => ({ value, text: `(${larger.text} ${sign} ${smaller.text})` });
  const ways = [together('+', larger.value + smaller.value)];
  if (larger.value > smaller.value) ways.push(together('-', larger.value - smaller.value));
  if (larger.value * smaller.value < 1000) ways.push(together('*', larger.value * smaller.value));
  if (larger.value % smaller.value === 0) ways.push(together('/', larger.value / smaller.value));
  return combine(draws, [...values.filter((value) => value !== a && value !== b), draws.pick(ways)]);
}
