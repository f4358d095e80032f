/** One linear map of a layer, with or without a low-rank adapter (LoRA: Hu et al. 2021, arXiv 2106.09685). */
import { noGrad } from '../tensor/autograd.ts';
import * as ops from '../tensor/ops.ts';
import { scope } from '../tensor/scope.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { linearBy, valuesOf } from './weight.ts';
import type { Weight } from './weight.ts';

/** Weights of one linear map: y = x·Wᵀ + b. */
export interface LinearWeights {
  weight: Weight; // [out, in]
  bias: Tensor | null; // [out]
  /** What is trained in place of the weight; null where nothing is added. */
  adapter: LinearAdapter | null;
}

/** The change of one linear map: W becomes W + s·B·A, which is never formed while training. */
export interface LinearAdapter {
  a: Tensor; // [r, in]
  b: Tensor; // [out, r]
  /** s: α/r, or α/√r where ranks are stabilised (rsLoRA: Kalajdzievski 2023, arXiv 2312.03732). */
  scale: number;
  /** Its place among the maps of the adapter; what it drops is its own. */
  index: number;
  /** Lengths that the rows of W + s·B·A are given (DoRA: Liu et al. 2024, arXiv 2402.09353); null leaves them. [out] */
  magnitude: Tensor | null;
}

/** Zeroes some inputs of an adapter while training: [N, in] → [N, in]. */
export type Drop = (x: Tensor, adapter: LinearAdapter) => Tensor;

/**
 * x [N, in] → [N, out], in the dtype of x. What `drop` takes away, the adapter alone does not see. An adapter of float32
 * computes in it whatever the weight is.
 *
 * @param growth `rowGrowth` of the map, for a caller that has it
 */
export function multiply(x: Tensor, { weight, bias, adapter }: LinearWeights, drop: Drop | null = null, growth = adapter && rowGrowth(weight, adapter)): Tensor {
  if (!adapter) return linearBy(x, weight, bias);
  const { a, b, scale } = adapter;
  const seen = drop ? drop(x, adapter) : x;
  const change = ops.linear(ops.mulScalar(ops.linear(ops.to(seen, a.dtype), a), scale), b);
  if (!growth) return ops.to(ops.add(linearBy(x, weight, bias), change), x.dtype);
  const kept = linearBy(x, weight);
  // As in peft, what is dropped keeps its old length: x·Wᵀ + (g − 1)·x'·Wᵀ + g·s·x'·(BA)ᵀ.
  const seenThrough = drop ? linearBy(seen, weight) : kept;
  const scaled = ops.add(ops.sub(kept, seenThrough), ops.mul(ops.add(seenThrough, change), growth));
  return ops.to(bias ? ops.add(scaled, bias) : scaled, x.dtype);
}

/** What each row of W + s·B·A is multiplied by; null where lengths are left as they are. [out] */
export function rowGrowth(weight: Weight, adapter: LinearAdapter): Tensor | null {
  return adapter.magnitude && ops.div(adapter.magnitude, rowLengths(weight, adapter));
}

/** Length of each row of W + s·B·A, as a constant: the gradient does not go through it (DoRA, section 4.3). [out] */
export function rowLengths(weight: Weight, adapter: LinearAdapter): Tensor {
  return noGrad(() => scope(() => ops.rowNorms(adaptedWeight(valuesOf(weight), adapter))));
}

/** W + s·B·A, rows not yet given their lengths. [out, in] */
export function adaptedWeight(weight: Tensor, { a, b, scale }: Pick<LinearAdapter, 'a' | 'b' | 'scale'>): Tensor {
  return ops.add(weight, ops.matmul(b, a), scale);
}
