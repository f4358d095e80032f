import type { Node } from './syntax.ts';

/** The cells of a matrix, of a sum of them, or of one times or over numbers; null for anything else. */
export function matrixOf(node: Node): Node[][] | null {
  switch (node.type) {
    case 'matrix':
      return node.rows;
    case 'sum': {
      const [first, ...rest] = node.terms.map(matrixOf);
      return first ? rest.reduce((a, b) => (a && b ? added(a, b) : null), first) : null;
    }
    case 'product': {
      const matrices = node.factors.map(matrixOf);
      const at = matrices.findIndex((one) => one !== null);
      if (at < 0 || matrices.filter((one) => one !== null).length !== 1) return null;
      const numbers = node.factors.filter((_, i) => i !== at);
      return each(matrices[at]!, (cell) => ({ type: 'product', factors: [...numbers, cell] }));
    }
    case 'quotient': {
      const top = matrixOf(node.top);
      return top && each(top, (cell) => ({ type: 'quotient', top: cell, bottom: node.bottom }));
    }
    default:
      return null;
  }
}

function each(rows: Node[][], map: (cell: Node) => Node): Node[][] {
  return rows.map((row) => row.map(map));
}

function added(a: Node[][], b: Node[][]): Node[][] | null {
  if (a.length !== b.length || a[0]!.length !== b[0]!.length) return null;
  return a.map((row, i) => row.map((cell, j) => ({ type: 'sum', terms: [cell, b[i]![j]!] })));
}
