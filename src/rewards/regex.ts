import { z } from 'zod';
import { expected } from '../errors.ts';
import { defineReward, parameter, scoreParameter, type PureReward } from './definition.ts';

/** `score` when the pattern matches somewhere in the text, or with `match: 'whole'` the whole text; else 0. */
export const regex = defineReward({
  name: 'regex',
  rule: "`score` when the pattern matches somewhere in the text, or with `match: 'whole'` the whole text; else 0",
  range: '0 or `score`',
  source: 'tsrl',
  parameters: {
    pattern: parameter(z.string().min(1), 'a regular expression of JavaScript', 'what is looked for; its speed is its own'),
    match: parameter(z.enum(['anywhere', 'whole']).default('anywhere'), "'anywhere' or 'whole'", 'where it must match'),
    flags: parameter(z.string().regex(/^[imsuv]*$/).default('u'), 'some of the flags i, m, s, u and v', '`u` reads code points'),
    score: scoreParameter,
  },
  positional: ['pattern'],
  takesRest: 'pattern',
  make: ({ pattern, match, flags, score }): PureReward => {
    const compiled = compile(pattern, match === 'whole', flags);
    return ({ completion }) => (compiled.test(completion.text) ? score : 0);
  },
});

function compile(pattern: string, whole: boolean, flags: string): RegExp {
  try {
    const alone = new RegExp(pattern, flags);
    // Not ^ and $, which the flag m moves to lines.
    return whole ? new RegExp(`(?<![^])(?:${pattern})(?![^])`, flags) : alone;
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw expected('regex.pattern', `to be a regular expression with the flags '${flags}' (${reason})`, pattern, 'correct it, or change `flags`');
  }
}
