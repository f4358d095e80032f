/** Ways to find and judge an answer, several side by side: `closedAnswer`, `lastNumber:number`, a function. */
import { expected } from '../errors.ts';
import { answerCheck } from '../rewards/answer-check.ts';
import type { AnswerCheck } from '../rewards/answer-check.ts';
import { extractAnswer, extractions } from '../rewards/answer-extraction.ts';
import type { Extraction } from '../rewards/answer-extraction.ts';
import { numbersIn, singleNumber } from '../rewards/numbers.ts';

/** The option `extract`: texts `EXTRACTION[:CHECK]`, or by name such a text or a function that sees the whole completion. */
export type AnswerModes = readonly string[] | Readonly<Record<string, string | AnswerCheck>>;

/** One way to find and judge an answer. */
export interface AnswerMode {
  name: string;
  /** The answer in a completion; null where there is none. Absent for a function, which keeps what it finds to itself. */
  find?: (text: string) => string | null;
  /** Whether a completion is right; null when the right answer cannot be read. */
  isRight: AnswerCheck;
  /** An answer as votes are counted: answers that are equal to this mode are one text. */
  vote: (answer: string) => string;
  /** As settings are compared: the text, or the source of the function. */
  written: string;
}

/** How an extracted answer is compared with the right one: name → what it asks for, for the docs. */
export const checks = {
  exact: 'the same text',
  number: 'the one number in each, commas between groups of three digits left out',
  singleNumber: 'exactly one match of `-?\\d*\\.?\\d+` in each, and equal (`1,350` holds two): the rule of recipe 3',
} as const;

type Check = keyof typeof checks;

/** The name under which several modes count together: right when any of them says so. */
export const anyMode = 'any';

/**
 * Reads the option `extract`.
 *
 * @throws InputError for an extraction or a check that is not known, equal names, or no mode
 */
export function answerModes(extract: AnswerModes): AnswerMode[] {
  const entries = Array.isArray(extract) ? (extract as readonly string[]).map((text) => [text, text] as const) : Object.entries(extract as Readonly<Record<string, string | AnswerCheck>>);
  if (entries.length === 0) throw expected('extract', 'to name at least one way to find the answer', extract, `name one of ${Object.keys(extractions).join(', ')}`);
  const names = entries.map(([name]) => name);
  const wrong = names.find((name, i) => name === anyMode || names.indexOf(name) !== i);
  if (wrong !== undefined) throw expected('extract', `to have names of their own, \`${anyMode}\` not among them`, wrong, 'rename or remove it');
  return entries.map(([name, mode]) => (typeof mode === 'string' ? namedMode(name, mode) : functionMode(name, mode)));
}

function namedMode(name: string, text: string): AnswerMode {
  const [extraction, check = 'exact', ...more] = text.split(':');
  if (!Object.hasOwn(extractions, extraction!) || !Object.hasOwn(checks, check) || more.length > 0) {
    const wanted = `to be written EXTRACTION or EXTRACTION:CHECK, with an extraction of ${Object.keys(extractions).join(', ')} and a check of ${Object.keys(checks).join(', ')}`;
    throw expected('extract', wanted, text, 'correct it');
  }
  const extract = extraction as Extraction;
  return { name, find: (completion) => extractAnswer(completion, extract), isRight: checkOf(check as Check, extract), vote: votes[check as Check], written: text };
}

/** A text without exactly one number is equal to none but its own. */
const votes: Readonly<Record<Check, (answer: string) => string>> = {
  exact: (answer) => answer,
  number: (answer) => {
    const found = numbersIn(answer);
    return found.length === 1 ? String(found[0]) : answer;
  },
  singleNumber: (answer) => String(singleNumber(answer) ?? answer),
};

function checkOf(check: Check, extract: Extraction): AnswerCheck {
  if (check !== 'singleNumber') return answerCheck(check, extract);
  return (text, gold) => {
    const wanted = singleNumber(gold);
    return wanted === null ? null : singleNumber(extractAnswer(text, extract) ?? '') === wanted;
  };
}

function functionMode(name: string, check: unknown): AnswerMode {
  if (typeof check !== 'function') throw expected(`extract.${name}`, 'to be text or a function (text, gold) => true, false or null', check, 'correct it');
  return { name, isRight: answerCheck(check as AnswerCheck, 'whole'), vote: votes.exact, written: String(check) };
}

/** What the modes say about one completion. */
export interface Judgement {
  /** Mode → the answer found; modes that are functions are left out. */
  answers: Record<string, string | null>;
  /** Mode → right or wrong; null where the right answer is not there or cannot be read. With several modes also `any`. */
  verdicts: Record<string, boolean | null>;
}

/** Judges one completion by every mode. Nothing is judged where `gold` is null. */
export function judge(text: string, gold: string | null, modes: readonly AnswerMode[]): Judgement {
  const answers = Object.fromEntries(modes.flatMap(({ name, find }) => (find ? [[name, find(text)]] : [])));
  const verdicts = modes.map(({ name, isRight }) => [name, gold === null ? null : isRight(text, gold)] as const);
  return { answers, verdicts: { ...Object.fromEntries(verdicts), ...(modes.length > 1 ? { [anyMode]: anyOf(verdicts.map(([, verdict]) => verdict)) } : {}) } };
}

function anyOf(verdicts: readonly (boolean | null)[]): boolean | null {
  if (verdicts.includes(true)) return true;
  return verdicts.includes(false) ? false : null;
}
