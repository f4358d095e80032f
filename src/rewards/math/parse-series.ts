import type { Cursor } from './cursor.ts';
import { BeyondLimits, MAX_NODES, Unreadable } from './limits.ts';
import { readAtom, readGroupOrToken } from './parse-atom.ts';
import { readProduct, readSum } from './parse-expression.ts';
import { integer, mapChildren, sizeOf } from './syntax.ts';
import type { Node } from './syntax.ts';

/** `\sum_{k=1}^{3} k` or `\prod…` between whole numbers, written out; its command was passed. */
export function readSeries(cursor: Cursor, name: string): Node {
  cursor.expect('_');
  cursor.expect('{');
  const index = readAtom(cursor);
  cursor.expect('=');
  const from = wholeOf(readSum(cursor));
  cursor.expect('}');
  cursor.expect('^');
  const to = wholeOf(readGroupOrToken(cursor));
  const body = readProduct(cursor);
  if (index.type !== 'symbol' && index.type !== 'constant') throw new Unreadable('an index that is no letter');
  if ((to - from + 1n) * BigInt(sizeOf(body)) > MAX_NODES) throw new BeyondLimits('a series too long');
  const terms: Node[] = [];
  for (let at = from; at <= to; at++) terms.push(replaced(body, index.name, integer(at)));
  if (terms.length === 0) return integer(name === 'sum' ? 0n : 1n);
  return name === 'sum' ? { type: 'sum', terms } : { type: 'product', factors: terms };
}

function wholeOf(node: Node): bigint {
  if (node.type === 'number' && node.value.den === 1n) return node.value.num;
  throw new Unreadable('a bound that is no whole number');
}

function replaced(node: Node, name: string, value: Node): Node {
  if ((node.type === 'symbol' || node.type === 'constant') && node.name === name) return value;
  return mapChildren(node, (child) => replaced(child, name, value));
}
