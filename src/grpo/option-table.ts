/** The schema as a table, for the docs, the command line and its help. */
import { z } from 'zod';
import { show } from '../errors.ts';
import { notYetNames, optionGroups, optionSchema } from './option-schema.ts';
import type { OptionGroup } from './option-schema.ts';
import type { OptionInfo } from './option-fields.ts';

/** What can be written for an option: `json` stands for objects and lists, `code` for what only a recipe can hold. */
export type OptionKind = 'text' | 'number' | 'boolean' | 'null' | 'json' | 'code';

/** One option as the docs show it. */
export interface OptionRow {
  name: string;
  /** As in `integer ≥ 2` or `'a' | 'b'`. */
  type: string;
  /** As in `8`, `'auto'`, `required`. */
  default: string;
  meaning: string;
  /** The default of the articles the recipes come from; null = not said or the same. */
  articles: string | null;
  /** What the command line may take for it. */
  kinds: ReadonlySet<OptionKind>;
}

/** A heading of the docs with its options. */
export interface OptionTable {
  title: string;
  rows: OptionRow[];
}

/** The parts of JSON Schema that zod writes for our options, with what `option` attached. */
interface JsonSchema extends Partial<OptionInfo> {
  description?: string;
  type?: string;
  const?: unknown;
  enum?: unknown[];
  anyOf?: JsonSchema[];
  items?: JsonSchema;
  default?: unknown;
  minimum?: number;
  maximum?: number;
  exclusiveMinimum?: number;
  exclusiveMaximum?: number;
}

function jsonSchemas(schema: z.ZodType): Readonly<Record<string, JsonSchema>> {
  const whole = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' });
  return whole.properties as Record<string, JsonSchema>;
}

/**
 * The options of this version under their headings.
 *
 * @param groups of a schema of another kind; left out, those of a run
 */
export function optionTables(groups: readonly OptionGroup[] = optionGroups): OptionTable[] {
  const schemas = jsonSchemas(z.strictObject(Object.assign({}, ...groups.map(({ options }) => options)) as Record<string, z.ZodType>));
  return groups.map(({ title, options }) => ({
    title,
    rows: Object.keys(options).map((name) => toRow(name, schemas[name]!)),
  }));
}

/** The options that are known but belong to a later version, with their off values. */
export function notYetTable(): { name: string; off: string; kinds: ReadonlySet<OptionKind> }[] {
  const schemas = jsonSchemas(optionSchema);
  return notYetNames.map((name) => {
    const schema = schemas[name]!;
    return { name, off: schema.type === 'array' ? '[]' : literal(schema.const), kinds: kindsOf(schema) };
  });
}

function toRow(name: string, schema: JsonSchema): OptionRow {
  const byDefault = schema.byDefault ?? ('default' in schema ? literal(schema.default) : 'required');
  return {
    name,
    type: schema.written ?? typeText(schema),
    default: byDefault,
    meaning: schema.description ?? '',
    articles: schema.articles ?? null,
    kinds: kindsOf(schema),
  };
}

function literal(value: unknown): string {
  if (typeof value === 'number' && value > 0 && value < 1e-3) return value.toExponential();
  return typeof value === 'string' ? `'${value}'` : show(value);
}

function typeText(schema: JsonSchema): string {
  if (schema.anyOf) return schema.anyOf.map(typeText).join(' | ');
  if (schema.enum) return schema.enum.map(literal).join(' | ');
  if ('const' in schema) return literal(schema.const);
  if (schema.type === 'array') return `${typeText(schema.items ?? {})}[]`;
  if (schema.type === 'string') return 'text';
  return `${schema.type ?? 'object'}${rangeText(schema)}`;
}

function rangeText({ minimum, maximum, exclusiveMinimum, exclusiveMaximum }: JsonSchema): string {
  const upper = maximum === Number.MAX_SAFE_INTEGER ? undefined : maximum;
  if (minimum !== undefined && upper !== undefined) return ` ${minimum}…${upper}`;
  const parts = [
    minimum === undefined ? '' : `≥ ${minimum}`,
    exclusiveMinimum === undefined ? '' : `> ${exclusiveMinimum}`,
    upper === undefined ? '' : `≤ ${upper}`,
    exclusiveMaximum === undefined ? '' : `< ${exclusiveMaximum}`,
  ].filter((part) => part !== '');
  return parts.length > 0 ? ` ${parts.join(', ')}` : '';
}

const kindOfType: Readonly<Record<string, OptionKind>> = {
  string: 'text',
  number: 'number',
  integer: 'number',
  boolean: 'boolean',
  null: 'null',
  array: 'json',
  object: 'json',
};

function kindsOf(schema: JsonSchema): ReadonlySet<OptionKind> {
  if (schema.anyOf) return new Set(schema.anyOf.flatMap((branch) => [...kindsOf(branch)]));
  return new Set([kindOfType[schema.type ?? (schema.enum ? 'string' : '')] ?? 'code']);
}
