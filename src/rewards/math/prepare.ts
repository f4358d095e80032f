/** Mends a list of tokens before it is parsed: thousands, percent words, separators in words, units. */
import type { Token } from './tokens.ts';
import { isUnit, UNIT_LETTERS } from './units.ts';

const RELATORS = new Set(['=', '<', '>', '<=', '>=', '!=', 'le', 'leq', 'ge', 'geq', 'ne', 'neq', 'lt', 'gt', 'in', 'approx']);

/** The tokens as the parser wants them. */
export function prepare(tokens: readonly Token[]): Token[] {
  const separated = withoutPunctuation(tokens.map(separator).map(percentSign).map(timesSign));
  return withoutUnits(joinedThousands(joinedGroups(separated)));
}

/** `and`, `or`, in text or as a command, part elements as a comma does. */
function separator(token: Token): Token {
  const isWord = token.kind === 'text' || token.kind === 'command';
  if (!isWord || !/^,?\s*(?:and|or|lor|land|vee|wedge)\s*,?$/.test(token.value)) return token;
  return { ...token, kind: 'symbol', value: ',', and: /and|wedge/.test(token.value) };
}

function percentSign(token: Token): Token {
  return token.kind === 'letters' && /^(?:percent|percentage|pct)$/i.test(token.value) ? { ...token, kind: 'symbol', value: '%' } : token;
}

/** `3 x 4` is a product: an x between two numbers, with blanks around it. */
function timesSign(token: Token, at: number, tokens: readonly Token[]): Token {
  const [last, next] = [tokens[at - 1], tokens[at + 1]];
  const isTimes = token.kind === 'letter' && token.value === 'x' && token.spaced && last?.kind === 'number' && next?.kind === 'number' && next.spaced;
  return isTimes ? { ...token, kind: 'symbol', value: '*' } : token;
}

/** Without commas side by side, a leading ≈, and stops and commas at the end. */
function withoutPunctuation(given: readonly Token[]): Token[] {
  const tokens = given[0]?.kind === 'command' && given[0].value === 'approx' ? given.slice(1) : given;
  const kept = tokens.filter((token, i) => !(isSymbol(token, ',') && isSymbol(tokens[i + 1], ',')));
  let end = kept.length;
  while (end > 0 && isSymbol(kept[end - 1], '.', ',', ';')) end--;
  return kept.slice(0, end);
}

/** `1 000 000` is one number: groups of three digits behind a blank. */
function joinedGroups(tokens: readonly Token[]): Token[] {
  const joined: Token[] = [];
  for (const token of tokens) {
    const last = joined.at(-1);
    const continues = last?.kind === 'number' && token.kind === 'number' && token.spaced && /^\d{3}(?:\.\d+)?$/.test(token.value);
    if (continues && /^[1-9]\d{0,2}(?:\d{3})*$/.test(last.value)) joined[joined.length - 1] = { ...last, value: last.value + token.value };
    else joined.push(token);
  }
  return joined;
}

/** `1,234,567` is one number where every comma outside brackets can be one of thousands. In brackets commas separate. */
function joinedThousands(tokens: readonly Token[]): Token[] {
  const joined: Token[] = [];
  for (let i = 0; i < tokens.length; i++) {
    const token = tokens[i]!;
    if (isSymbol(token, '(', '[', '\\{')) return [...tokens];
    if (!isSymbol(token, ',')) {
      joined.push(token);
      continue;
    }
    const [last, next] = [joined.at(-1), tokens[i + 1]];
    const fits = last?.kind === 'number' && /^[1-9]\d{0,2}(?:\d{3})*$/.test(last.value) && next?.kind === 'number' && /^\d{3}(?:\.\d+)?$/.test(next.value);
    if (!fits || token.spaced || next.spaced) return [...tokens];
    joined[joined.length - 1] = { ...last, value: last.value + next.value };
    i++;
  }
  return joined;
}

/** Each element of the list without the units behind it. */
function withoutUnits(tokens: readonly Token[]): Token[] {
  const kept: Token[] = [];
  let depth = 0;
  let start = 0;
  for (const token of tokens) {
    if (isSymbol(token, '(', '[', '{', '\\{')) depth++;
    if (isSymbol(token, ')', ']', '}', '\\}')) depth--;
    if (depth === 0 && isSymbol(token, ',', ';')) {
      dropUnits(kept, start);
      start = kept.length + 1;
    }
    kept.push(token);
  }
  dropUnits(kept, start);
  return kept;
}

