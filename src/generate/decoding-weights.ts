/**
 * A decoder's weights as decoding wants them: q-k-v and gate-up fused, and on a CPU in float32 copied into the order in
 * which a product with few rows reads them (native/panel_product.cc). Matrices in blocks stay as they are: nothing is copied.
 * Made from the weights as they are now; after an update they are made again.
 */
import { capped } from '../model/attention.ts';
import type { Decoder } from '../model/decoder.ts';
import type { LayerProjections, LayerWeights } from '../model/layers.ts';
import { gatedUnit, plainProjections } from '../model/layers.ts';
import { multiply, rowGrowth } from '../model/linear.ts';
import type { LinearWeights } from '../model/linear.ts';
import { headLogits } from '../model/token-logprobs.ts';
import { noGrad } from '../tensor/autograd.ts';
import { breathe } from '../tensor/breathe.ts';
import { halves } from '../tensor/encode.ts';
import * as ops from '../tensor/ops.ts';
import { keep, scope } from '../tensor/scope.ts';
import { Tensor } from '../tensor/tensor.ts';

export interface DecodingWeights {
  layers: LayerProjections[];
  /** Hidden states [n, H] → logits [n, V]. */
  head(hidden: Tensor): Tensor;
  dispose(): void;
}

/**
 * Packs where that pays (CPU, float32), else multiplies with the plain weights; on a CPU a head of 16 bits is packed in float32.
 *
 * @param mayCopy false where memory does not allow copies of the weights
 */
export async function decodingWeights(decoder: Decoder, mayCopy = true): Promise<DecodingWeights> {
  const owned: Tensor[] = [];
  if (!mayCopy || decoder.device !== 'cpu' || decoder.dtype !== 'float32') {
    // Logits are float32: to widen the head once is cheaper than at every token.
    const { head } = decoder;
    const wide = mayCopy && decoder.device === 'cpu' && head instanceof Tensor && halves.has(head.dtype) ? widePack(head, owned) : null;
    return {
      layers: decoder.layers.map((layer) => plainProjections(layer, decoder.config)),
      head: (hidden) => (wide ? capped(wide(ops.widened(hidden)), decoder.config.logitCap) : headLogits(decoder, hidden)),
      dispose: () => owned.forEach((part) => part.dispose()),
    };
  }
  const pack = (maps: readonly LinearWeights[]) => packLinear(maps, owned);
  const layers: LayerProjections[] = [];
  for (const layer of decoder.layers) {
    layers.push(packedProjections(layer, decoder, pack));
    await breathe();
  }
  const head = pack([{ weight: decoder.head, bias: null, adapter: null }]);
  return {
    layers,
    head: (hidden) => capped(head(hidden), decoder.config.logitCap),
    dispose: () => {
      for (const part of owned) part.dispose();
    },
  };
}

function packedProjections(layer: LayerWeights, { config }: Decoder, pack: (maps: readonly LinearWeights[]) => (x: Tensor) => Tensor): LayerProjections {
  const { heads, keyValueHeads, headDim, intermediateSize, activation } = config;
  const queryKeyValue = pack(layer.queryKeyValue);
  const gateUp = pack(layer.gateUp);
  const down = pack([layer.down]);
  return {
    queryKeyValue(x) {
      const together = ops.view(queryKeyValue(x), [-1, heads + 2 * keyValueHeads, headDim]);
      return ops.split(together, [heads, keyValueHeads, keyValueHeads], 1) as [Tensor, Tensor, Tensor];
    },
    output: pack([layer.o]),
    gateUp: (x) => ops.split(gateUp(x), [intermediateSize, intermediateSize], -1) as [Tensor, Tensor],
    down: (gate, up) => down(gatedUnit(gate, up, activation)),
  };
}

function widePack(head: Tensor, owned: Tensor[]): (x: Tensor) => Tensor {
  return scope(() => packLinear([{ weight: noGrad(() => ops.widened(head)), bias: null, adapter: null }], owned));
}

