/** How a built-in reward is described: one record per reward, which code, the command line and the docs read. */
import { z } from 'zod';
import { expected } from '../errors.ts';
import { nearestName } from '../text/nearest-name.ts';
import { batchFunction } from './reward.ts';
import type { BatchReward, RewardFunction, RewardSample } from './reward.ts';

/** What a reward of the library looks at: the completion and the dataset row, and nothing else. */
export type ScoredSample = Pick<RewardSample, 'completion' | 'row'>;

/** A reward without side effects: the same sample earns the same. */
export type PureReward = (sample: ScoredSample) => number | null;

/** Parameter name → schema, each made by `parameter`. */
export type Parameters = Readonly<Record<string, z.ZodType>>;
/** What a user gives: parameters with a default may be left out. */
export type Given<P extends Parameters> = z.input<z.ZodObject<P>>;
/** Every parameter with its value. */
export type Values<P extends Parameters> = z.output<z.ZodObject<P>>;

/** One built-in reward. */
export interface RewardDefinition<P extends Parameters, R> {
  /** Its name in text, in `rewards` and in metrics. */
  name: string;
  /** What it gives, in one sentence without a full stop. */
  rule: string;
  /** The values it can give. */
  range: string;
  /** Where the rule comes from. */
  source: string;
  parameters: P;
  /** The parameters that text may give without their name, in this order. */
  positional?: readonly (keyof P & string)[];
  /** The positional parameter that takes all that is left of the text, colons included. */
  takesRest?: keyof P & string;
  /** Makes the reward from checked parameters. */
  make(values: Values<P>): R;
}

/** A definition that can be called with its parameters: `rewards.length({ target: 50 })`. */
export type RewardFactory<P extends Parameters, R> = ((
  ...given: Record<never, never> extends Given<P> ? [given?: Given<P>] : [given: Given<P>]
) => R) & { readonly definition: RewardDefinition<P, R> };

/** What a parameter says about itself. */
interface ParameterInfo {
  description: string;
  wanted: string;
}

/**
 * Describes a parameter.
 *
 * @param schema its check, with its default if it has one
 * @param wanted what it takes, as in "a number of 0 or more"
 * @param meaning what it decides; no full stop at the end
 */
export function parameter<S extends z.ZodType>(schema: S, wanted: string, meaning: string): S {
  return schema.meta({ wanted, description: meaning }) as S;
}

/** What a parameter takes, what it decides, and its default; `undefined` = it must be given. */
export function parameterInfo(schema: z.ZodType): { wanted: string; meaning: string; default: unknown } {
  const { wanted, description } = schema.meta() as unknown as ParameterInfo;
  return { wanted, meaning: description, default: schema.safeParse(undefined).data };
}

/** The parameters of a reward with what they take, for errors: `target (a number of 0 or more), …`. */
export function parameterList(parameters: Parameters): string {
  return Object.entries(parameters)
    .map(([key, schema]) => `${key} (${parameterInfo(schema).wanted})`)
    .join(', ');
}

/** Makes the callable form of a definition. The rewards it makes carry its name, and say as JSON what they were made of. */
export function defineReward<const P extends Parameters, R extends RewardFunction | BatchReward>(
  definition: RewardDefinition<P, R>,
): RewardFactory<P, R> {
  const factory = (given: unknown = {}): R => {
    const parameters = checked(definition, given);
    const reward = definition.make(parameters);
    if (!batchFunction(reward)) Object.defineProperty(reward, 'name', { value: definition.name });
    return recorded(reward, definition.name, parameters);
  };
  return Object.assign(factory, { definition }) as RewardFactory<P, R>;
}

/** Makes a reward say as JSON what it was made of: for `config.json`, which otherwise knows a reward by its name alone. */
export function recorded<R extends RewardFunction | BatchReward>(reward: R, builtin: string, parameters: object): R {
  return Object.defineProperty(reward, 'toJSON', { value: () => ({ builtin, parameters }) });
}

/**
 * What was given, checked, with every default.
 *
 * @throws InputError that names the parameter, what it takes, and the parameters there are
 */
export function checked<P extends Parameters>({ name, parameters }: Pick<RewardDefinition<P, unknown>, 'name' | 'parameters'>, given: unknown): Values<P> {
  const result = z.strictObject(parameters).safeParse(given);
  if (result.success) return result.data as Values<P>;
  const known = Object.keys(parameters);
  const all = known.length > 0 ? `its parameters are ${parameterList(parameters)}` : 'it has no parameters';
  const issues = result.error.issues;
  const unknown = issues.find((issue) => issue.code === 'unrecognized_keys' && issue.path.length === 0);
  if (unknown?.code === 'unrecognized_keys') {
    const near = nearestName(unknown.keys[0]!, known);
    throw expected(name, 'to be given parameters that it has', unknown.keys[0], near === null ? all : `write \`${near}\`; ${all}`);
  }
  const key = String(issues[0]!.path[0] ?? '');
  const schema = parameters[key];
  if (!schema) throw expected(name, 'to be given an object of parameters', given, all);
  throw expected(`${name}.${key}`, `to be ${parameterInfo(schema).wanted}`, (given as Record<string, unknown>)[key], `correct it; ${all}`);
}

/** The parameter `score` of rewards that are earned or not. */
export const scoreParameter = parameter(z.number().default(1), 'a number', 'what is earned');
