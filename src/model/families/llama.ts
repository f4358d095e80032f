/** Llama 2 and 3, SmolLM, SmolLM2 (Touvron et al. 2023): the plain decoder. */
import { attentionBias, plainDecoder, requireSilu } from './plain-decoder.ts';
import type { Family } from './plain-decoder.ts';

/** `model_type` llama. */
export const llama: Family = (fields) => {
  requireSilu(fields);
  return { ...plainDecoder(fields), ...attentionBias(fields), feedForwardBias: fields.flag('mlp_bias', false) };
};
