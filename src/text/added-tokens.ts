/** A token of `added_tokens`: found in the text as it is written, before the model sees the rest. */
export interface AddedToken {
  id: number;
  content: string;
  special: boolean;
  /** Looked for after normalising, in the spelling that the normalizer gives it. */
  normalized: boolean;
  /** Not found inside a word. */
  singleWord: boolean;
  /** Swallows the white space before it. */
  lstrip: boolean;
  /** Swallows the white space behind it. */
  rstrip: boolean;
}

/** A stretch of text, or an added token that stood there. */
export type Section = string | AddedToken;

/** Reads the `added_tokens` of a `tokenizer.json`. */
export function addedTokens(list: readonly Record<string, unknown>[]): AddedToken[] {
  return list.map((token) => ({
    id: token['id'] as number,
    content: token['content'] as string,
    special: token['special'] === true,
    normalized: (token['normalized'] ?? token['special'] !== true) === true,
    singleWord: token['single_word'] === true,
    lstrip: token['lstrip'] === true,
    rstrip: token['rstrip'] === true,
  }));
}

/** A node of the tree of spellings, one UTF-16 unit an edge. */
interface Node {
  next: Map<string, Node>;
  token?: AddedToken;
}

const WHITE = /\p{White_Space}/u;
/** What Python's tokenizers counts as part of a word. */
const WORD = /[\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\u200C\u200D]/u;

/**
 * A function that cuts texts at these tokens: the leftmost one first, of several there the longest.
 *
 * @param spelling how a token stands in the texts
 */
export function cutter(tokens: readonly AddedToken[], spelling: (token: AddedToken) => string): (text: string) => Section[] {
  const root: Node = { next: new Map() };
  for (const token of tokens) {
    let node = root;
    for (const unit of spelling(token).split('')) {
      let next = node.next.get(unit);
      if (!next) node.next.set(unit, (next = { next: new Map() }));
      node = next;
    }
    if (node !== root) node.token ??= token;
  }
  return (text) => cut(root, text);
}

function cut(root: Node, text: string): Section[] {
  const sections: Section[] = [];
  let done = 0;
  let at = 0;
  while (at < text.length) {
    const found = longest(root, text, at);
    if (!found) {
      at++;
      continue;
    }
    let from = at;
    let to = at + found.length;
    at = to;
    if (found.token.singleWord && (WORD.test(charBefore(text, from)) || WORD.test(charAt(text, to)))) continue;
    if (found.token.lstrip) while (from > done && WHITE.test(text[from - 1] as string)) from--;
    if (found.token.rstrip) while (to < text.length && WHITE.test(text[to] as string)) to++;
    if (from > done) sections.push(text.slice(done, from));
    sections.push(found.token);
    done = to;
  }
  if (done < text.length) sections.push(text.slice(done));
  return sections;
}

function longest(root: Node, text: string, at: number): { token: AddedToken; length: number } | undefined {
  let found: { token: AddedToken; length: number } | undefined;
  let node: Node | undefined = root;
  for (let end = at; end < text.length; end++) {
    node = node.next.get(text[end] as string);
    if (!node) break;
    if (node.token) found = { token: node.token, length: end + 1 - at };
  }
  return found;
}

function charAt(text: string, at: number): string {
  return at < text.length ? String.fromCodePoint(text.codePointAt(at) as number) : '';
}

function charBefore(text: string, at: number): string {
  return /[^]$/u.exec(text.slice(Math.max(0, at - 2), at))?.[0] ?? '';
}
