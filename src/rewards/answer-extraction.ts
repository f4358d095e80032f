/** Where the answer stands in a text. Every way is one pass over the text. */
import { z } from 'zod';
import { expected } from '../errors.ts';
import type { Row } from '../data/row.ts';
import { parameter } from './definition.ts';
import { lastNumber } from './numbers.ts';
import { columnText } from './row-column.ts';
import { strip } from './white-space.ts';

/** The ways to find an answer: name → what each takes, for the docs. */
export const extractions = {
  whole: 'the whole text',
  answer: 'what follows the last `<answer>`, up to the next `</answer>`; without a tag the whole text',
  closedAnswer: 'the block of the last `<answer>`; none when it is not closed or holds only `...`',
  hashes: 'the rest of the line after the last `####`',
  boxed: 'what stands in the last `\\boxed{…}`, braces balanced',
  lastNumber: 'the number at the very end, after the start, white space or `=`; `$` and `%` are left out',
  fence: 'the last closed block between lines of three backticks',
} as const;

/** One way to find an answer. */
export type Extraction = keyof typeof extractions;

/** A parameter that chooses where an answer stands. */
export function extractionParameter(byDefault: Extraction, meaning: string) {
  const names = Object.keys(extractions) as Extraction[];
  return parameter(z.enum(names).default(byDefault), `one of ${names.map((name) => `'${name}'`).join(', ')}`, meaning);
}

/** The answer in a text without outer white space (Python's), or null where there is none. */
export function extractAnswer(text: string, extraction: Extraction): string | null {
  const answer = extractors[extraction](text);
  return answer === null ? null : strip(answer);
}

/**
 * The right answer of a row; null where the row has null.
 *
 * @throws InputError when the column is missing or holds no such answer
 */
export function goldAnswer(row: Row, column: string, extraction: Extraction): string | null {
  const text = columnText(row, column);
  if (text === null) return null;
  const gold = extractAnswer(text, extraction);
  if (gold === null) throw expected(column, `to hold an answer (${extractions[extraction]})`, text, 'mend the row or set `gold`');
  return gold;
}

/** Text between the last `<tag>` and the next `</tag>`; null when one of them is missing. */
export function lastBlock(text: string, tag: string): string | null {
  const [open, close] = [`<${tag}>`, `</${tag}>`];
  const start = text.lastIndexOf(open);
  const end = start < 0 ? -1 : text.indexOf(close, start + open.length);
  return end < 0 ? null : text.slice(start + open.length, end);
}

const extractors: Readonly<Record<Extraction, (text: string) => string | null>> = {
  whole: (text) => text,
  answer: answerOrText,
  closedAnswer: (text) => {
    const block = lastBlock(text, 'answer');
    return block !== null && strip(block) === '...' ? null : block;
  },
  hashes: (text) => {
    const start = text.lastIndexOf('####');
    if (start < 0) return null;
    const end = text.indexOf('\n', start);
    return text.slice(start + 4, end < 0 ? undefined : end);
  },
  boxed: lastBoxed,
  lastNumber: (text) => lastNumber(text),
  fence: lastFence,
};

/** As the source of recipe 2: `text.split('<answer>')[-1].split('</answer>')[0]`. */
function answerOrText(text: string): string {
  const start = text.lastIndexOf('<answer>');
  const from = start < 0 ? 0 : start + '<answer>'.length;
  const end = text.indexOf('</answer>', from);
  return text.slice(from, end < 0 ? undefined : end);
}

function lastBoxed(text: string): string | null {
  const command = '\\boxed{';
  const start = text.lastIndexOf(command);
  if (start < 0) return null;
  const from = start + command.length;
  let depth = 1;
  for (let i = from; i < text.length; i++) {
    const character = text[i];
    // An escaped brace is a letter of the answer.
    if (character === '\\') i++;
    else if (character === '{') depth++;
    else if (character === '}' && --depth === 0) return text.slice(from, i);
  }
  return null;
}

function lastFence(text: string): string | null {
  let open: number | null = null;
  let block: string | null = null;
  for (let start = 0; start <= text.length; ) {
    const newline = text.indexOf('\n', start);
    const end = newline < 0 ? text.length : newline;
    const line = text.slice(start, end).trim();
    if (open === null && line.startsWith('```')) open = end + 1;
    else if (open !== null && line === '```') {
      block = text.slice(open, Math.max(open, start - 1));
      open = null;
    }
    start = end + 1;
  }
  return block;
}
