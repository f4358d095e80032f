/** Mends a list of tokens before it is parsed: thousands, percent words, separators in words, units. */
import type { Token } from './tokens.ts';
import { isUnit, UNIT_LETTERS } from './units.ts';

const RELATORS = new Set(['=', '<', '>', '<=', '>=', '!=', 'le', 'leq', 'ge', 'geq', 'ne', 'neq', 'lt', 'gt', 'in', 'approx']);

/** The tokens as the parser wants them. */
export function prepare(tokens: readonly Token[]): Token[] {
  const separated = withoutPunctuation(tokens.map(separator).map(percentSign));
  return withoutUnits(joinedThousands(joinedGroups(separated)));
}

/** `and`, `or`, in text or as a command, part elements as a comma does. */
function separator(token: Token): Token {
  const isWord = token.kind === 'text' || token.kind === 'command';
  return isWord && /^,?\s*(?:and|or|lor|land|vee)\s*,?$/.test(token.value) ? { ...token, kind: 'symbol', value: ',' } : token;
}

function percentSign(token: Token): Token {
  return token.kind === 'letters' && /^(?:percent|percentage|pct)$/i.test(token.value) ? { ...token, kind: 'symbol', value: '%' } : token;
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
  if (token.kind === 'letter' && isSymbol(tokens[at - 1], '/')) return UNIT_LETTERS.has(token.value) && unitBefore(tokens, start, at - 1) !== null ? at : null;
  if (token.kind !== 'letters') return null;
  if (isUnit(token.value)) return at;
  // Any other word counts what it stands behind, if that is a number: `48 clips`.
  return token.spaced && token.value.length > 2 && tokens.slice(start, at).every(({ kind, value }) => kind !== 'letter' && (kind !== 'letters' || value.length > 2)) ? at : null;
}

/** Where `\frac{\text{km}}{\text{h}}` begins that ends before `end`; −1 where there is none. */
function unitFractionBefore(tokens: readonly Token[], end: number): number {
  const [frac, ...rest] = tokens.slice(Math.max(0, end - 7), end);
  const isFraction = rest.length === 6 && frac?.kind === 'command' && frac.value.endsWith('frac');
  return isFraction && rest[1]!.kind === 'text' && rest[4]!.kind === 'text' ? end - 7 : -1;
}

/** The tokens without a last letter that may be the unit of a plain number, as in `5 m`; null where there is none. */
export function withoutUnitLetter(tokens: readonly Token[]): Token[] | null {
  const end = isSymbol(tokens.at(-2), '^') ? tokens.length - 2 : tokens.length;
  const unit = tokens[end - 1];
  const rest = tokens.slice(0, Math.max(0, end - 1));
  if (unit?.kind !== 'letter' || !UNIT_LETTERS.has(unit.value) || rest.at(-1)?.kind !== 'number') return null;
  return rest.some(({ kind }) => kind === 'letter' || kind === 'letters' || kind === 'text') ? null : rest;
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
