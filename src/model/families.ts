/**
 * Model families: what a `config.json` says becomes one `DecoderConfig`, and the decoder reads nothing else. A new family
 * is a file in families/, a row here and a fixture in its test; GGUF files lead to a `model_type` by the record of their
 * architecture in weights/gguf-architectures.ts (docs/families.md).
 */
import { InputError, expected } from '../errors.ts';
import type { DecoderConfig } from './decoder-config.ts';
import { ConfigFields } from './families/config-fields.ts';
import { gemma, gemma2, gemma3Text } from './families/gemma.ts';
import { llama } from './families/llama.ts';
import { mistral } from './families/mistral.ts';
import { olmo2 } from './families/olmo2.ts';
import { phi3 } from './families/phi3.ts';
import type { Family } from './families/plain-decoder.ts';
import { qwen2, qwen3 } from './families/qwen.ts';
import { smollm3 } from './families/smollm3.ts';

/** `model_type` of config.json → how to read it. */
export const families: Readonly<Record<string, Family>> = { llama, mistral, qwen2, qwen3, smollm3, gemma, gemma2, gemma3_text: gemma3Text, phi3, olmo2 };

/**
 * The decoder's view of a `config.json`.
 *
 * @throws InputError for an unknown `model_type`, with the list of known ones, and for fields that are missing or unsupported
 */
export function decoderConfig(config: Readonly<Record<string, unknown>>): DecoderConfig {
  const type = String(config.model_type);
  const family = Object.hasOwn(families, type) ? families[type] : undefined;
  if (!family) {
    throw new InputError(
      `Expected config.json: \`model_type\` to be one of ${Object.keys(families).join(', ')}, got ${JSON.stringify(config.model_type)}; ` +
        'use a model of a known family.',
      { modelType: config.model_type, known: Object.keys(families) },
    );
  }
  const read = family(new ConfigFields(config));
  if (read.heads % read.keyValueHeads !== 0) {
    throw expected('config.json: num_key_value_heads', `to divide the ${read.heads} attention heads`, read.keyValueHeads, 'the config is damaged');
  }
  return read;
}
