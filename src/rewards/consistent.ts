import { z } from 'zod';
import { lastBlock } from './answer-extraction.ts';
import { defineReward, parameter, scoreParameter, type PureReward } from './definition.ts';
import { numbersIn } from './numbers.ts';
import { wordsOf } from './words.ts';

/**
 * `score` when the reasoning block says what the answer block says, else 0. With a number in the answer: the last number
 * of both is the same. Without one: every word of the answer occurs in the reasoning. A missing or empty block earns 0.
 */
export const consistent = defineReward({
  name: 'consistent',
  rule: '`score` when the reasoning block agrees with the answer block after it: the last number of both is the same, or, when the answer holds no number, every word of it occurs in the reasoning; a missing or empty block earns 0',
  range: '0 or `score`',
  source: 'tsrl',
  parameters: {
    think: parameter(z.string().min(1).default('think'), 'the name of a tag', 'the reasoning block'),
    answer: parameter(z.string().min(1).default('answer'), 'the name of a tag', 'the answer block'),
    score: scoreParameter,
  },
  make: ({ think, answer, score }): PureReward => {
    return ({ completion: { text } }) => {
      const start = text.lastIndexOf(`<${answer}>`);
      const reasoning = lastBlock(text.slice(0, Math.max(0, start)), think);
      const result = lastBlock(text, answer);
      return reasoning !== null && result !== null && agree(reasoning, result) ? score : 0;
    };
  },
});

function agree(reasoning: string, answer: string): boolean {
  const number = numbersIn(answer).at(-1);
  if (number !== undefined) return numbersIn(reasoning).at(-1) === number;
  const words = wordsOf(answer);
  const known = new Set(wordsOf(reasoning));
  return words.length > 0 && words.every((word) => known.has(word));
}
