/** White space as Python knows it: the sources of the recipes and TRL are Python, and a reward must not depend on the language. */

const spaces = new Set('\t\n\v\f\r\x1c\x1d\x1e\x1f \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000');

/**
 * Whether a character is white space to Python's `str.strip` and `\s`: as in JavaScript, but for U+FEFF (the byte order mark),
 * which is none, and U+001C to U+001F and U+0085, which are.
 */
export function isSpace(character: string | undefined): boolean {
  return character !== undefined && spaces.has(character);
}

/** The first position at or after `from` without white space. */
export function skipSpace(text: string, from: number): number {
  let at = from;
  while (isSpace(text[at])) at++;
  return at;
}

/** The text without outer white space, as Python's `str.strip`. */
export function strip(text: string): string {
  const start = skipSpace(text, 0);
  let end = text.length;
  while (end > start && isSpace(text[end - 1])) end--;
  return text.slice(start, end);
}
