/** OLMo 2 (OLMo Team 2024): norms behind the two parts of a layer instead of before them, and over all query and key heads. */
import { attentionBias, plainDecoder, requireSilu } from './plain-decoder.ts';
import type { Family } from './plain-decoder.ts';

/** `model_type` olmo2. */
export const olmo2: Family = (fields) => {
  requireSilu(fields);
  const plain = plainDecoder(fields, { normEpsilon: 1e-5, paddingId: 1 });
  return {
    ...plain,
    rotary: plain.rotary.map((settings) => settings && { ...settings, wide: true }),
    ...attentionBias(fields),
    norms: { attentionOutputNorm: 'post_attention_layernorm', feedForwardOutputNorm: 'post_feedforward_layernorm' },
    normStyle: 'wide',
    queryKeyNorm: 'whole',
  };
};
