/** Mistral (Jiang et al. 2023): a sliding window in every layer. */
import { everyLayer, plainDecoder, requireSilu } from './plain-decoder.ts';
import type { Family } from './plain-decoder.ts';

/** `model_type` mistral. */
export const mistral: Family = (fields) => {
  requireSilu(fields);
  const plain = plainDecoder(fields, { contextLength: 131_072, keyValueHeads: 8 });
  return { ...plain, windows: everyLayer(plain.layers, fields.maybeNumber('sliding_window', 4096)) };
};
