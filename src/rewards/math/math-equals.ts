/** Math answers: whether an answer gives what the solution gives. */
import { sameMeaning } from './compare.ts';
import { BeyondLimits, Budget } from './limits.ts';
import { readAnswer, readCompletion, readSolution } from './read.ts';
import type { Reading } from './read.ts';
import type { Node } from './syntax.ts';

/**
 * What came of a comparison. `incomparable`: both were found, but they could not be read or computed within the limits,
 * and do not read the same. `noAnswer`, `noGold`: nothing mathematical was found in the answer, in the gold.
 */
export type MathVerdict = 'equal' | 'different' | 'incomparable' | 'noAnswer' | 'noGold';

/**
 * Compares an answer with the gold. Each is bare mathematics, LaTeX or plain, or a text that holds it. Never throws, and
 * takes milliseconds whatever the texts are.
 */
export function compareMath(gold: string, answer: string): MathVerdict {
  return verdictOf(readAnswer(gold), readAnswer(answer));
}

/** Whether an answer gives what the gold gives; null where the gold holds no mathematics. What cannot be compared is not equal. */
export function mathEquals(gold: string, answer: string): boolean | null {
  const verdict = compareMath(gold, answer);
  return verdict === 'noGold' ? null : verdict === 'equal';
}

/**
 * Compares the answer that a completion gives in LaTeX, in a box or behind the word "answer", with that of a solution: what
 * TRL's `accuracy_reward` compares.
 */
export function gradeCompletion(solution: string, completion: string): MathVerdict {
  return verdictOf(readSolution(solution), readCompletion(completion));
}

/** The letter of a.m. or p.m. behind a time that ends the mathematics; null where there is none. The half is no part of the value. */
function halfOfDay({ text }: Reading): string | null {
  const half = /\d(?:\s|~|\\[,;: ]|\\(?:text|textrm|mathrm|mbox)\{)*([ap])\.?\s?m\b\.?\}?[.$]*$/i.exec(text.slice(-40));
  return half ? half[1]!.toLowerCase() : null;
}

/** Whether two trees are the same: what is too large to compute may still be written alike. Without recursion, as trees may be deep. */
function sameTree(a: Node, b: Node): boolean {
  const open: [unknown, unknown][] = [[a, b]];
  for (let pair = open.pop(); pair; pair = open.pop()) {
    const [left, right] = pair;
    if (!isRecord(left) || !isRecord(right)) {
      if (left !== right) return false;
      continue;
    }
    const keys = Object.keys(left);
    if (keys.length !== Object.keys(right).length) return false;
    for (const key of keys) open.push([left[key], right[key]]);
  }
  return true;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}

function verdictOf(gold: Reading | null, answer: Reading | null): MathVerdict {
  if (!gold) return 'noGold';
  if (!answer) return 'noAnswer';
  if (gold.text === answer.text && gold.text !== '') return 'equal';
  if (halfOfDay(gold) !== null && halfOfDay(answer) !== null && halfOfDay(gold) !== halfOfDay(answer)) return 'different';
  if (gold.nodes.length === 0 || answer.nodes.length === 0) return 'incomparable';
  const budget = new Budget();
  let isKnown = true;
  for (const left of gold.nodes) {
    for (const right of answer.nodes) {
      try {
        if (sameMeaning(left, right, budget)) return 'equal';
      } catch (error) {
        if (!(error instanceof BeyondLimits)) throw error;
        if (sameTree(left, right)) return 'equal';
        isKnown = false;
      }
    }
  }
  return isKnown ? 'different' : 'incomparable';
}
