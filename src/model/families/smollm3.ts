/** SmolLM3: some layers without rotary embedding (Yang et al. 2025); those may have a sliding window. */
import { attentionBias, layerTypes, plainDecoder, requireSilu, windowsOf } from './plain-decoder.ts';
import type { Family } from './plain-decoder.ts';

/** `model_type` smollm3. */
export const smollm3: Family = (fields) => {
  requireSilu(fields);
  const plain = plainDecoder(fields, { contextLength: 32_768, keyValueHeads: 4, ropeTheta: 2_000_000, tiedHead: true, paddingId: 128_004 });
  const interval = fields.number('no_rope_layer_interval', 4);
  // Despite its name, `no_rope_layers` has a 1 for each layer that rotates.
  const rotates = fields.perLayer('no_rope_layers', plain.layers, [0, 1]) ?? plain.rotary.map((_, i) => ((i + 1) % interval === 0 ? 0 : 1));
  const window = fields.flag('use_sliding_window', false) ? fields.maybeNumber('sliding_window') : null;
  return {
    ...plain,
    ...attentionBias(fields),
    feedForwardBias: fields.flag('mlp_bias', false),
    rotary: plain.rotary.map((settings, i) => (rotates[i] === 1 ? settings : null)),
    windows: windowsOf(layerTypes(fields, plain.layers, (layer) => rotates[layer] === 0), window),
  };
};
