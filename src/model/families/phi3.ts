/** Phi-3 (Abdin et al. 2024): q-k-v and gate-up stand in one matrix each; Phi-4-mini rotates a part of each head. */
import { everyLayer, plainDecoder, requireSilu } from './plain-decoder.ts';
import type { Family } from './plain-decoder.ts';
import { rotaryParameters } from './rotary-fields.ts';

/** `model_type` phi3. */
export const phi3: Family = (fields) => {
  requireSilu(fields);
  // transformers reads `yarn` as LongRoPE here, whose frequencies change with the length of the sequence.
  for (const name of ['rope_type', 'type']) rotaryParameters(fields).only(name, ['default'], 'LongRoPE is not part of this version');
  const plain = plainDecoder(fields, { contextLength: 4096, normEpsilon: 1e-5, paddingId: 32_000, partialRotary: true });
  return { ...plain, fusedProjections: true, windows: everyLayer(plain.layers, fields.maybeNumber('sliding_window')) };
};
