/** Qwen2 and Qwen2.5: biases of queries, keys and values. Qwen3: none, but norms of query and key heads. */
import type { DecoderConfig } from '../decoder-config.ts';
import type { ConfigFields } from './config-fields.ts';
import { attentionBias, layerTypes, plainDecoder, requireSilu, windowsOf } from './plain-decoder.ts';
import type { Family, FamilyDefaults } from './plain-decoder.ts';

/** `model_type` qwen2. */
export const qwen2: Family = (fields) => ({ ...qwen(fields), queryKeyValueBias: true });

/** `model_type` qwen3. */
export const qwen3: Family = (fields) => ({ ...qwen(fields, { headDim: 128 }), ...attentionBias(fields), queryKeyNorm: 'head' });

function qwen(fields: ConfigFields, defaults: FamilyDefaults = {}): DecoderConfig {
  requireSilu(fields);
  const plain = plainDecoder(fields, { contextLength: 32_768, keyValueHeads: 32, ...defaults });
  // The size of the window alone means nothing here: published configs carry one and switch it off.
  const window = fields.flag('use_sliding_window', false) ? fields.maybeNumber('sliding_window', 4096) : null;
  const fullBelow = window === null ? plain.layers : (fields.maybeNumber('max_window_layers', 28) ?? 0);
  return { ...plain, windows: windowsOf(layerTypes(fields, plain.layers, (layer) => layer >= fullBelow), window) };
}