/**
 * Linear maps of the same input as one product with a copied weight. The A of adapters are more rows of that weight;
 * their B stand apart, so that nothing is merged: W·x and A·x come in one product, s·B·(A·x) is added to the first.
 */
function packLinear(maps: readonly LinearWeights[], owned: Tensor[]): (x: Tensor) => Tensor {
  if (!areNumbers(maps)) return linearInBlocks(maps, owned);
  const adapters = maps.flatMap(({ adapter }) => (adapter ? [adapter] : []));
  const outputs = maps.reduce((total, { weight }) => total + weight.size(0), 0);
  const ranks = adapters.reduce((total, { a }) => total + a.size(0), 0);
  const { weight, bias, b } = keep(
    scope(() =>
      noGrad(() => {
        const growths = maps.map(({ weight, adapter }) => adapter && rowGrowth(weight, adapter));
        const rows = [...maps.map(({ weight }, i) => grown(ops.detach(weight), growths[i])), ...adapters.map(({ a }) => ops.detach(a))];
        const biases = maps.flatMap((map) => (map.bias ? [ops.detach(map.bias)] : []));
        if (biases.length > 0 && ranks > 0) biases.push(ops.zeros([ranks]));
        return {
          weight: ops.packPanels(rows.length === 1 ? rows[0]! : ops.cat(rows, 0)),
          bias: biases.length > 0 ? ops.contiguous(ops.cat(biases, 0)) : null,
          b: ranks > 0 ? blockDiagonal(maps, growths, outputs, ranks) : null,
        };
      }),
    ),
  );
  owned.push(weight);
  if (bias) owned.push(bias);
  if (!b) return (x) => ops.panelProduct(x, weight, outputs, bias);
  owned.push(b);
  return (x) => {
    const both = ops.panelProduct(x, weight, outputs + ranks, bias); // [n, outputs + ranks]
    return ops.addmm_(ops.narrow(both, 1, 0, outputs), ops.narrow(both, 1, outputs, ranks), b);
  };
}

function areNumbers(maps: readonly LinearWeights[]): maps is readonly (LinearWeights & { weight: Tensor })[] {
  return maps.every(({ weight }) => weight instanceof Tensor);
}

/** The same one by one, of matrices in blocks; what needs a whole matrix in floats, DoRA's lengths, is computed once. */
function linearInBlocks(maps: readonly LinearWeights[], owned: Tensor[]): (x: Tensor) => Tensor {
  const growths = maps.map(({ weight, adapter }) => adapter && noGrad(() => keep(scope(() => rowGrowth(weight, adapter)))));
  owned.push(...growths.filter((growth) => growth !== null));
  return (x) => {
    const parts = maps.map((map, i) => multiply(x, map, null, growths[i]));
    return parts.length === 1 ? parts[0]! : ops.cat(parts, -1);
  };
}

/** A matrix, its rows multiplied where the adapter says so. [out, any] */
function grown(matrix: Tensor, growth: Tensor | null | undefined): Tensor {
  return growth ? ops.mul(matrix, ops.unsqueeze(growth, 1)) : matrix;
}

/** (s·B)ᵀ of each map that has an adapter, at its place among the outputs; zeros elsewhere. [ranks, outputs] */
function blockDiagonal(maps: readonly LinearWeights[], growths: readonly (Tensor | null)[], outputs: number, ranks: number): Tensor {
  const all = ops.zeros([ranks, outputs]);
  let [row, column] = [0, 0];
  for (const [i, { weight, adapter }] of maps.entries()) {
    if (adapter) {
      const own = grown(ops.mulScalar(adapter.b, adapter.scale), growths[i]);
      ops.copy_(ops.narrow(ops.narrow(all, 0, row, adapter.a.size(0)), 1, column, weight.size(0)), ops.transpose(own, 0, 1));
      row += adapter.a.size(0);
    }
    column += weight.size(0);
  }
  return all;
}
