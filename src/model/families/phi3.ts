/**
 * Phi-3 (Abdin et al. 2024): q-k-v and gate-up stand in one matrix each; Phi-4-mini rotates a part of each head. Models
 * with LongRoPE run up to their first context: beyond it other frequencies would hold for the whole text, so that no
 * token could be added without computing all keys again.
 */
import { everyLayer, plainDecoder, requireSilu } from './plain-decoder.ts';
import type { Family } from './plain-decoder.ts';

/** `model_type` phi3. */
export const phi3: Family = (fields) => {
  requireSilu(fields);
  const plain = plainDecoder(fields, { contextLength: 4096, normEpsilon: 1e-5, paddingId: 32_000, partialRotary: true, longRope: true });
  return { ...plain, fusedProjections: true, windows: everyLayer(plain.layers, fields.maybeNumber('sliding_window')) };
};
