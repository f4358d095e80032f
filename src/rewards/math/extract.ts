/**
 * Finds the answer in a text by the rules of math-verify: candidates come in ranks (after "final answer is", in a box,
 * after "answer:", after "answer", anywhere); in a rank the one that ends last comes first.
 */
import { boxedContent } from './boxed.ts';
import { Environments } from './environments.ts';
import type { Span } from './environments.ts';
import { allPlain, expressionAt, numberAt } from './plain-numbers.ts';
import type { Plain } from './plain-numbers.ts';

/** One place where the answer may stand. */
export interface Candidate {
  start: number;
  end: number;
  /** The mathematics found: several pieces are the elements of one list. */
  pieces: string[];
}

/** Where to look. */
export interface ExtractionRules {
  /** Plain numbers count too, not only LaTeX. */
  plain: boolean;
  /** What no box and no word "answer" leads to counts too. */
  anywhere: boolean;
  /** Boxes come before "final answer is", not beside it. */
  boxedFirst: boolean;
}

/** The candidates of a text by rank, the best rank first, the best candidate of a rank first. Ranks are looked for when asked for. */
export function* candidates(text: string, { plain, anywhere, boxedFirst }: ExtractionRules): Generator<Candidate[]> {
  const environments = new Environments(text);
  const looks = [latexAt(environments), ...(plain ? [plainAt(text)] : [])];
  const finals = looks.flatMap((look) => finalAnswers(text, look));
  const hoped = finals.filter((final) => final.hoped).map(({ candidate }) => candidate);
  const others = finals.filter((final) => !final.hoped).map(({ candidate }) => candidate);
  const boxed = boxes(text, environments);
  yield inOrder(boxedFirst ? [...hoped, ...boxed] : hoped);
  yield inOrder(boxedFirst ? others : [...others, ...boxed]);
  yield inOrder(looks.flatMap((look) => answers(text, /answer:/gi, look)));
  yield inOrder(looks.flatMap((look) => answers(text, /answer/gi, look)));
  if (!anywhere) return;
  const numbers = plain ? [...allPlain(text, expressionAt), ...allPlain(text, numberAt)] : [];
  yield inOrder([...environments.all().map(fromSpan), ...numbers.map(fromPlain)]);
}

function inOrder(rank: Candidate[]): Candidate[] {
  return rank.toSorted((a, b) => b.end - a.end || a.start - b.start);
}

/** How one kind of mathematics is looked for behind a word. */
interface Look {
  /** The mathematics that begins at a place. */
  at(place: number): Candidate | null;
  /** The characters it can begin with. */
  starts: RegExp;
  /** Whether the words before it may run over several lines. */
  multiline: boolean;
  /** Whether a number that goes on with `=` is a step on the way, and what stands behind `=` comes first. */
  equations: boolean;
}

function latexAt(environments: Environments): Look {
  return {
    at: (place) => {
      const span = environments.at(place);
      return span && fromSpan(span);
    },
    starts: /[$\\\-\s]/g,
    multiline: true,
    equations: false,
  };
}

function plainAt(text: string): Look {
  return {
    at: (place) => {
      const plain = [expressionAt(text, place), numberAt(text, place)].find((one) => one && !/^\s{0,20}=/.test(text.slice(one.end, one.end + 21)));
      return plain ? fromPlain(plain) : null;
    },
    starts: /[\s=]/g,
    multiline: false,
    equations: true,
  };
}

function fromSpan({ start, end, pieces }: Span): Candidate {
  return { start, end, pieces: pieces.map(({ text, isPercent }) => `${boxedContent(text, 'all')}${isPercent ? '%' : ''}`) };
}

function fromPlain({ start, end, text }: Plain): Candidate {
  return { start, end, pieces: [text] };
}

/** Environments with a box in them, and from the first box to the last closing brace, whatever stands around. */
function boxes(text: string, environments: Environments): Candidate[] {
  const found = environments.all(true).map(fromSpan);
  const start = text.indexOf('\\boxed{');
  const end = text.lastIndexOf('}') + 1;
  if (start >= 0 && end > start + '\\boxed{}'.length) found.push({ start, end, pieces: [boxedContent(text.slice(start, end), 'last')] });
  return found;
}

/** What comes within 50 characters behind a word. */
function answers(text: string, word: RegExp, look: Look): Candidate[] {
  const found: Candidate[] = [];
  for (const { index, 0: match } of text.matchAll(word)) {
    if (index < (found.at(-1)?.end ?? 0)) continue;
    const candidate = behindEquals(text, index + match.length, look) ?? within(text, index + match.length, 50, look);
    if (candidate) found.push({ ...candidate, start: index });
  }
  return found;
}

function within(text: string, from: number, reach: number, look: Look): Candidate | null {
  const near = text.slice(from, from + reach + 1);
  for (const { index } of near.matchAll(look.starts)) {
    const candidate = look.at(from + index);
    if (candidate) return candidate;
    if (!look.multiline && near[index] === '\n') return null;
  }
  return null;
}

/** What stands behind the last `=` within 100 characters, with a blank between. */
function behindEquals(text: string, from: number, look: Look): Candidate | null {
  if (!look.equations) return null;
  const line = text.slice(from, from + 101).split('\n')[0]!;
  for (let at = line.lastIndexOf('='); at >= 0; at = at === 0 ? -1 : line.lastIndexOf('=', at - 1)) {
    const candidate = /\s/.test(text[from + at + 1] ?? '') ? look.at(from + at + 1) : null;
    if (candidate) return candidate;
  }
  return null;
}

/** What follows "final answer … is"; `hoped` where "I hope" follows in turn, as in a widespread prompt. */
function finalAnswers(text: string, look: Look): { candidate: Candidate; hoped: boolean }[] {
  const found: { candidate: Candidate; hoped: boolean }[] = [];
  for (const { index, 0: words } of text.matchAll(/final answer/gi)) {
    if (index < (found.at(-1)?.candidate.end ?? 0)) continue;
    const from = index + words.length;
    const reach = look.multiline ? text.slice(from, from + 110) : text.slice(from, from + 110).split('\n')[0]!;
    for (const { index: at, 0: is } of reach.matchAll(/\sis:?/g)) {
      const candidate = behindIs(text, from + at + is.length, look);
      if (!candidate) continue;
      found.push({ candidate: { ...candidate, start: index }, hoped: /^\.?\s?I hope/.test(text.slice(candidate.end, candidate.end + 9)) });
      break;
    }
  }
  return found;
}

function behindIs(text: string, from: number, look: Look): Candidate | null {
  for (let place = from; place <= from + 20; place++) {
    const candidate = look.at(place);
    if (candidate) return candidate;
    // A plain number brings the one blank before it.
    if (look.equations || !/\s/.test(text[place] ?? '')) return null;
  }
  return null;
}
