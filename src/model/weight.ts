/** A weight of a network: numbers in a tensor, or a matrix held in blocks of a few bits each, which is never in floats as a whole. */
import * as ops from '../tensor/ops.ts';
import { keep } from '../tensor/scope.ts';
import { Tensor } from '../tensor/tensor.ts';
import type { DType } from '../tensor/tensor.ts';

/** A frozen matrix in blocks. The caller of the constructor disposes it. */
export class BlockMatrix {
  readonly blocks: Tensor; // uint8 [out, bytes of a row]
  /** As GGUF names it: `Q4_1`. */
  readonly format: string;
  readonly shape: [number, number]; // [out, in]
  /** What is trained is floats. */
  readonly requiresGrad = false;

  constructor(blocks: Tensor, format: string, shape: [number, number]) {
    this.blocks = keep(blocks);
    this.format = format;
    this.shape = shape;
  }

  size(axis: 0 | 1): number {
    return this.shape[axis];
  }

  /** Number of elements. */
  get length(): number {
    return this.shape[0] * this.shape[1];
  }

  dispose(): void {
    this.blocks.dispose();
  }
}

/** A weight as layers hold it. */
export type Weight = Tensor | BlockMatrix;

/** The dtype of the numbers that a weight stands for: those of blocks are float32. */
export function dtypeOf(weight: Weight): DType {
  return weight instanceof Tensor ? weight.dtype : 'float32';
}

/** x·Wᵀ + b, differentiable in x, and in W where it is a tensor: [n, in] → [n, out] */
export function linearBy(x: Tensor, weight: Weight, bias: Tensor | null = null): Tensor {
  if (weight instanceof Tensor) return ops.linear(x, weight, bias);
  const y = ops.blockLinear(x, weight.blocks, weight.format);
  return bias ? ops.add(y, bias) : y;
}

/** y·W, without a derivative: [n, out] → [n, in] */
export function transposedBy(y: Tensor, weight: Weight): Tensor {
  return weight instanceof Tensor ? ops.linear(y, ops.transpose(weight, 0, 1)) : ops.blockProduct(y, weight.blocks, weight.format);
}

/** The rows of these numbers (int64 [n]), as constants: [n, in] */
export function lookUp(weight: Weight, ids: Tensor): Tensor {
  return weight instanceof Tensor ? ops.embedding(ops.detach(weight), ids) : ops.blockValues(ops.indexSelect(weight.blocks, 0, ids), weight.format);
}

/** The whole weight in floats: the tensor itself, or a new one of what its blocks stand for. Call it inside a scope. */
export function valuesOf(weight: Weight): Tensor {
  return weight instanceof Tensor ? weight : ops.blockValues(weight.blocks, weight.format);
}

/** A copy. The caller disposes it. */
export function copyWeight(weight: Weight): Weight {
  return weight instanceof Tensor ? keep(ops.clone(weight)) : new BlockMatrix(ops.clone(weight.blocks), weight.format, weight.shape);
}
