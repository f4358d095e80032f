import type { JsonObject } from './json-file.ts';

/**
 * Fields of a `config.json` that hold real numbers. JavaScript writes 30.0 as 30, and transformers 5 refuses a whole number
 * where its config class says float.
 */
const REAL_FIELDS = [
  'attn_logit_softcapping',
  'final_logit_softcapping',
  'initializer_range',
  'rms_norm_eps',
  'rope_theta',
  'rope_local_base_freq',
  'partial_rotary_factor',
  'factor',
  'low_freq_factor',
  'high_freq_factor',
  'attention_factor',
  'beta_fast',
  'beta_slow',
  'mscale',
  'mscale_all_dim',
];

/** One key a line, as JSON.stringify indents; a text cannot look like such a line, since its quotes and line ends are escaped. */
const wholeReal = new RegExp(`^( *"(?:${REAL_FIELDS.join('|')})": -?\\d+)(,?)$`, 'gm');

/** The text of a `config.json`, in which real numbers stay real numbers for Python. */
export function configText(config: JsonObject): string {
  return `${JSON.stringify(config, null, 2).replace(wholeReal, '$1.0$2')}\n`;
}
