/** Whether what a solution gives and what an answer gives are the same. The gold comes first: the two are not symmetric. */
import { canonical, ratioOf } from './canonical.ts';
import { BeyondLimits } from './limits.ts';
import type { Budget } from './limits.ts';
import { matrixOf } from './matrix.ts';
import { isOfSymbols } from './parse.ts';
import { sameScalar } from './scalar.ts';
import { isCollection, isCondition, sameCollection } from './same-collection.ts';
import { solutionOf } from './real-set.ts';
import { children, difference, symbolsOf } from './syntax.ts';
import type { Node, Relation, Relator } from './syntax.ts';

const SWAPPED: Readonly<Record<Relator, Relator>> = { '<': '>', '<=': '>=', '>': '<', '>=': '<=', '=': '=', '!=': '!=' };

/**
 * Whether an answer gives what the gold gives. Of `x = 5` only the value counts where the other names no symbol; a gold
 * that is an inequality is met by its interval, and not the other way round.
 *
 * @throws BeyondLimits where it cannot be decided
 */
export function sameMeaning(gold: Node, answer: Node, budget: Budget): boolean {
  budget.spend(1);
  const [left, right] = unwrapped(shortened(gold), shortened(answer));
  if (left.type === 'relation' && right.type === 'relation') return sameRelation(left, right, budget);
  if (left.type === 'relation' && isCollection(right)) return sameCollection(solutionOf(left, budget), right, budget, sameMeaning);
  if (right.type === 'relation' && isCondition(left)) return sameCollection(left, solutionOf(right, budget), budget, sameMeaning);
  if (left.type === 'relation' || right.type === 'relation') return false;
  if (isCollection(left) || isCollection(right)) return sameCollection(left, right, budget, sameMeaning);
  const word = sameWord(left, right);
  if (word !== null) return word;
  if (hasMatrix(left) || hasMatrix(right)) return sameMatrix(left, right, budget);
  return sameScalar(left, right, budget);
}

/** `A = b = c` as `A = c`, where A consists of symbols: the steps between do not count. */
function shortened(node: Node): Node {
  if (!isAssignment(node)) return node;
  return { ...node, sides: [node.sides[0]!, node.sides.at(-1)!], relators: ['='] };
}

function isEquation(node: Node): node is Relation {
  return node.type === 'relation' && node.relators.every((relator) => relator === '=');
}

function isAssignment(node: Node): node is Relation {
  return isEquation(node) && isOfSymbols(node.sides[0]!);
}

/** The values of equations where the other side is none: the answer's always, the gold's where it gives a symbol a value. */
function unwrapped(gold: Node, answer: Node): [Node, Node] {
  if (isEquation(answer) && !isEquation(gold)) return [gold, answer.sides.at(-1)!];
  if (isAssignment(gold) && !isEquation(answer)) return [gold.sides.at(-1)!, answer];
  return [gold, answer];
}

/** Both relations hold for the same values: term by term, also read from the right. */
function sameRelation(gold: Relation, answer: Relation, budget: Budget): boolean {
  if (gold.relators.length !== answer.relators.length) return false;
  const reversed: Relation = { ...answer, sides: answer.sides.toReversed(), relators: answer.relators.toReversed().map((relator) => SWAPPED[relator]) };
  return [answer, reversed].some((other) => gold.relators.every((_, i) => sameStep(step(gold, i), step(other, i), budget)));
}

function step({ sides, relators }: Relation, i: number): { left: Node; relator: Relator; right: Node } {
  return { left: sides[i]!, relator: relators[i]!, right: sides[i + 1]! };
}

function sameStep(a: ReturnType<typeof step>, b: ReturnType<typeof step>, budget: Budget): boolean {
  const sides = [a.left, a.right, b.left, b.right];
  if (sides.some((side) => isCollection(side) || hasMatrix(side))) {
    return a.relator === b.relator && sameMeaning(a.left, b.left, budget) && sameMeaning(a.right, b.right, budget);
  }
  const [x, y] = [difference(a.left, a.right), difference(b.left, b.right)];
  // Of numbers alone a relation holds or not, whatever they are.
  if (symbolsOf(x).size + symbolsOf(y).size === 0) return a.relator === b.relator && sameScalar(a.left, b.left, budget) && sameScalar(a.right, b.right, budget);
  const ratio = ratioOf(canonical(x, budget), canonical(y, budget), budget);
  if (ratio) return ratio.num > 0n ? a.relator === b.relator : SWAPPED[a.relator] === b.relator;
  return a.relator === b.relator && sameScalar(x, y, budget);
}

/** Words by their letters, where one side is written as text; null where neither is. */
function sameWord(a: Node, b: Node): boolean | null {
  const isText = (node: Node): boolean => node.type === 'symbol' && node.word;
  if (!isText(a) && !isText(b)) return null;
  const [x, y] = [wordOf(a), wordOf(b)];
  return x !== null && x === y;
}

/** The letters of a product of letters, in the order written; null for anything else. */
function wordOf(node: Node): string | null {
  if (node.type === 'symbol') return node.name;
  if (node.type === 'constant') return node.name === 'e' || node.name === 'i' ? node.name : null;
  if (node.type !== 'product') return null;
  const letters = node.factors.map(wordOf);
  return letters.every((letter) => letter !== null) ? letters.join('') : null;
}

function hasMatrix(node: Node): boolean {
  return node.type === 'matrix' || children(node).some(hasMatrix);
}

function sameMatrix(a: Node, b: Node, budget: Budget): boolean {
  const [left, right] = [matrixOf(a), matrixOf(b)];
  if (!left || !right) {
    if (hasMatrix(a) === hasMatrix(b)) throw new BeyondLimits('matrices that are not computed');
    return false;
  }
  if (left.length !== right.length || left[0]!.length !== right[0]!.length) return false;
  return left.every((row, i) => row.every((cell, j) => sameScalar(cell, right[i]![j]!, budget)));
}