/** Takes units off the end of `tokens`, as long as something with a value is left behind `start`. */
function dropUnits(tokens: Token[], start: number): void {
  let end = tokens.length;
  for (;;) {
    const unit = unitBefore(tokens, start, end);
    if (unit === null) break;
    end = unit;
    if (isSymbol(tokens[end - 1], '/')) end--;
  }
  const last = tokens[end - 1];
  if (end > start && end < tokens.length && last && !isOperator(last)) tokens.length = end;
}

/** Where the unit begins that ends before `end`, with a power of its own; null where there is none. */
function unitBefore(tokens: readonly Token[], start: number, end: number): number | null {
  const fraction = unitFractionBefore(tokens, end);
  if (fraction > start) return fraction;
  let at = end - 1;
  if (isSymbol(tokens[at], '}') && isWord(tokens[at - 1]) && isSymbol(tokens[at - 2], '{') && isSymbol(tokens[at - 3], '^')) return at - 3;
  if (isSymbol(tokens[at], '}') && isSymbol(tokens[at - 2], '{') && isSymbol(tokens[at - 3], '^')) at -= 4;
  else if (tokens[at]?.kind === 'number' && isSymbol(tokens[at - 1], '^')) at -= 2;
  const token = tokens[at];
  if (!token || at <= start) return null;
  if (token.kind === 'text') return at;
  // `cup`, `min` and `sec` are commands too, but those stand before something.
  if (token.kind === 'command' && isUnit(token.value) && !RELATORS.has(token.value)) return at;
  if (token.kind === 'letter' && isSymbol(tokens[at - 1], '/')) return UNIT_LETTERS.has(token.value) && unitBefore(tokens, start, at - 1) !== null ? at : null;
  if (token.kind !== 'letters') return null;
  if (isUnit(token.value)) return at;
  // Any other word counts what it stands behind, if that is a number: `48 clips`.
  return token.spaced && token.value.length > 2 && tokens.slice(start, at).every(({ kind, value }) => kind !== 'letter' && (kind !== 'letters' || value.length > 2)) ? at : null;
}

/** Where `\frac{\text{km}}{\text{h}}` begins that ends before `end`; −1 where there is none. */
function unitFractionBefore(tokens: readonly Token[], end: number): number {
  const bottom = unitInBraces(tokens, end);
  const top = unitInBraces(tokens, bottom);
  const frac = tokens[top - 1];
  return frac?.kind === 'command' && frac.value.endsWith('frac') ? top - 1 : -1;
}

/** Where the braces begin that hold a unit in text, as in `{\text{s}^2}`, and end before `end`; −1 where there are none. */
function unitInBraces(tokens: readonly Token[], end: number): number {
  const text = tokens[end - 2]?.kind === 'number' && isSymbol(tokens[end - 3], '^') ? end - 4 : end - 2;
  return isSymbol(tokens[end - 1], '}') && tokens[text]?.kind === 'text' && isSymbol(tokens[text - 1], '{') ? text - 1 : -1;
}

/** The tokens without last letters that may be the unit of a plain number, as in `5 m`, `5 m/s^2` or `5^\circ C`; null where there are none. */
export function withoutUnitLetter(tokens: readonly Token[]): Token[] | null {
  const letter = unitLetterBefore(tokens, tokens.length);
  if (letter === null) return null;
  const isOver = isSymbol(tokens[letter - 1], '/') && tokens[letter - 2]?.kind !== 'number';
  const start = isOver ? unitLetterBefore(tokens, letter - 1) : letter;
  if (start === null) return null;
  const rest = tokens.slice(0, start);
  if (rest.at(-1)?.kind !== 'number' && rest.at(-1)?.value !== 'circ') return null;
  return rest.some(({ kind }) => kind === 'letter' || kind === 'letters' || kind === 'text') ? null : rest;
}

/** Where the letter of a unit stands that ends before `end`, with a power or without; null where there is none. */
function unitLetterBefore(tokens: readonly Token[], end: number): number | null {
  const at = isSymbol(tokens[end - 2], '^') ? end - 3 : end - 1;
  const token = tokens[at];
  return token?.kind === 'letter' && UNIT_LETTERS.has(token.value) ? at : null;
}

function isWord(token: Token | undefined): boolean {
  return token?.kind === 'text' || (token?.kind === 'letters' && isUnit(token.value));
}

function isOperator(token: Token): boolean {
  return RELATORS.has(token.value) || isSymbol(token, '+', '-', '*', '/', '^', '_', ',', ';') || ['cdot', 'times', 'pm', 'cup', 'cap'].includes(token.value);
}

function isSymbol(token: Token | undefined, ...symbols: string[]): boolean {
  return token?.kind === 'symbol' && symbols.includes(token.value);
}
