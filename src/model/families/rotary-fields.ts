/** Rotary settings out of a `config.json`: transformers 5 has them in `rope_parameters`, older versions beside each other. */
import { expected } from '../../errors.ts';
import type { RotaryScaling, RotarySettings } from '../rope.ts';
import { ConfigFields } from './config-fields.ts';

const none = new ConfigFields({});

/** Names under which configs ask for LongRoPE. */
const longRopeNames = ['longrope', 'su'];

/** The object with the rotary settings; `rope_scaling` goes first, as in transformers. Empty where there is none. */
export function rotaryParameters(fields: ConfigFields): ConfigFields {
  return fields.object('rope_scaling') ?? fields.object('rope_parameters') ?? none;
}

/** What a family says of its rotary embedding. */
export interface RotaryDefaults {
  theta: number;
  headDim: number;
  contextLength: number;
  /** The family may rotate a part of each head. */
  partial?: boolean;
  /** The family knows LongRoPE. */
  longRope?: boolean;
}

/** The rotary embedding that `parameters` describe, with the fields of the whole config for what they leave out. */
export function rotarySettings(parameters: ConfigFields, fields: ConfigFields, { theta, headDim, contextLength, partial = false, longRope = false }: RotaryDefaults): RotarySettings {
  const share = parameters.maybeNumber('partial_rotary_factor') ?? fields.maybeNumber('partial_rotary_factor') ?? 1;
  if (share !== 1 && !partial) throw expected('config.json: partial_rotary_factor', 'to be 1 in this family', share, 'rotating a part of each head is not part of its decoder');
  const width = Math.trunc(headDim * share);
  if (width % 2 !== 0) throw expected('config.json: head_dim', 'to leave an even number of elements to rotate', width, 'the config is damaged');
  return {
    theta: parameters.maybeNumber('rope_theta') ?? fields.maybeNumber('rope_theta') ?? theta,
    width,
    scaling: longRope ? longRopeScaling(parameters, fields, width / 2, contextLength) : rotaryScaling(parameters, fields.maybeNumber('original_max_position_embeddings'), contextLength),
  };
}

function typeName(parameters: ConfigFields): 'rope_type' | 'type' {
  return parameters.text('rope_type') === null ? 'type' : 'rope_type';
}

/** Of a family that is either plain or scaled by LongRoPE. */
function longRopeScaling(parameters: ConfigFields, fields: ConfigFields, pairs: number, contextLength: number): RotaryScaling | null {
  const name = typeName(parameters);
  parameters.only(name, ['default', ...longRopeNames], 'other scalings are not part of this family');
  if (!longRopeNames.includes(parameters.text(name) ?? 'default')) return null;
  const context = parameters.maybeNumber('original_max_position_embeddings') ?? fields.number('original_max_position_embeddings');
  const factor = parameters.maybeNumber('factor') ?? contextLength / context;
  const magnitude = factor <= 1 ? 1 : Math.sqrt(1 + Math.log(factor) / Math.log(context));
  return { type: 'longrope', factors: parameters.numbers('short_factor', pairs), magnitude: parameters.maybeNumber('attention_factor') ?? magnitude, context };
}

function rotaryScaling(parameters: ConfigFields, original: number | null, contextLength: number): RotaryScaling | null {
  const name = typeName(parameters);
  const type = parameters.text(name) ?? 'default';
  parameters.only(name, ['default', ...Object.keys(scalings)], 'other scalings are not part of this version');
  if (type === 'default') return null;
  const context = original ?? parameters.number('original_max_position_embeddings', contextLength);
  return scalings[type as keyof typeof scalings](parameters, context);
}

const scalings: { readonly [Type in Exclude<RotaryScaling['type'], 'longrope'>]: (parameters: ConfigFields, context: number) => RotaryScaling } = {
  linear: (parameters) => ({ type: 'linear', factor: parameters.number('factor') }),
  llama3: (parameters, context) => ({
    type: 'llama3',
    factor: parameters.number('factor'),
    lowFactor: parameters.number('low_freq_factor'),
    highFactor: parameters.number('high_freq_factor'),
    context,
  }),
  yarn: (parameters, context) => ({
    type: 'yarn',
    factor: parameters.number('factor'),
    magnitude: parameters.maybeNumber('attention_factor') ?? yarnMagnitude(parameters),
    betaFast: parameters.number('beta_fast', 32),
    betaSlow: parameters.number('beta_slow', 1),
    truncate: parameters.flag('truncate', true),
    context,
  }),
};

// Peng et al. 2023, equation 22, and DeepSeek's ratio of two such factors.
function yarnMagnitude(parameters: ConfigFields): number {
  const factor = parameters.number('factor');
  const magnitude = (scale: number) => (factor <= 1 ? 1 : 0.1 * scale * Math.log(factor) + 1);
  const [above, below] = [parameters.maybeNumber('mscale'), parameters.maybeNumber('mscale_all_dim')];
  return above !== null && below !== null ? magnitude(above) / magnitude(below) : magnitude(1);
}
