import type { Row } from '../row.ts';
import { answeredNumber, makeRows } from './task.ts';
import type { Draws, TaskOptions } from './task.ts';

/** A row of `arithmetic`. */
export interface ArithmeticRow extends Row {
  task: 'arithmetic';
  prompt: string;
  /** Each step as an equation on its line, then `####` and the answer. */
  solution: string;
  /** A whole number. */
  answer: string;
}

/** One step of a chain: what is asked, the equation, and the value after it. */
interface Step {
  text: string;
  equation: string;
  value: number;
}

/** Values stay within this, so that a chain is no test of long multiplication. */
const LARGEST = 10_000;

/**
 * Chains of calculations in words, each with the result of the one before. Difficulty d, 1 to 20: d + 1 steps with numbers
 * up to 10·d (up to 9 for multiplication); divisions come out even, and results may be negative.
 */
export function arithmetic(options: TaskOptions): ArithmeticRow[] {
  return makeRows('arithmetic', options, 20, (draws, difficulty) => {
    const start = draws.whole(1, 10 * difficulty);
    const steps: Step[] = [];
    for (let value = start; steps.length <= difficulty; value = steps.at(-1)!.value) steps.push(drawStep(draws, value, 10 * difficulty));
    const answer = String(steps.at(-1)!.value);
    return {
      task: 'arithmetic',
      prompt: `Start with ${start}. ${steps.map(({ text }) => `${text}.`).join(' ')} What is the result? Work step by step, and write the result behind ####.\n`,
      solution: [...steps.map(({ equation }) => equation), `#### ${answer}`].join('\n'),
      answer,
    };
  });
}

function drawStep(draws: Draws, value: number, largest: number): Step {
  const n = draws.whole(2, largest);
  const small = draws.whole(2, 9);
  const step = (text: string, sign: string, by: number, result: number): Step => ({ text, equation: `${value} ${sign} ${by} = ${result}`, value: result });
  const steps = [step(`Add ${n}`, '+', n, value + n), step(`Subtract ${n}`, '-', n, value - n)];
  if (Math.abs(value * small) <= LARGEST) steps.push(step(`Multiply by ${small}`, '*', small, value * small));
  if (value !== 0 && value % small === 0) steps.push(step(`Divide by ${small}`, '/', small, value / small));
  return draws.pick(steps);
}

/** 1 when the number behind the last `####`, or else the last number of the text, is the answer; else 0. */
export function verifyArithmetic(text: string, { answer }: ArithmeticRow): number {
  return answeredNumber(text) === Number(answer) ? 1 : 0;
}
