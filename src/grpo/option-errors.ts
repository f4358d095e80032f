/** What zod found wrong, in the sentences of this project. */
import type { z } from 'zod';
import { expected, InputError, show } from '../errors.ts';
import { nearestName } from '../text/nearest-name.ts';
import type { OptionInfo } from './option-fields.ts';
import { notYetNames, optionSchema, valuesNotYet } from './option-schema.ts';

type Issue = z.core.$ZodIssue;

/** TRL's names that have another name or another shape here. */
const namesElsewhere: Readonly<Record<string, string>> = {
  perDeviceTrainBatchSize: 'promptsPerStep` and `microBatch',
  gradientAccumulationSteps: 'promptsPerStep` and `microBatch',
  generationBatchSize: 'promptsPerStep` and `stepsPerGeneration',
  trainDataset: 'dataset',
  rewardFuncs: 'rewards',
  modelNameOrPath: 'model',
  maxNewTokens: 'maxCompletionLength',
  peftConfig: 'lora',
  lrSchedulerKwargs: 'lrMinRatio`, `lrCycles`, `lrPower` or `lrDecayRatio',
  bf16: 'dtype',
  fp16: 'dtype',
};

/** The options of a schema by name. */
type Shape = Readonly<Record<string, z.ZodType>>;

/**
 * The first issue as an error. Issues come in the order of the schema, unknown keys last.
 *
 * @param shape the options of the schema that was not met; those of a run where it is left out
 */
export function optionError(issues: readonly Issue[], input: Readonly<Record<string, unknown>>, shape: Shape = optionSchema.shape): InputError {
  // A misspelt required option is also a missing one; the misspelling is the cause.
  const unknown = issues.find((issue) => issue.code === 'unrecognized_keys' && issue.path.length === 0);
  return describe(unknown ?? issues[0]!, input, shape);
}

function describe(issue: Issue, input: Readonly<Record<string, unknown>>, shape: Shape): InputError {
  if (issue.code === 'unrecognized_keys') return unknownKey(issue.keys[0]!, issue.path, input, shape);
  if (issue.code === 'invalid_union') {
    const inner = likelyBranch(issue.errors);
    if (inner) return describe({ ...inner, path: [...issue.path, ...inner.path] } as Issue, input, shape);
  }
  const top = String(issue.path[0]);
  const got = at(input, issue.path);
  if (notYetNames.includes(top)) return notYetError(top, got);
  // `cuda:1` is a form of `cuda`.
  if (valuesNotYet[top]?.includes(String(got).split(':')[0]!)) return valueNotYetError(top, got, shape);
  const name = issue.path.map(String).join('.');
  const info = infoOf(top, shape);
  const nested = issue.path.length > 1;
  const wanted = (nested ? wantedByIssue(issue) : (wantedByRange(issue) ?? info.wanted)) ?? wantedByIssue(issue) ?? info.wanted;
  return expected(name, wanted ?? 'to be valid', got, info.mend ?? mendByDefault(top, shape));
}

/** The branch of a union that the value was meant for: its problems lie inside the value, and they are fewest. */
function likelyBranch(branches: readonly (readonly Issue[])[]): Issue | null {
  const inside = branches.flatMap((issues) => {
    if (issues.length === 1 && issues[0]!.code === 'invalid_union' && issues[0]!.path.length === 0) {
      const inner = likelyBranch(issues[0]!.errors);
      return inner ? [[inner]] : [];
    }
    const meant = issues.every((issue) => issue.path.length > 0 || issue.code === 'unrecognized_keys' || wantedByRange(issue) !== null);
    return meant ? [issues] : [];
  });
  const fewest = inside.sort((a, b) => a.length - b.length)[0];
  return fewest?.[0] ?? null;
}

function unknownKey(key: string, path: readonly PropertyKey[], input: Readonly<Record<string, unknown>>, shape: Shape): InputError {
  const place = path.map(String).join('.');
  if (path.length > 0) {
    const info = infoOf(String(path[0]), shape);
    return expected(place, info.wanted ?? 'to be valid', at(input, path), `\`${key}\` is not one of its keys`);
  }
  const near = nearestOption(key, shape);
  const mend = near === null ? 'see docs/options.md for all options' : `did you mean \`${near}\`?`;
  const end = near === null ? '.' : '';
  return new InputError(`Expected an option that tsrl knows, got \`${key}\`; ${mend}${end}`, { name: key, nearest: near });
}

/** The option that was meant by an unknown name, or null. Snake case and names that TRL uses are understood. */
export function nearestOption(written: string, shape: Shape = optionSchema.shape): string | null {
  const camel = written.replace(/[-_]+([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
  const known = Object.keys(shape);
  if (known.includes(camel)) return camel;
  const elsewhere = namesElsewhere[camel];
  return elsewhere && known.includes(elsewhere.split('`')[0]!) ? elsewhere : nearestName(camel, known);
}

function notYetError(name: string, got: unknown): InputError {
  return new InputError(`\`${name}\` is not part of this version yet; remove it (got ${show(got)}).`, { name, got });
}

function valueNotYetError(name: string, got: unknown, shape: Shape): InputError {
  return new InputError(`\`${name}\` ${show(got)} is not part of this version yet; ${mendByDefault(name, shape)}.`, { name, got });
}

function infoOf(name: string, shape: Shape): Partial<OptionInfo> {
  return (shape[name]?.meta() ?? {}) as Partial<OptionInfo>;
}

function mendByDefault(name: string, shape: Shape): string {
  const parsed = shape[name]?.safeParse(undefined);
  return parsed?.success ? `correct it, or leave it out for the default (${infoOf(name, shape).byDefault ?? show(parsed.data)})` : 'correct it';
}

function at(input: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>((value, key) => (value as Record<PropertyKey, unknown> | undefined)?.[key], input);
}

/** The sentence for a number, text or list outside its range. */
function wantedByRange(issue: Issue): string | null {
  if (issue.code !== 'too_small' && issue.code !== 'too_big') return null;
  const [limit, orBeyond, beyond] =
    issue.code === 'too_small' ? [issue.minimum, 'or more', 'above'] : [issue.maximum, 'or less', 'below'];
  if (issue.origin === 'string') return 'to be text that is not empty';
  return issue.inclusive === false ? `to be ${beyond} ${limit}` : `to be ${limit} ${orBeyond}`;
}

const kinds: Readonly<Record<string, string>> = {
  int: 'a whole number',
  number: 'a number',
  string: 'text',
  boolean: 'true or false',
  array: 'a list',
  record: 'an object',
  object: 'an object',
};

function wantedByIssue(issue: Issue): string | null {
  if (issue.code === 'invalid_type') return `to be ${kinds[issue.expected] ?? issue.expected}`;
  if (issue.code === 'invalid_value') return `to be ${oneOf(issue.values.map((value) => (typeof value === 'string' ? `'${value}'` : String(value))))}`;
  return wantedByRange(issue);
}

function oneOf(values: readonly string[]): string {
  return values.length < 2 ? values.join('') : `${values.slice(0, -1).join(', ')} or ${values.at(-1)}`;
}
