/** A decoder as the engine runs it: layer by layer, without gradients, with weights prepared for decoding. */
import { attentionSettings } from '../model/attention.ts';
import type { AttentionSettings } from '../model/attention.ts';
import type { Decoder } from '../model/decoder.ts';
import { decoderInputs } from '../model/inputs.ts';
import type { DecoderInputs } from '../model/inputs.ts';
import { decoderLayer, rmsNorm } from '../model/layers.ts';
import type { Rotary } from '../model/rope.ts';
import { noGrad } from '../tensor/autograd.ts';
import { keep, scope } from '../tensor/scope.ts';
import { tensor } from '../tensor/tensor.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { decodingWeights } from './decoding-weights.ts';

/** Attention over the caches of the engine: q [N, heads, d], k and v [N, keyValueHeads, d] → [N, heads·d]. */
export type DecodingAttend = (q: Tensor, k: Tensor, v: Tensor, settings: AttentionSettings) => Tensor;

export interface DecodingNetwork {
  decoder: Decoder;
  /** What the first layer takes. The caller disposes it. */
  embed(ids: readonly number[], positions: readonly number[]): DecoderInputs;
  /** Layer i: x [N, H] → [N, H], or [M, H] at these places (`decoderLayer`), which is the caller's; x is freed. */
  layer(i: number, x: Tensor, rotary: Rotary | null, attend: DecodingAttend, places?: Tensor | null): Tensor;
  /** Hidden states behind the last layer [n, H] → logits [n, V]. */
  logits(x: Tensor): Tensor;
  /** Frees the prepared weights. */
  dispose(): void;
}

/**
 * Prepares the weights as they are now.
 *
 * @param mayCopy false where memory does not allow copies of the weights
 */
export async function decodingNetwork(decoder: Decoder, mayCopy = true): Promise<DecodingNetwork> {
  const { config, layers, finalNorm } = decoder;
  const weights = await decodingWeights(decoder, mayCopy);
  const attention = attentionSettings(decoder);
  return {
    decoder,
    embed: (ids, positions) => keep(scope(() => noGrad(() => decoderInputs(decoder, tensor(ids, [ids.length], 'int64'), tensor(positions, [ids.length], 'int64'))))),
    layer(i, x, rotary, attend, places = null) {
      const next = noGrad(() => keep(scope(() => decoderLayer(x, layers[i]!, weights.layers[i]!, rotary, (q, k, v) => attend(q, k, v, attention[i]!), config, places))));
      x.dispose();
      return next;
    },
    logits: (x) => weights.head(rmsNorm(x, finalNorm, config.normEpsilon, config.normStyle)),
    dispose: () => weights.dispose(),
  };
}
