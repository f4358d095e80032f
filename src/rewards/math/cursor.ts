import { BeyondLimits, MAX_DEPTH, Unreadable } from './limits.ts';
import type { Token } from './tokens.ts';

/** Where the parser stands in a list of tokens. */
export class Cursor {
  readonly tokens: Token[];
  /** Whether macros must have their braces: `\frac{1}{2}`, not `\frac12`. */
  readonly strict: boolean;
  at = 0;
  /** Absolute values that are open: inside one, a bar closes. */
  bars = 0;
  #depth = 0;

  constructor(tokens: readonly Token[], strict: boolean) {
    this.strict = strict;
    this.tokens = [...tokens];
  }

  /** The token `ahead` places on; null at the end. */
  peek(ahead = 0): Token | null {
    return this.tokens[this.at + ahead] ?? null;
  }

  /** Whether the next token is one of these symbols. */
  sees(...symbols: string[]): boolean {
    const token = this.peek();
    return token?.kind === 'symbol' && symbols.includes(token.value);
  }

  /** Whether the next token is one of these commands. */
  seesCommand(...names: string[]): boolean {
    const token = this.peek();
    return token?.kind === 'command' && names.includes(token.value);
  }

  /** The next token, passed. */
  take(): Token {
    const token = this.peek();
    if (!token) throw new Unreadable('ends too early');
    this.at++;
    return token;
  }

  /** Puts what is left of the token just taken before the next one. */
  back(rest: Token): void {
    this.tokens[--this.at] = rest;
  }

  /** Passes one of these symbols if it is next. */
  skip(...symbols: string[]): boolean {
    const seen = this.sees(...symbols);
    if (seen) this.at++;
    return seen;
  }

  /** Passes one of these symbols. */
  expect(...symbols: string[]): string {
    if (!this.sees(...symbols)) throw new Unreadable(`expected ${symbols.join(' or ')}`);
    return this.take().value;
  }

  /** Runs `read` one level deeper. */
  nested<T>(read: () => T): T {
    if (++this.#depth > MAX_DEPTH) throw new BeyondLimits('nested too deep');
    const result = read();
    this.#depth--;
    return result;
  }
}
