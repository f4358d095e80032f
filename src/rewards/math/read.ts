/** From a text to what it can mean. */
import { candidates } from './extract.ts';
import type { ExtractionRules } from './extract.ts';
import { BeyondLimits, MAX_LENGTH, Unreadable } from './limits.ts';
import { parseMath } from './parse.ts';
import type { Node } from './syntax.ts';
import { isUnit } from './units.ts';

/** What was found in a text. */
export interface Reading {
  /** The trees it can stand for; none where it could not be read. */
  nodes: Node[];
  /** The mathematics as text, without blanks and what only changes its looks; '' where it may not be compared as text. */
  text: string;
}

/** A solution is looked for everywhere, in LaTeX and in plain numbers. */
const SOLUTION: ExtractionRules = { plain: true, anywhere: true, boxedFirst: false };

/** A completion must give its answer in LaTeX, in a box or behind the word "answer". */
const COMPLETION: ExtractionRules = { plain: false, anywhere: false, boxedFirst: true };

/** Words that belong to mathematics and do not make a text prose. */
const MATHEMATICAL = /^(?:and|or|sqrt|pi|inf|infinity|sin|cos|tan|log|ln|percent)$/i;

/** The answer in a solution; null where nothing is found. */
export function readSolution(text: string): Reading | null {
  let first: Reading | null = null;
  for (const rank of candidates(text, SOLUTION)) {
    for (const { pieces } of rank) {
      const reading = readPieces(pieces);
      first ??= reading;
      if (reading && reading.nodes.length > 0) return { ...reading, text: first!.text };
    }
  }
  return first;
}

/**
 * The answer in a completion: the best place alone, whether it can be read or not, and with the braces that LaTeX's
 * macros have in print. Null where there is none.
 */
export function readCompletion(text: string): Reading | null {
  for (const [best] of candidates(text, COMPLETION)) {
    if (!best) continue;
    const isMalformed = best.pieces.some((piece) => tryParse(piece, true).length === 0 && tryParse(piece).length > 0);
    return isMalformed ? { nodes: [], text: '' } : readPieces(best.pieces);
  }
  return null;
}

/** What an answer means that is bare mathematics, or a text that holds it. Null where nothing is found. */
export function readAnswer(given: string): Reading | null {
  const text = given.replace(/\\(?:boxed|fbox)\s*(?:\{|(\d+(?:\.\d+)?))/g, (_, digits?: string) => (digits === undefined ? '\\boxed{' : `\\boxed{${digits}}`));
  if (/(?<!\\)\$|\\boxed|\\fbox|\\\(|\\\[/.test(text) || isProse(text)) return readSolution(text);
  const bare = readPieces([text]);
  // LaTeX that cannot be read is compared as text: a number inside it is not its value, nor is one of several in a row.
  return (bare && bare.nodes.length > 0) || text.includes('\\') || /^[\d\s.,]*$/.test(text) ? bare : (readSolution(text) ?? bare);
}

/** Whether a text is a sentence: a word with another word or a number behind it. Units behind a number are none. */
function isProse(text: string): boolean {
  if (text.length > MAX_LENGTH || text.includes('####')) return true;
  const bare = text.replace(/\\(?:text|textbf|mathrm|mbox|begin|end|overline)\s*\{[^{}]*\}|\\[a-zA-Z]+/g, '\\');
  return [...bare.matchAll(/(?<![A-Za-z])([A-Za-z]{3,})[:;,.!?*]{0,3}\s+(?=[A-Za-z\d(-])/g)].some(({ index, 1: word }) => !MATHEMATICAL.test(word!) && (index === 0 || !isUnit(word!)));
}

function readPieces(pieces: readonly string[]): Reading | null {
  const text = pieces.map(plainText).filter((piece) => piece !== '').join(',');
  if (text === '') return null;
  const trees = pieces.map((piece) => tryParse(piece));
  if (pieces.length === 1 || trees.some(({ length }) => length === 0)) return { nodes: trees[0]!, text };
  const items = trees.flatMap(([tree]) => (tree!.type === 'set' ? tree!.items : [tree!]));
  return { nodes: [{ type: 'set', items }], text };
}

/** The trees of a piece; where it is a chain of equations that cannot be read, those of its last side. */
function tryParse(piece: string, strict = false): Node[] {
  const parsed = parsedOrNone(piece, strict);
  if (parsed.length > 0 || /[,;]/.test(piece)) return parsed;
  const sides = piece.split(/(?<![\\<>!])=/);
  return sides.length > 2 ? parsedOrNone(sides.at(-1)!, strict) : [];
}

function parsedOrNone(piece: string, strict: boolean): Node[] {
  try {
    return parseMath(piece, strict);
  } catch (error) {
    if (error instanceof Unreadable || error instanceof BeyondLimits) return [];
    throw error;
  }
}

/** A blank stays between digits, and in `1, 234`, which is a list where `1,234` is a number. */
function plainText(piece: string): string {
  return piece.replace(/\\(?:left|right|displaystyle|!)|\$/g, '').replace(/\\[dt]frac\b/g, '\\frac').replace(/(?<!\.)\.$/, '').replace(/\s+/g, ' ').replace(/(?<!\d)(?<!\d,(?= \d{3}(?!\d))) | (?!\d)/g, '');
}
