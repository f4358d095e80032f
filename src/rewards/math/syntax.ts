/** What the parser makes of mathematics: a tree of these. Numbers, operations and collections share one type. */
import type { Rational } from './rational.ts';

/** How two sides of a relation stand to each other. */
export type Relator = '=' | '!=' | '<' | '<=' | '>' | '>=';

/** Sets that have a letter of their own, the real numbers excepted: those are an interval. */
export type NamedSet = 'naturals' | 'integers' | 'rationals' | 'complexes';

/** A node of the tree. */
export type Node =
  /** `decimal`: written with a point, so that it may be a rounded value. */
  | { type: 'number'; value: Rational; decimal: boolean }
  /** `word`: written as text, where a symbol is otherwise one letter, with its subscript. */
  | { type: 'symbol'; name: string; word: boolean }
  | { type: 'constant'; name: 'pi' | 'e' | 'i' | 'infinity' }
  | { type: 'sum'; terms: Node[] }
  | { type: 'product'; factors: Node[] }
  | { type: 'quotient'; top: Node; bottom: Node }
  | { type: 'power'; base: Node; exponent: Node }
  | { type: 'call'; name: string; args: Node[] }
  /** expr / 100. */
  | { type: 'percent'; expr: Node }
  /** ± expr, or ∓ expr where `flipped`. */
  | { type: 'plusMinus'; expr: Node; flipped: boolean }
  /** Elements between braces, or a list without brackets. In the order written. `all`: with "and" between, so that of inequalities all must hold. */
  | { type: 'set'; items: Node[]; all?: boolean }
  | { type: 'tuple'; items: Node[] }
  | { type: 'interval'; low: Node; high: Node; lowOpen: boolean; highOpen: boolean }
  | { type: 'setOperation'; operator: 'union' | 'intersection' | 'difference'; left: Node; right: Node }
  | { type: 'namedSet'; name: NamedSet }
  | { type: 'matrix'; rows: Node[][] }
  /** sides[0] relators[0] sides[1] relators[1] …; one relator less than sides. */
  | { type: 'relation'; sides: Node[]; relators: Relator[] };

/** A relation, or a chain of them. */
export type Relation = Extract<Node, { type: 'relation' }>;

/** −node. */
export function negative(node: Node): Node {
  if (node.type === 'number') return { ...node, value: { num: -node.value.num, den: node.value.den } };
  return { type: 'product', factors: [integer(-1n), node] };
}

/** A whole number as a node. */
export function integer(value: bigint): Node {
  return { type: 'number', value: { num: value, den: 1n }, decimal: false };
}

/** left − right. */
export function difference(left: Node, right: Node): Node {
  return { type: 'sum', terms: [left, negative(right)] };
}

/** The parts of a node, in order. */
export function children(node: Node): Node[] {
  const parts: Node[] = [];
  mapChildren(node, (child) => {
    parts.push(child);
    return child;
  });
  return parts;
}

/** The node with each of its parts replaced. */
export function mapChildren(node: Node, map: (child: Node) => Node): Node {
  switch (node.type) {
    case 'sum':
      return { ...node, terms: node.terms.map(map) };
    case 'product':
      return { ...node, factors: node.factors.map(map) };
    case 'quotient':
      return { ...node, top: map(node.top), bottom: map(node.bottom) };
    case 'power':
      return { ...node, base: map(node.base), exponent: map(node.exponent) };
    case 'call':
      return { ...node, args: node.args.map(map) };
    case 'percent':
    case 'plusMinus':
      return { ...node, expr: map(node.expr) };
    case 'set':
    case 'tuple':
      return { ...node, items: node.items.map(map) };
    case 'interval':
      return { ...node, low: map(node.low), high: map(node.high) };
    case 'setOperation':
      return { ...node, left: map(node.left), right: map(node.right) };
    case 'matrix':
      return { ...node, rows: node.rows.map((row) => row.map(map)) };
    case 'relation':
      return { ...node, sides: node.sides.map(map) };
    default:
      return node;
  }
}

/** The names of the symbols of a tree, each once. */
export function symbolsOf(node: Node, found: Set<string> = new Set()): Set<string> {
  if (node.type === 'symbol') found.add(node.name);
  for (const child of children(node)) symbolsOf(child, found);
  return found;
}

/** How many nodes a tree has. */
export function sizeOf(node: Node): number {
  return 1 + children(node).reduce((size, child) => size + sizeOf(child), 0);
}
