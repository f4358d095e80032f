/** The pieces of a decoder layer: pure functions of tensors, shared by training and decoding. */
import * as ops from '../tensor/ops.ts';
import { scope } from '../tensor/scope.ts';
import { tensor } from '../tensor/tensor.ts';
import type { DType, Tensor } from '../tensor/tensor.ts';
import type { DecoderConfig } from './families.ts';

/** Weights of one linear map: y = x·Wᵀ + b. */
export interface LinearWeights {
  weight: Tensor; // [out, in]
  bias: Tensor | null; // [out]
}

/** Weights of one decoder layer. */
export interface LayerWeights {
  inputNorm: Tensor; // [H]
  q: LinearWeights;
  k: LinearWeights;
  v: LinearWeights;
  o: LinearWeights;
  feedForwardNorm: Tensor; // [H]
  gate: LinearWeights;
  up: LinearWeights;
  down: LinearWeights;
}

/** How a layer multiplies: plainly in training, with fused and packed weights while decoding. */
export interface LayerProjections {
  /** x [N, H] → queries [N, heads, d], keys and values [N, keyValueHeads, d] */
  queryKeyValue(x: Tensor): [q: Tensor, k: Tensor, v: Tensor];
  /** [N, heads·d] → [N, H] */
  output(x: Tensor): Tensor;
  /** x [N, H] → gate and up, each [N, F] */
  gateUp(x: Tensor): [gate: Tensor, up: Tensor];
  /** [N, F] → [N, H] */
  down(x: Tensor): Tensor;
}

/** Rows of the rotary tables for the tokens at hand. */
export interface Rotary {
  cos: Tensor; // [N, 1, d/2]
  sin: Tensor; // [N, 1, d/2]
}

/** Attention over whatever the caller keeps: q [N, heads, d], k and v [N, keyValueHeads, d], both rotated → [N, heads·d] */
export type Attend = (q: Tensor, k: Tensor, v: Tensor) => Tensor;

/** x/√(mean x² + ε)·w over the last axis, in float32 whatever the dtype (Zhang & Sennrich 2019). */
export function rmsNorm(x: Tensor, weight: Tensor, epsilon: number): Tensor {
  const wide = ops.to(x, 'float32');
  const scale = ops.rsqrt(ops.addScalar(ops.mean(ops.square(wide), [-1], true), epsilon));
  return ops.mul(weight, ops.to(ops.mul(wide, scale), x.dtype));
}

/** Rotary embedding of each half-pair (Su et al. 2021, in the half-split layout of Hugging Face): x [N, heads, d]. */
export function rotate(x: Tensor, { cos, sin }: Rotary): Tensor {
  const half = x.size(-1) / 2;
  const [a, b] = ops.split(x, [half, half], -1) as [Tensor, Tensor];
  return ops.cat([ops.sub(ops.mul(a, cos), ops.mul(b, sin)), ops.add(ops.mul(b, cos), ops.mul(a, sin))], -1);
}

/** Rotary tables for positions 0 … length−1, computed in float32 as Hugging Face does: cos and sin [length, 1, d/2]. */
export function rotaryTables(length: number, headDim: number, theta: number, dtype: DType): Rotary {
  const half = headDim / 2;
  return scope(() => {
    const frequencies = Float32Array.from({ length: half }, (_, i) => 1 / theta ** ((2 * i) / headDim));
    const positions = ops.view(ops.arange(0, length, 'float32'), [length, 1, 1]);
    const angles = ops.mul(positions, tensor(frequencies, [1, 1, half]));
    return { cos: ops.to(ops.cos(angles), dtype), sin: ops.to(ops.sin(angles), dtype) };
  });
}

/** One pre-norm decoder layer: x [N, H] → [N, H]. */
export function decoderLayer(
  x: Tensor,
  weights: { inputNorm: Tensor; feedForwardNorm: Tensor },
  project: LayerProjections,
  rotary: Rotary,
  attend: Attend,
  normEpsilon: number,
): Tensor {
  const [q, k, v] = project.queryKeyValue(rmsNorm(x, weights.inputNorm, normEpsilon));
  const attended = attend(rotate(q, rotary), rotate(k, rotary), v);
  const afterAttention = ops.add(x, project.output(attended));
  const [gate, up] = project.gateUp(rmsNorm(afterAttention, weights.feedForwardNorm, normEpsilon));
  return ops.add(afterAttention, project.down(ops.mul(ops.silu(gate), up)));
}

/** The plain projections of a layer: one product per weight, differentiable. */
export function plainProjections(layer: LayerWeights, config: DecoderConfig): LayerProjections {
  const apply = (x: Tensor, { weight, bias }: LinearWeights) => ops.linear(x, weight, bias);
  const heads = (x: Tensor, count: number) => ops.view(x, [-1, count, config.headDim]);
  return {
    queryKeyValue: (x) => [
      heads(apply(x, layer.q), config.heads),
      heads(apply(x, layer.k), config.keyValueHeads),
      heads(apply(x, layer.v), config.keyValueHeads),
    ],
    output: (x) => apply(x, layer.o),
    gateUp: (x) => [apply(x, layer.gate), apply(x, layer.up)],
    down: (x) => apply(x, layer.down),
  };
}
