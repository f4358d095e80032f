/** The tasks that make their own rows, by the names that `task:` and rows use. */
import { expected } from '../../errors.ts';
import type { Row } from '../row.ts';
import { arithmetic, verifyArithmetic } from './arithmetic.ts';
import type { ArithmeticRow } from './arithmetic.ts';
import { copy, verifyCopy } from './copy.ts';
import type { CopyRow } from './copy.ts';
import { countdown } from './countdown.ts';
import { reverse, verifyReverse } from './reverse.ts';
import type { ReverseRow } from './reverse.ts';
import { sort, verifySort } from './sort.ts';
import type { SortRow } from './sort.ts';
import type { TaskOptions } from './task.ts';
import { verifyWordProblems, wordProblems } from './word-problems.ts';
import type { WordProblemRow } from './word-problems.ts';

/** One task. */
interface Task {
  make(options: TaskOptions): Row[];
  /** 0 to 1 for a completion's text; null where a reward of its own does it. */
  verify: ((text: string, row: Row) => number) | null;
}

/** Name → task. */
const tasks: Readonly<Record<string, Task>> = {
  arithmetic: { make: arithmetic, verify: (text, row) => verifyArithmetic(text, row as ArithmeticRow) },
  copy: { make: copy, verify: (text, row) => verifyCopy(text, row as CopyRow) },
  countdown: { make: countdown, verify: null },
  reverse: { make: reverse, verify: (text, row) => verifyReverse(text, row as ReverseRow) },
  sort: { make: sort, verify: (text, row) => verifySort(text, row as SortRow) },
  wordProblems: { make: wordProblems, verify: (text, row) => verifyWordProblems(text, row as WordProblemRow) },
};

/**
 * The rows that a text such as `task:countdown?count=1000&seed=1&difficulty=2` asks for.
 *
 * @throws InputError for an unknown task or setting, or without `count`
 */
export function taskRows(text: string): Row[] {
  const [, name = '', query = ''] = /^task:([^?]*)(?:\?(.*))?$/s.exec(text) ?? [];
  const usage = 'write it as task:countdown?count=1000&seed=1&difficulty=2';
  if (!Object.hasOwn(tasks, name)) throw expected('dataset', `to be one of the tasks ${Object.keys(tasks).join(', ')}`, text, usage);
  const options: Partial<Record<keyof TaskOptions, number>> = {};
  for (const [key, value] of new URLSearchParams(query)) {
    const known = (['count', 'seed', 'difficulty'] as const).find((one) => one === key);
    if (!known || options[known] !== undefined || !/^\d+$/.test(value)) throw expected('dataset', 'to have count, seed and difficulty once each, as whole numbers', text, usage);
    options[known] = Number(value);
  }
  const { count } = options;
  if (count === undefined) throw expected('dataset', 'to say how many rows of a task are made', text, usage);
  return tasks[name]!.make({ ...options, count });
}

/**
 * Scores a text by the task that its row comes from, 0 to 1.
 *
 * @throws InputError for a row that comes from none of them
 */
export function verifyTask(text: string, row: Row): number {
  const name = typeof row['task'] === 'string' && Object.hasOwn(tasks, row['task']) ? row['task'] : null;
  const scored = Object.entries(tasks).flatMap(([one, { verify }]) => (verify ? [one] : []));
  const verify = name === null ? null : tasks[name]!.verify;
  if (!verify) throw expected('row.task', `to name a task that is scored here (${scored.join(', ')})`, row['task'], 'use the reward that fits these rows');
  return verify(text, row);
}
