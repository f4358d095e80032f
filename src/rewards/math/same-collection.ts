/** Sets, lists, tuples, points and intervals against each other. */
import { magnitude } from './complex.ts';
import { BeyondLimits } from './limits.ts';
import type { Budget } from './limits.ts';
import { evaluate } from './numeric.ts';
import { intervalsOf, solutionOf } from './real-set.ts';
import { symbolsOf } from './syntax.ts';
import type { Node } from './syntax.ts';

/** Compares two elements; gold first. */
type Same = (gold: Node, answer: Node, budget: Budget) => boolean;

type Interval = Extract<Node, { type: 'interval' }>;

const MAX_ELEMENTS = 40;

/** Whether a tree is a set, a list, a tuple or an interval. */
export function isCollection(node: Node): boolean {
  return ['set', 'tuple', 'interval', 'setOperation', 'namedSet'].includes(node.type);
}

/**
 * Whether two collections are equal; a single value is the set of it. `(1, 2)` is an open interval and a point, as the
 * other side wants it. The elements of a gold set may come in any order, those of a gold point or tuple in its own.
 *
 * @throws BeyondLimits where it cannot be decided
 */
export function sameCollection(gold: Node, answer: Node, budget: Budget, same: Same): boolean {
  if (gold.type === 'namedSet' || answer.type === 'namedSet') return gold.type === 'namedSet' && answer.type === 'namedSet' && gold.name === answer.name;
  const [left, right] = [pairIfBackwards(gold), pairIfBackwards(answer)];
  if (left.type === 'interval' && right.type === 'interval') return sameInterval(left, right, budget, same);
  const [items, others] = [elementsOf(left), elementsOf(right)];
  if (items && others && isCondition(left) === isCondition(right)) {
    const isOrdered = left.type === 'tuple' || left.type === 'interval';
    return isOrdered ? sameSequence(items, others, budget, same) : sameElements(items, others, budget, same);
  }
  const [a, b] = [intervalsOf(asRealSet(left, budget)), intervalsOf(asRealSet(right, budget))];
  return a.length === b.length && a.every((one, i) => sameInterval(one, b[i]!, budget, same));
}

function sameInterval(a: Interval, b: Interval, budget: Budget, same: Same): boolean {
  return a.lowOpen === b.lowOpen && a.highOpen === b.highOpen && same(a.low, b.low, budget) && same(a.high, b.high, budget);
}

/** An interval that would be empty is meant as a pair: the point (3, 1). */
function pairIfBackwards(node: Node): Node {
  if (node.type !== 'interval' || node.lowOpen !== node.highOpen) return node;
  const [low, high] = [evaluate(node.low, new Map()), evaluate(node.high, new Map())];
  const isBackwards = high.re < low.re || (node.lowOpen && magnitude({ re: high.re - low.re, im: high.im - low.im }) === 0);
  return isBackwards ? { type: 'tuple', items: [node.low, node.high] } : node;
}

/** The elements where they can be counted; null for an interval that is no pair, and for unions. */
function elementsOf(node: Node): Node[] | null {
  if (node.type === 'set' || node.type === 'tuple') return node.items;
  if (node.type === 'interval') return node.lowOpen && node.highOpen ? [node.low, node.high] : null;
  return node.type === 'setOperation' ? null : [node];
}

function sameSequence(gold: readonly Node[], answer: readonly Node[], budget: Budget, same: Same): boolean {
  return gold.length === answer.length && gold.every((one, i) => same(one, answer[i]!, budget));
}

function sameElements(gold: readonly Node[], answer: readonly Node[], budget: Budget, same: Same): boolean {
  const [items, others] = [distinct(gold, budget, same), distinct(answer, budget, same)];
  if (items.length !== others.length) return false;
  const left = [...others];
  return items.every((item) => {
    const at = left.findIndex((other) => same(item, other, budget));
    if (at >= 0) left.splice(at, 1);
    return at >= 0;
  });
}

function distinct(items: readonly Node[], budget: Budget, same: Same): Node[] {
  if (items.length > MAX_ELEMENTS) throw new BeyondLimits('too many elements');
  const kept: Node[] = [];
  for (const item of items) if (!kept.some((one) => same(one, item, budget))) kept.push(item);
  return kept;
}

/** Whether a tree is a list that says by inequalities where a number lies. */
export function isCondition(node: Node): boolean {
  return node.type === 'set' && node.items.some((item) => item.type === 'relation' && item.relators.some((relator) => relator !== '='));
}

/** A list of inequalities, as in `x < 1 or x > 3`, is the union of what they allow; with "and" between, what all of them allow. */
function asRealSet(node: Node, budget: Budget): Node {
  if (node.type !== 'set' || !isCondition(node)) return node;
  if (symbolsOf(node).size > 1) throw new BeyondLimits('conditions on several symbols');
  const parts = node.items.map((item) => (item.type === 'relation' ? solutionOf(item, budget) : item));
  return parts.reduce((left, right) => ({ type: 'setOperation', operator: node.all ? 'intersection' : 'union', left, right }));
}
