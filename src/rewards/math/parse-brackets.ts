/** Brackets and what they hold: groups, intervals, tuples, sets, matrices. */
import type { Cursor } from './cursor.ts';
import { Unreadable } from './limits.ts';
import { bothSigns, mustAllHold, readElements } from './parse.ts';
import { readSum } from './parse-expression.ts';
import { integer } from './syntax.ts';
import type { Node } from './syntax.ts';

/** What is inside brackets whose opening one was passed. */
export function readBrackets(cursor: Cursor, opening: string): Node {
  if (opening === '\\{' || opening === 'lbrace') return readSet(cursor, opening);
  const bars = cursor.bars;
  cursor.bars = 0;
  const items = readElements(cursor);
  if (items.length === 1 && cursor.seesCommand('over', 'choose')) items[0] = readOver(cursor, items[0]!);
  const closing = readClosing(cursor, opening);
  cursor.bars = bars;
  if (items.length === 1 && opening !== 'langle') return items[0]!;
  if (opening === '{') return { type: 'set', items: items.flatMap(bothSigns) };
  if (items.length === 2 && opening !== 'langle') {
    return { type: 'interval', low: items[0]!, high: items[1]!, lowOpen: opening === '(', highOpen: closing === ')' };
  }
  if (items.length === 0) throw new Unreadable('empty brackets');
  return { type: 'tuple', items };
}

/** The elements of a set, or the condition in `\{x : x > 2\}` and `\{x \in \mathbb{R} \mid x > 2\}`; of no other form. */
function readSet(cursor: Cursor, opening: string): Node {
  const bars = cursor.bars;
  cursor.bars = 0;
  const hasCondition = skipElement(cursor);
  const start = cursor.at;
  const items = readElements(cursor);
  const inside = cursor.tokens.slice(start, cursor.at);
  const separates = inside.some(({ value }) => [':', 'mid', 'colon'].includes(value));
  const hasRelation = items.some(({ type }) => type === 'relation');
  if (hasCondition !== hasRelation && (hasCondition || separates)) throw new Unreadable('a set by a condition of another form');
  readClosing(cursor, opening);
  cursor.bars = bars;
  return { type: 'set', items: items.flatMap(bothSigns), all: mustAllHold(inside, items, hasCondition) };
}

/** Passes the symbol, its domain and the sign before a condition; false where another thing stands there. */
function skipElement(cursor: Cursor): boolean {
  const [symbol, second, third, fourth] = [0, 1, 2, 3].map((ahead) => cursor.peek(ahead)?.value ?? '');
  const isSign = (value: string | undefined): boolean => [':', '|', 'mid', 'colon', 'vert'].includes(value ?? '');
  const isReal = second === 'in' && third === 'mathbb:R' && isSign(fourth);
  if (!/^[A-Za-z]$/.test(symbol ?? '') || !(isSign(second) || isReal)) return false;
  cursor.at += isReal ? 4 : 2;
  return true;
}

function readClosing(cursor: Cursor, opening: string): string {
  if (opening === '{') return cursor.expect('}');
  if (opening === '\\{') return cursor.expect('\\}');
  if (opening === '(' || opening === '[') return cursor.expect(')', ']');
  const wanted = { langle: 'rangle', lbrace: 'rbrace', lbrack: 'rbrack' }[opening];
  if (wanted === undefined || !cursor.seesCommand(wanted)) throw new Unreadable('a bracket does not close');
  return cursor.take().value === 'rbrack' ? ']' : '';
}

/** `{a \over b}` from its `\over` on, `{n \choose k}` from its `\choose` on. */
function readOver(cursor: Cursor, top: Node): Node {
  const { value } = cursor.take();
  const bottom = readSum(cursor);
  return value === 'over' ? { type: 'quotient', top, bottom } : { type: 'call', name: 'binom', args: [top, bottom] };
}

/** A matrix whose `\begin{…}` was passed, to the end of its `\end{…}`. */
export function readMatrix(cursor: Cursor, environment: string): Node {
  if (!/^(?:[pbBv]?matrix|smallmatrix|array)$/.test(environment)) throw new Unreadable(`unknown environment ${environment}`);
  if (environment === 'array' && cursor.skip('{')) {
    while (!cursor.skip('}')) cursor.take();
  }
  const rows: Node[][] = [];
  while (!cursor.seesCommand(`end:${environment}`)) {
    const row = [readSum(cursor)];
    while (cursor.skip('&')) row.push(readSum(cursor));
    rows.push(row);
    if (!cursor.skip('\\\\')) break;
  }
  if (!cursor.seesCommand(`end:${environment}`)) throw new Unreadable('a matrix does not end');
  cursor.take();
  const width = rows[0]?.length ?? 0;
  if (width === 0 || rows.some((row) => row.length !== width)) throw new Unreadable('rows of different lengths');
  return environment === 'vmatrix' ? determinant(rows) : { type: 'matrix', rows };
}

/** Expanded by the first row: few rows, as the terms multiply. */
function determinant(rows: Node[][]): Node {
  if (rows.length > 4 || rows.length !== rows[0]!.length) throw new Unreadable('a determinant of this size');
  if (rows.length === 1) return rows[0]![0]!;
  const terms = rows[0]!.map((cell, at): Node => {
    const minor = rows.slice(1).map((row) => row.filter((_, i) => i !== at));
    return { type: 'product', factors: [integer(at % 2 === 0 ? 1n : -1n), cell, determinant(minor)] };
  });
  return { type: 'sum', terms };
}
