import { z } from 'zod';
import { extractAnswer, extractionParameter } from './answer-extraction.ts';
import { defineReward, parameter, type PureReward } from './definition.ts';
import { columnParameter, columnText } from './row-column.ts';
import { wordsOf } from './words.ts';

/**
 * The share of the word n-grams of the extracted text that also occur in the context column. A text with fewer words than
 * `ngramSize` is one n-gram; one without words earns 0. null where the row has null.
 */
export const grounded = defineReward({
  name: 'grounded',
  rule: 'the share of the n-grams of words in the extracted text that also occur in the context; letter case does not matter; a text without words earns 0; not applicable where the row has null',
  range: '0 … 1',
  source: 'tsrl',
  parameters: {
    column: columnParameter('context', 'where the context is'),
    ngramSize: parameter(z.int().min(1).max(16).default(1), 'a whole number from 1 to 16', 'words per n-gram; a shorter text is one n-gram'),
    extract: extractionParameter('answer', 'which text must be grounded'),
  },
  positional: ['column', 'ngramSize', 'extract'],
  make: ({ column, ngramSize, extract }): PureReward => {
    return ({ completion, row }) => {
      const context = columnText(row, column);
      if (context === null) return null;
      const words = wordsOf(extractAnswer(completion.text, extract) ?? '');
      if (words.length === 0) return 0;
      const size = Math.min(ngramSize, words.length);
      const known = new Set(ngrams(wordsOf(context), size));
      const found = ngrams(words, size);
      return found.filter((ngram) => known.has(ngram)).length / found.length;
    };
  },
});

/** A space joins words without doubt: no word holds one. */
function ngrams(words: readonly string[], size: number): string[] {
  return Array.from({ length: Math.max(0, words.length - size + 1) }, (_, i) => words.slice(i, i + size).join(' '));
}
