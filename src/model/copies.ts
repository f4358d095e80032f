/** Copies of a network: what a reference policy is, and how it follows the trained one. */
import { noGrad } from '../tensor/autograd.ts';
import { breathe } from '../tensor/breathe.ts';
import * as ops from '../tensor/ops.ts';
import { scope } from '../tensor/scope.ts';
import { assembleDecoder } from './decoder.ts';
import type { Decoder } from './decoder.ts';
import { adaptDecoder, copyAdapter } from './lora.ts';
import { copyWeight } from './weight.ts';

/** A frozen copy, as a reference policy. An adapter's network is shared: only what training changes is copied. */
export function copyDecoder(source: Decoder): Decoder {
  if (source.adapter) return adaptDecoder(copyAdapter(source.adapter));
  const weights = new Map([...source.weights].map(([name, weight]) => [name, noGrad(() => copyWeight(weight))]));
  return assembleDecoder(source.config, weights, source.dtype, source.attention);
}

/** target ← α·source + (1−α)·target, trained tensor by trained tensor; α = 1 copies. */
export async function mixDecoder(target: Decoder, source: Decoder, alpha: number): Promise<void> {
  for (const [name, weight] of target.trained) {
    scope(() => {
      noGrad(() => ops.lerp_(weight, source.trained.get(name)!, alpha));
    });
    await breathe();
  }
}
