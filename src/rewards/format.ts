import { z } from 'zod';
import { defineReward, parameter, scoreParameter, type PureReward } from './definition.ts';
import { skipSpace } from './white-space.ts';

/**
 * `score` for `<think>…</think><answer>…</answer>`, else 0. Soft: the text begins so, white space may stand between the
 * blocks, anything may follow. Strict: the whole text is that, with nothing between or around. Unless `multiline`, a block
 * may not hold a line break.
 */
export const format = defineReward({
  name: 'format',
  rule: '`score` for `<think>…</think><answer>…</answer>`. Soft: the text begins so, white space may stand between the blocks, anything may follow. `strict`: the whole text is that, nothing between or around. Unless `multiline`, a block may not hold a line break',
  range: '0 or `score`',
  source: 'recipe 2, *format* (soft, score 0.5); recipe 4 (strict); both with `multiline: false`',
  parameters: {
    multiline: parameter(z.boolean().default(true), 'true or false', 'whether a block may hold line breaks'),
    strict: parameter(z.boolean().default(false), 'true or false', 'whether the blocks must be the whole text'),
    think: parameter(z.string().min(1).default('think'), 'the name of a tag', 'the first block'),
    answer: parameter(z.string().min(1).default('answer'), 'the name of a tag', 'the second block'),
    score: scoreParameter,
  },
  make: ({ multiline, strict, think, answer, score }): PureReward => {
    const tags: Tags = { open: `<${think}>`, middle: [`</${think}>`, `<${answer}>`], close: `</${answer}>` };
    const holds = strict ? isWhole : beginsWith;
    return ({ completion }) => (holds(completion.text, tags, multiline) ? score : 0);
  },
});

/** The four tags in the order in which they must stand. */
interface Tags {
  open: string;
  middle: readonly [endOfFirst: string, startOfSecond: string];
  close: string;
}

function isWhole(text: string, { open, middle, close }: Tags, multiline: boolean): boolean {
  if (!text.startsWith(open) || !text.endsWith(close) || (!multiline && text.includes('\n'))) return false;
  const border = middle.join('');
  const at = text.indexOf(border, open.length);
  return at >= 0 && at + border.length <= text.length - close.length;
}

/**
 * What `^<think>.*?</think>\s*<answer>.*?</answer>` matches, in one pass: a regular expression takes quadratic time on a
 * text of many `</think><answer>` without an end.
 */
function beginsWith(text: string, { open, middle: [end, start], close }: Tags, multiline: boolean): boolean {
  if (!text.startsWith(open)) return false;
  const nextClose = nextFrom(text, close);
  const nextBreak = multiline ? (): number => Infinity : nextFrom(text, '\n');
  const firstBreak = nextBreak(open.length);
  for (let at = text.indexOf(end, open.length); at >= 0; at = text.indexOf(end, at + end.length)) {
    if (firstBreak < at) return false;
    const border = skipSpace(text, at + end.length);
    if (!text.startsWith(start, border)) continue;
    const inside = border + start.length;
    const closed = nextClose(inside);
    if (closed === Infinity) return false;
    if (nextBreak(inside) > closed) return true;
  }
  return false;
}

/** The next place of `part` at or after a position, Infinity when there is none. Positions asked for grow, so each part of the text is read once. */
function nextFrom(text: string, part: string): (position: number) => number {
  let known = -1;
  return (position) => {
    if (known < position) {
      const found = text.indexOf(part, position);
      known = found < 0 ? Infinity : found;
    }
    return known;
  };
}
