/** Finds plain numbers and expressions of numbers in a text: `72`, `$1,000`, `48/2`, `25%`. */

/** A number or an expression in a text, as the parser wants it. */
export interface Plain {
  start: number;
  /** Behind the last character. */
  end: number;
  text: string;
}

const NUMBER = /(?:(?<grouped>-?[1-9]\d{0,2}(?:[ ,]\d{3}){1,100}(?:\.\d+)?)|(?<parted>-?\d+[.,]\d+)|(?<other>\.\d+|-?\d+))(?<percent>\s{0,20}(?:%|[Pp]ercentage|[Pp]ercent|[Pp]ct))?/y;
const RUN = /-?\(?-?\d[\d.\s+\-*×/^()÷]{0,300}/y;
const SUFFIX = /(?:\*\*)?(?:[.,:)$\s]|$)/y;
const CURRENCY = /[$€£¥₹₽₪₩₫฿]/u;

/** The number that begins here, behind a blank, an equals sign or the start of the text; null where none does. */
export function numberAt(text: string, start: number): Plain | null {
  const from = behindPrefix(text, start);
  if (from === null) return null;
  NUMBER.lastIndex = CURRENCY.test(text[from] ?? '') ? from + 1 : from;
  const match = NUMBER.exec(text);
  if (!match) return null;
  const { grouped, parted, other, percent } = match.groups!;
  const digits = grouped?.replace(/[ ,]/g, '') ?? parted?.replace(',', '.') ?? other!;
  return { start, end: NUMBER.lastIndex, text: percent ? `${digits}%` : digits };
}

/** The expression of numbers and at least one operator that begins here; null where none does. */
export function expressionAt(text: string, start: number): Plain | null {
  const from = behindPrefix(text, start);
  if (from === null) return null;
  RUN.lastIndex = from;
  const run = RUN.exec(text)?.[0];
  if (run === undefined) return null;
  const firstDigit = run.search(/\d/);
  const operator = run.slice(firstDigit + 1).search(/[+\-*×/^()÷]/);
  if (operator < 0) return null;
  for (let length = run.length; length >= firstDigit + operator + 3; length--) {
    SUFFIX.lastIndex = from + length;
    if (SUFFIX.test(text)) return { start, end: SUFFIX.lastIndex, text: run.slice(0, length).trim() };
  }
  return null;
}

/** Everything that one of these finds, from left to right. */
export function allPlain(text: string, find: typeof numberAt): Plain[] {
  const found: Plain[] = [];
  for (const { index } of text.matchAll(/^|[\s=]/g)) {
    const plain = index < (found.at(-1)?.end ?? 0) ? null : find(text, index);
    if (plain) found.push(plain);
  }
  return found;
}

function behindPrefix(text: string, start: number): number | null {
  const isPrefix = /[\s=]/.test(text[start] ?? '');
  if (!isPrefix && start > 0) return null;
  const from = isPrefix ? start + 1 : start;
  return text.startsWith('**', from) ? from + 2 : from;
}
