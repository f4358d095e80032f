import { z } from 'zod';
import { defineReward, parameter, type PureReward } from './definition.ts';

/** The marks of recipe 2: each tag with the end of its line. */
const recipe2 = { '<think>\n': 0.125, '</think>\n': 0.125, '<answer>\n': 0.125, '</answer>\n': 0.25 };

/** The sum of the weights of the tags that occur exactly once, or with `count: 'present'` at least once. */
export const tagCount = defineReward({
  name: 'tagCount',
  rule: "the sum of the weights of the tags that occur exactly once, or with `count: 'present'` at least once",
  range: '0 … sum of the weights',
  source: "recipe 2, *mark* (the defaults); recipe 3, 0.2 for each of four tags (`count: 'present'`)",
  parameters: {
    tags: parameter(z.record(z.string().min(1), z.number()).default(recipe2), 'an object, text to weight', 'the texts that count'),
    count: parameter(z.enum(['once', 'present']).default('once'), "'once' or 'present'", 'how often each must occur'),
  },
  make: ({ tags, count }): PureReward => {
    const all = Object.entries(tags);
    const counts = count === 'once' ? occursOnce : (text: string, tag: string): boolean => text.includes(tag);
    return ({ completion }) => all.reduce((sum, [tag, weight]) => sum + (counts(completion.text, tag) ? weight : 0), 0);
  },
});

/** Occurrences that overlap count once, as in Python's `str.count`. */
function occursOnce(text: string, tag: string): boolean {
  const first = text.indexOf(tag);
  return first >= 0 && !text.includes(tag, first + tag.length);
}
