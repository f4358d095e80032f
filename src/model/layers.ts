/** The pieces of a decoder layer: pure functions of tensors, shared by training and decoding. */
import * as ops from '../tensor/ops.ts';
import { Tensor } from '../tensor/tensor.ts';
import type { Activation, DecoderConfig, NormPlace, NormStyle } from './decoder-config.ts';
import { multiply } from './linear.ts';
import type { Drop, LinearWeights } from './linear.ts';
import { rotate } from './rope.ts';
import type { Rotary } from './rope.ts';

/** Norms of one decoder layer; null where its family has none. */
export type LayerNorms = Record<NormPlace, Tensor | null> & {
  queryNorm: Tensor | null; // [d] or [heads·d]
  keyNorm: Tensor | null; // [d] or [keyValueHeads·d]
};

/** Weights of one decoder layer. */
export interface LayerWeights extends LayerNorms {
  /** Query, key and value maps, or one map that is all three. */
  queryKeyValue: LinearWeights[];
  o: LinearWeights;
  /** Gate and up maps, or one map that is both. */
  gateUp: LinearWeights[];
  down: LinearWeights;
}

/** Every tensor of a layer, its adapters' included. */
export function layerTensors({ queryKeyValue, o, gateUp, down, ...norms }: LayerWeights): Tensor[] {
  const maps = [...queryKeyValue, o, ...gateUp, down].flatMap(({ weight, bias, adapter }) => [weight, bias, adapter?.a, adapter?.b, adapter?.magnitude]);
  return [...maps, ...Object.values(norms)].filter((tensor) => tensor instanceof Tensor);
}

/** How a layer multiplies: plainly in training, with fused and packed weights while decoding. */
export interface LayerProjections {
  /** x [N, H] → queries [N, heads, d], keys and values [N, keyValueHeads, d] */
  queryKeyValue(x: Tensor): [q: Tensor, k: Tensor, v: Tensor];
  /** [N, heads·d] → [N, H] */
  output(x: Tensor): Tensor;
  /** x [N, H] → gate and up, each [N, F] */
  gateUp(x: Tensor): [gate: Tensor, up: Tensor];
  /** The map behind the gated unit of gate and up, [N, F] each → [N, H] */
  down(gate: Tensor, up: Tensor): Tensor;
}

/** Attention over whatever the caller keeps: q [N, heads, d], k and v [N, keyValueHeads, d], both rotated → [N, heads·d] */
export type Attend = (q: Tensor, k: Tensor, v: Tensor) => Tensor;

// Where the weight is multiplied in float32 or in the dtype of x decides the last bit of half precision.
const applyNormWeight: Readonly<Record<NormStyle, (normed: Tensor, weight: Tensor, x: Tensor) => Tensor>> = {
  plain: (normed, weight, x) => ops.mul(weight, ops.to(normed, x.dtype)),
  wide: (normed, weight, x) => ops.to(ops.mul(weight, normed), x.dtype),
  offset: (normed, weight, x) => ops.to(ops.mul(normed, ops.addScalar(ops.to(weight, 'float32'), 1)), x.dtype),
};

/** x/√(mean x² + ε)·w over the last axis, in float32 whatever the dtype (Zhang & Sennrich 2019). */
export function rmsNorm(x: Tensor, weight: Tensor, epsilon: number, style: NormStyle = 'plain'): Tensor {
  if (ops.isFused(x)) return ops.rmsNorm(x, style === 'offset' ? ops.addScalar(weight, 1) : weight, epsilon);
  const wide = ops.to(x, 'float32');
  const scale = ops.rsqrt(ops.addScalar(ops.mean(ops.square(wide), [-1], true), epsilon));
  return applyNormWeight[style](ops.mul(wide, scale), weight, x);
}

const activations: Readonly<Record<Activation, (x: Tensor) => Tensor>> = { silu: ops.silu, geluTanh: ops.geluTanh };

/** The gated unit of a feed-forward (Shazeer 2020): activation(gate)·up, [N, F] each. */
export function gatedUnit(gate: Tensor, up: Tensor, activation: Activation): Tensor {
  if (ops.isFused(gate)) return ops.gated(gate, up, activation === 'geluTanh');
  return ops.mul(activations[activation](gate), up);
}

/**
 * One decoder layer: x [N, H] → [N, H].
 *
 * @param places int64 [M]: the tokens that go on behind attention, for a last layer, where the others are seen but not asked; null is all of them
 */
export function decoderLayer(
  x: Tensor,
  weights: LayerNorms,
  project: LayerProjections,
  rotary: Rotary | null,
  attend: Attend,
  config: DecoderConfig,
  places: Tensor | null = null,
): Tensor {
  const norm = (y: Tensor, weight: Tensor | null) => (weight ? rmsNorm(y, weight, config.normEpsilon, config.normStyle) : y);
  const normHeads = (y: Tensor, weight: Tensor | null) => {
    if (config.queryKeyNorm !== 'whole') return norm(y, weight);
    return ops.view(norm(ops.reshape(y, [y.size(0), -1]), weight), y.shape);
  };
  const turn = (y: Tensor) => (rotary ? rotate(y, rotary) : y);
  const goOn = (y: Tensor) => (places ? ops.indexSelect(y, 0, places) : y);

  const [q, k, v] = project.queryKeyValue(norm(x, weights.inputNorm));
  const attended = goOn(attend(turn(normHeads(q, weights.queryNorm)), turn(normHeads(k, weights.keyNorm)), v));
  const afterAttention = ops.add(goOn(x), norm(project.output(attended), weights.attentionOutputNorm));

  const [gate, up] = project.gateUp(norm(afterAttention, weights.feedForwardNorm));
  const fed = project.down(gate, up);
  return ops.add(afterAttention, norm(fed, weights.feedForwardOutputNorm));
}

/** The plain projections of a layer: one product per weight, differentiable. `drop`: dropout of the adapters. */
export function plainProjections(layer: LayerWeights, { heads, keyValueHeads, headDim, intermediateSize, activation }: DecoderConfig, drop: Drop | null = null): LayerProjections {
  const apply = (x: Tensor, map: LinearWeights) => multiply(x, map, drop);
  const parts = (x: Tensor, maps: readonly LinearWeights[], sizes: readonly number[]) =>
    maps.length === 1 ? ops.split(apply(x, maps[0]!), sizes, -1) : maps.map((map) => apply(x, map));
  const counts = [heads, keyValueHeads, keyValueHeads];
  return {
    queryKeyValue: (x) =>
      parts(x, layer.queryKeyValue, counts.map((count) => count * headDim)).map((part, i) => ops.view(part, [-1, counts[i]!, headDim])) as [Tensor, Tensor, Tensor],
    output: (x) => apply(x, layer.o),
    gateUp: (x) => parts(x, layer.gateUp, [intermediateSize, intermediateSize]) as [Tensor, Tensor],
    down(gate, up) {
      const { weight, bias, adapter } = layer.down;
      // An adapter sees the unit itself.
      if (adapter || !(weight instanceof Tensor) || !ops.isFused(weight) || !ops.isFused(gate)) return apply(gatedUnit(gate, up, activation), layer.down);
      return ops.gatedLinear(gate, up, weight, bias, activation === 'geluTanh');
    },
  };
}
