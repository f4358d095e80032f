/** Reads mathematics as a whole: lists, relations and set operations around the expressions. */
import { Cursor } from './cursor.ts';
import { BeyondLimits, MAX_NODES, Unreadable } from './limits.ts';
import { readSum } from './parse-expression.ts';
import { prepare, withoutUnitLetter } from './prepare.ts';
import { children, mapChildren, negative, sizeOf } from './syntax.ts';
import type { Node, Relator } from './syntax.ts';
import { tokenize } from './tokens.ts';
import type { Token } from './tokens.ts';

const RELATORS: Readonly<Record<string, Relator>> = {
  '=': '=', '==': '=', '<': '<', '>': '>', '<=': '<=', '>=': '>=', '!=': '!=', le: '<=', leq: '<=', leqslant: '<=', ge: '>=', geq: '>=', geqslant: '>=', lt: '<', gt: '>', ne: '!=', neq: '!=', in: '=', equiv: '=',
};

const SET_OPERATORS = { cup: 'union', cap: 'intersection', setminus: 'difference', backslash: 'difference' } as const;

/**
 * What a piece of mathematics can mean: one tree, or two where its last letter may be a unit (`5 m`).
 *
 * @param strict whether fractions, roots and powers must have their braces
 * @throws Unreadable for what is not understood, BeyondLimits for what is too long or too deep
 */
export function parseMath(text: string, strict = false): Node[] {
  const tokens = prepare(tokenize(text));
  const alternative = withoutUnitLetter(tokens);
  return (alternative ? [tokens, alternative] : [tokens]).map((meant) => parseTokens(meant, strict));
}

function parseTokens(tokens: readonly Token[], strict: boolean): Node {
  const cursor = new Cursor(tokens, strict);
  const items = readElements(cursor).flatMap(bothSigns);
  if (cursor.peek()) throw new Unreadable(`did not expect ${cursor.peek()!.value}`);
  if (items.length === 0) throw new Unreadable('empty');
  return items.length === 1 ? items[0]! : { type: 'set', items, all: mustAllHold(tokens, items, false) };
}

/**
 * Whether all of several conditions must hold, by the words between them; where only commas stand there, as given.
 *
 * @throws Unreadable where "and" and "or" both stand there
 */
export function mustAllHold(tokens: readonly Token[], items: readonly Node[], otherwise: boolean): boolean {
  const [hasAnd, hasOr] = [true, false].map((word) => tokens.some(({ and }) => and === word));
  if (hasAnd && hasOr && items.some(({ type }) => type === 'relation')) throw new Unreadable('"and" beside "or"');
  return hasAnd || hasOr ? hasAnd! : otherwise;
}

/** Elements between commas or semicolons, with their ±. Where both separators stand, semicolons separate tuples. */
export function readElements(cursor: Cursor): Node[] {
  const groups: Node[][] = [[]];
  if (endsList(cursor)) return [];
  for (;;) {
    groups.at(-1)!.push(readRelation(cursor));
    if (cursor.skip(';')) groups.push([]);
    else if (!cursor.skip(',')) break;
    if (endsList(cursor)) break;
  }
  const filled = groups.filter((group) => group.length > 0);
  if (filled.length > 1 && filled.some((group) => group.length > 1)) return filled.map((items) => ({ type: 'tuple', items }));
  return filled.flat();
}

function endsList(cursor: Cursor): boolean {
  return !cursor.peek() || cursor.sees('}', '\\}', ')', ']');
}

function readRelation(cursor: Cursor): Node {
  return cursor.nested(() => {
    const sides = [readSetExpression(cursor)];
    const relators: Relator[] = [];
    for (;;) {
      const token = cursor.peek();
      if (!token || (token.kind !== 'command' && token.kind !== 'symbol')) break;
      if (token.value === 'approx') {
        cursor.take();
        const right = readSetExpression(cursor);
        // An approximation says the value of a symbol, and repeats anything else.
        if (sides.length === 1 && isOfSymbols(sides[0]!)) sides[0] = right;
        continue;
      }
      if (!Object.hasOwn(RELATORS, token.value)) break;
      cursor.take();
      relators.push(RELATORS[token.value]!);
      sides.push(readSetExpression(cursor));
    }
    return relators.length === 0 ? sides[0]! : { type: 'relation', sides, relators };
  });
}

/** Whether a tree consists of symbols alone: `x`, `f(x)`, `ABC`, where e and i are letters too. */
export function isOfSymbols(node: Node): boolean {
  if (node.type === 'symbol' || (node.type === 'constant' && (node.name === 'e' || node.name === 'i'))) return true;
  const parts = children(node);
  return parts.length > 0 && parts.every(isOfSymbols);
}

/** Unions, intersections and differences, from left to right. */
function readSetExpression(cursor: Cursor): Node {
  let left = readSum(cursor);
  for (;;) {
    const token = cursor.peek();
    if (token?.kind !== 'command' || !Object.hasOwn(SET_OPERATORS, token.value)) return left;
    cursor.take();
    const right = readSum(cursor);
    left = { type: 'setOperation', operator: SET_OPERATORS[token.value as keyof typeof SET_OPERATORS], left, right };
  }
}

/** A tree with ± in it, as the one with + and the one with −: all its signs change together. */
export function bothSigns(node: Node): Node[] {
  if (!hasPlusMinus(node)) return [node];
  // Sets within sets would double at each level.
  if (2 * sizeOf(node) > MAX_NODES) throw new BeyondLimits('too many signs');
  return [withSign(node, 1), withSign(node, -1)];
}

function hasPlusMinus(node: Node): boolean {
  return node.type === 'plusMinus' || children(node).some(hasPlusMinus);
}

function withSign(node: Node, sign: 1 | -1): Node {
  const inner = mapChildren(node, (child) => withSign(child, sign));
  if (inner.type !== 'plusMinus') return inner;
  return (inner.flipped ? -sign : sign) > 0 ? inner.expr : negative(inner.expr);
}
