import type { Row } from '../row.ts';
import { answeredNumber, makeRows } from './task.ts';
import type { Draws, TaskOptions } from './task.ts';

/** A row of `wordProblems`. */
export interface WordProblemRow extends Row {
  task: 'wordProblems';
  prompt: string;
  /** Each step as an equation on its line, then `####` and the answer. */
  solution: string;
  /** A whole number of 0 or more. */
  answer: string;
}

/** A problem while it is told. */
interface Story {
  sentences: string[];
  equations: string[];
  /** What the question asks for. */
  value: number;
}

const names = ['Ada', 'Ben', 'Chen', 'Dina', 'Emil', 'Fatima', 'Goran', 'Hana', 'Ivan', 'Joy', 'Kofi', 'Lena', 'Marta', 'Noor', 'Omar', 'Priya'];
const things = ['apples', 'marbles', 'stickers', 'pencils', 'shells', 'cookies', 'cards', 'stamps', 'beads', 'nuts'];
const goods: readonly [string, string][] = [['notebook', 'notebooks'], ['pen', 'pens'], ['ruler', 'rulers'], ['bottle', 'bottles'], ['ball', 'balls'], ['lamp', 'lamps'], ['cup', 'cups'], ['book', 'books']];

/**
 * Problems of the grade-school kind: a short story with a question that a whole number answers. Difficulty d, 1 to 8: d steps
 * that change what is counted, with numbers up to 10 + 10·d.
 */
export function wordProblems(options: TaskOptions): WordProblemRow[] {
  return makeRows('wordProblems', options, 8, (draws, difficulty) => {
    const story = draws.pick([collection, shopping, journey, savings])(draws, difficulty);
    const answer = String(story.value);
    return {
      task: 'wordProblems',
      prompt: `${story.sentences.join(' ')} Work step by step, and write the answer behind ####.\n`,
      solution: [...story.equations, `#### ${answer}`].join('\n'),
      answer,
    };
  });
}

/** Things that are found, given away, halved and counted. */
function collection(draws: Draws, difficulty: number): Story {
  const [name, friend] = draws.pickTwo(names);
  const thing = draws.pick(things);
  const most = 10 + 10 * difficulty;
  let value = draws.whole(5, most);
  const story: Story = { sentences: [`${name} has ${value} ${thing}.`], equations: [], value };
  for (let step = 0; step < difficulty; step++) {
    const [bags, each, few] = [draws.whole(2, 6), draws.whole(2, 9), draws.whole(1, Math.max(1, value - 1))];
    const changes: [text: string, expression: string, result: number][] = [
      [`${name} gets ${bags} bags with ${each} ${thing} in each.`, `${value} + ${bags} * ${each}`, value + bags * each],
      [`${friend} gives ${name} ${each} more ${thing}.`, `${value} + ${each}`, value + each],
    ];
    if (value > 1) changes.push([`${name} gives ${few} of the ${thing} to ${friend}.`, `${value} - ${few}`, value - few]);
    if (value > 2 && value % 2 === 0) changes.push([`${name} then loses half of the ${thing}.`, `${value} / 2`, value / 2]);
    const [text, expression, result] = draws.pick(changes);
    story.sentences.push(text);
    story.equations.push(`${expression} = ${result}`);
    value = result;
  }
  story.sentences.push(`How many ${thing} does ${name} have now?`);
  return { ...story, value };
}

/** Goods at a price each, and the change. */
function shopping(draws: Draws, difficulty: number): Story {
  const name = draws.pick(names);
  const story: Story = { sentences: [], equations: [], value: 0 };
  let total = 0;
  const first = draws.whole(0, goods.length - 1);
  for (let step = 0; step < difficulty; step++) {
    const [one, many] = goods[(first + step) % goods.length]!;
    const [count, price] = [draws.whole(2, 9), draws.whole(2, 10 + 10 * difficulty)];
    story.sentences.push(`${step === 0 ? name : `Then ${name}`} buys ${count} ${many} for ${price} dollars per ${one}.`);
    story.equations.push(`${count} * ${price} = ${count * price}`);
    if (step > 0) story.equations.push(`${total} + ${count * price} = ${total + count * price}`);
    total += count * price;
  }
  const paid = (Math.floor(total / 50) + 1) * 50;
  story.sentences.push(`${name} pays with ${paid} dollars. How many dollars does ${name} get back?`);
  story.equations.push(`${paid} - ${total} = ${paid - total}`);
  return { ...story, value: paid - total };
}

/** Legs of a journey, by speed and time. */
function journey(draws: Draws, difficulty: number): Story {
  const name = draws.pick(names);
  const story: Story = { sentences: [], equations: [], value: 0 };
  let total = 0;
  for (let leg = 0; leg < difficulty; leg++) {
    const [speed, hours] = [draws.whole(3, 10 + 10 * difficulty), draws.whole(2, 6)];
    story.sentences.push(`${leg === 0 ? name : `Then ${name}`} travels for ${hours} hours at ${speed} kilometers per hour.`);
    story.equations.push(`${hours} * ${speed} = ${hours * speed}`);
    if (leg > 0) story.equations.push(`${total} + ${hours * speed} = ${total + hours * speed}`);
    total += hours * speed;
  }
  story.sentences.push(`How many kilometers does ${name} travel in all?`);
  return { ...story, value: total };
}

/** Money that is put aside each week, and spent in between. */
function savings(draws: Draws, difficulty: number): Story {
  const name = draws.pick(names);
  let value = draws.whole(0, 10 + 10 * difficulty);
  const story: Story = { sentences: [`${name} has ${value} dollars.`], equations: [], value };
  for (let step = 0; step < difficulty; step++) {
    const [weeks, each] = [draws.whole(2, 8), draws.whole(2, 12)];
    const saved = value + weeks * each;
    story.sentences.push(`For ${weeks} weeks ${name} saves ${each} dollars a week.`);
    story.equations.push(`${value} + ${weeks} * ${each} = ${saved}`);
    value = saved;
    // Every other step ends with something bought, so that not all goes one way.
    if (step % 2 === 1) {
      const [one] = draws.pick(goods);
      const price = draws.whole(1, value);
      story.sentences.push(`Then ${name} buys a ${one} for ${price} dollars.`);
      story.equations.push(`${value} - ${price} = ${value - price}`);
      value -= price;
    }
  }
  story.sentences.push(`How many dollars does ${name} have in the end?`);
  return { ...story, value };
}

/** 1 when the number behind the last `####`, or else the last number of the text, is the answer; else 0. */
export function verifyWordProblems(text: string, { answer }: WordProblemRow): number {
  return answeredNumber(text) === Number(answer) ? 1 : 0;
}
