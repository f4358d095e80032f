/**
 * Built-in rewards as text, for `--reward` and recipes: `length:50`, `lengthBounds:10:200:unit=tokens`,
 * `tagCount:{"tags":{"</answer>":1}}`.
 */
import { expected } from '../errors.ts';
import { parameterInfo } from './definition.ts';
import type { Parameters, RewardDefinition } from './definition.ts';

type AnyDefinition = RewardDefinition<Parameters, unknown>;

/** How a reward is written, without what only a name can give and need not be given: `length:TARGET[:UNIT]`. */
export function usage({ name, parameters, positional = [] }: Pick<AnyDefinition, 'name' | 'parameters' | 'positional'>): string {
  const required = (key: string): boolean => parameterInfo(parameters[key]!).default === undefined;
  const inOrder = positional.map((key) => (required(key) ? `:${placeholder(key)}` : `[:${placeholder(key)}]`));
  const named = Object.keys(parameters).filter((key) => !positional.includes(key) && required(key));
  return [name, ...inOrder, ...named.map((key) => `:${key}=…`)].join('');
}

/** maxLen → MAX_LEN */
const placeholder = (key: string): string => key.replace(/[A-Z]/g, '_$&').toUpperCase();

/**
 * The parameters written after the name of a reward: values in the order of `positional`, `key=value`, or everything as
 * one JSON object. A value is read as text where its parameter takes text, as JSON otherwise. A value that holds a colon
 * needs the JSON object, except in the parameter that takes the rest.
 *
 * @param text what follows the first colon; null when there is none
 * @returns what was given, names that the reward does not know among it; the reward checks it
 * @throws InputError for a value without a place, a parameter given twice, or JSON that is none
 */
export function parametersFromText(definition: AnyDefinition, text: string | null): Record<string, unknown> {
  if (text === null) return {};
  if (text.startsWith('{')) return jsonParameters(definition, text);
  const { name, parameters, positional = [], takesRest } = definition;
  const given: Record<string, unknown> = {};
  const waiting = [...positional];
  let rest: string | null = text;
  while (rest !== null) {
    const named = /^(\w+)=/.exec(rest)?.[1];
    // `targt=5` is a misspelt name and no value; only in the parameter that takes the rest may it be one.
    const isNamed: boolean = named !== undefined && (Object.hasOwn(parameters, named) || waiting[0] === undefined || waiting[0] !== takesRest);
    const key: string | undefined = isNamed ? named! : waiting.shift();
    if (key === undefined || Object.hasOwn(given, key)) {
      throw expected('reward', `to be written ${usage(definition)}`, `${name}:${text}`, key === undefined ? `remove \`${rest}\`, name its parameter, or write all of them as one JSON object` : `give \`${key}\` once`);
    }
    if (isNamed) rest = rest.slice(key.length + 1);
    const end: number = key === takesRest && !isNamed ? -1 : rest.indexOf(':');
    given[key] = valueFromText(parameters[key], end < 0 ? rest : rest.slice(0, end));
    rest = end < 0 ? null : rest.slice(end + 1);
  }
  return given;
}

function jsonParameters({ name }: AnyDefinition, text: string): Record<string, unknown> {
  try {
    return JSON.parse(text) as Record<string, unknown>;
  } catch {
    throw expected('reward', `to have its parameters as JSON after \`${name}:\``, text, 'correct the JSON');
  }
}

/** What fits the parameter: the text itself, or what it says as JSON. What fits neither way is left for the check to refuse. */
function valueFromText(schema: Parameters[string] | undefined, text: string): unknown {
  if (schema === undefined || schema.safeParse(text).success) return text;
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
