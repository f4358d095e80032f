/** Sets of real numbers as intervals in order, so that equal sets look equal. */
import { canonical } from './canonical.ts';
import { BeyondLimits } from './limits.ts';
import type { Budget } from './limits.ts';
import { evaluate } from './numeric.ts';
import { constantOf } from './polynomial.ts';
import { divide } from './rational.ts';
import type { Rational } from './rational.ts';
import { difference, integer, mapChildren, negative, symbolsOf } from './syntax.ts';
import type { Node, Relation, Relator } from './syntax.ts';

type Interval = Extract<Node, { type: 'interval' }>;

const INFINITY: Node = { type: 'constant', name: 'infinity' };

/**
 * The intervals of a set, from left to right, none touching the next; a single number is a closed interval.
 *
 * @throws BeyondLimits for a set that is not one of real numbers with known ends
 */
export function intervalsOf(node: Node): Interval[] {
  if (node.type === 'interval') return joined([node]);
  if (node.type === 'set' || node.type === 'tuple') return joined(node.items.map((item) => ({ type: 'interval', low: item, high: item, lowOpen: false, highOpen: false })));
  if (node.type !== 'setOperation') throw new BeyondLimits(`a ${node.type} is no set of real numbers`);
  const [left, right] = [intervalsOf(node.left), intervalsOf(node.right)];
  if (node.operator === 'union') return joined([...left, ...right]);
  return intersection(left, node.operator === 'intersection' ? right : complement(right));
}

/** Where an end lies. */
function place(node: Node): number {
  const { re, im } = evaluate(node, new Map());
  if (Number.isNaN(re) || im !== 0) throw new BeyondLimits('an end without a value');
  return re;
}

function isEmpty({ low, high, lowOpen, highOpen }: Interval): boolean {
  const [from, to] = [place(low), place(high)];
  return from > to || (from === to && (lowOpen || highOpen));
}

function joined(intervals: readonly Interval[]): Interval[] {
  const sorted = intervals.filter((one) => !isEmpty(one)).sort((a, b) => place(a.low) - place(b.low) || Number(a.lowOpen) - Number(b.lowOpen));
  const result: Interval[] = [];
  for (const next of sorted) {
    const last = result.at(-1);
    const gap = last ? place(next.low) - place(last.high) : 1;
    if (!last || gap > 0 || (gap === 0 && last.highOpen && next.lowOpen)) {
      result.push(next);
      continue;
    }
    const further = place(next.high) - place(last.high);
    if (further > 0) result[result.length - 1] = { ...last, high: next.high, highOpen: next.highOpen };
    else if (further === 0) result[result.length - 1] = { ...last, highOpen: last.highOpen && next.highOpen };
  }
  return result;
}

function intersection(a: readonly Interval[], b: readonly Interval[]): Interval[] {
  return joined(a.flatMap((left) => b.map((right) => overlap(left, right))));
}

function overlap(a: Interval, b: Interval): Interval {
  const low = place(a.low) - place(b.low) || (a.lowOpen ? 1 : -1);
  const high = place(b.high) - place(a.high) || (a.highOpen ? 1 : -1);
  const [from, to] = [low > 0 ? a : b, high > 0 ? a : b];
  return { type: 'interval', low: from.low, lowOpen: from.lowOpen, high: to.high, highOpen: to.highOpen };
}

function complement(intervals: readonly Interval[]): Interval[] {
  const result: Interval[] = [];
  let low: Node = negative(INFINITY);
  let lowOpen = true;
  for (const one of intervals) {
    result.push({ type: 'interval', low, lowOpen, high: one.low, highOpen: !one.lowOpen });
    [low, lowOpen] = [one.high, !one.highOpen];
  }
  result.push({ type: 'interval', low, lowOpen, high: INFINITY, highOpen: true });
  return joined(result);
}

/**
 * The numbers for which a linear inequality of one symbol holds, or a chain of such: `1 < x ≤ 3` is (1, 3].
 *
 * @throws BeyondLimits for any other relation
 */
export function solutionOf(relation: Relation, budget: Budget): Node {
  const parts = relation.relators.map((relator, i) => linearSolution(relation.sides[i]!, relator, relation.sides[i + 1]!, budget));
  return parts.reduce((left, right) => ({ type: 'setOperation', operator: 'intersection', left, right }));
}

const SWAPPED: Readonly<Record<Relator, Relator>> = { '<': '>', '<=': '>=', '>': '<', '>=': '<=', '=': '=', '!=': '!=' };

function linearSolution(left: Node, relator: Relator, right: Node, budget: Budget): Node {
  const whole = difference(left, right);
  const [name, ...others] = symbolsOf(whole);
  if (name === undefined || others.length > 0) throw new BeyondLimits('not one symbol');
  const form = canonical(whole, budget);
  const [top, bottom] = [form.num.get(`$${name}^1/1`)?.coefficient, constantOf(form.den)];
  const inSymbol = [...form.num.values()].filter(({ factors }) => factors.has(`$${name}`)).length;
  if (!top || !bottom || inSymbol !== 1 || form.opaque) throw new BeyondLimits('not linear');
  const slope = divide(top, bottom);
  return rayOf(boundOf(left, right, name, slope), slope.num > 0n ? relator : SWAPPED[relator]);
}

/** The number at which both sides are equal. */
function boundOf(left: Node, right: Node, name: string, slope: Rational): Node {
  if (left.type === 'symbol' && symbolsOf(right).size === 0) return right;
  if (right.type === 'symbol' && symbolsOf(left).size === 0) return left;
  const atZero = withZero(difference(left, right), name);
  return { type: 'quotient', top: negative(atZero), bottom: { type: 'number', value: slope, decimal: false } };
}

function withZero(node: Node, name: string): Node {
  return node.type === 'symbol' && node.name === name ? integer(0n) : mapChildren(node, (child) => withZero(child, name));
}

function rayOf(bound: Node, relator: Relator): Node {
  const below: Interval = { type: 'interval', low: negative(INFINITY), lowOpen: true, high: bound, highOpen: relator !== '<=' };
  const above: Interval = { type: 'interval', low: bound, lowOpen: relator !== '>=', high: INFINITY, highOpen: true };
  if (relator === '<' || relator === '<=') return below;
  if (relator === '>' || relator === '>=') return above;
  if (relator === '!=') return { type: 'setOperation', operator: 'union', left: below, right: above };
  return { type: 'set', items: [bound] };
}
