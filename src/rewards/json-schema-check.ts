/** Looks for mistakes in a JSON schema before a run: the validator itself passes over keywords that it does not know. */
import { dereference, format as formats, type Schema, type SchemaDraft } from '@cfworker/json-schema';
import { expected } from '../errors.ts';
import { nearestName } from '../text/nearest-name.ts';

/** Where a keyword holds schemas: itself, in a list, under names, or nowhere. */
type Content = 'schema' | 'list' | 'map' | 'value';

const keywords: Readonly<Record<string, readonly Content[]>> = {
  ...all(['value'], '$schema $id id $ref $anchor $recursiveRef $recursiveAnchor $comment $vocabulary title description default examples deprecated readOnly writeOnly'),
  ...all(['value'], 'type const enum required format minProperties maxProperties dependentRequired minContains maxContains minItems maxItems uniqueItems'),
  ...all(['value'], 'minimum maximum exclusiveMinimum exclusiveMaximum multipleOf minLength maxLength pattern contentEncoding contentMediaType'),
  ...all(['schema'], 'not if then else additionalProperties unevaluatedProperties propertyNames additionalItems unevaluatedItems contains contentSchema'),
  ...all(['list'], 'anyOf allOf oneOf prefixItems'),
  ...all(['map'], '$defs definitions properties patternProperties dependentSchemas dependencies'),
  items: ['schema', 'list'],
};

const types = ['array', 'boolean', 'integer', 'null', 'number', 'object', 'string'];

const drafts: Readonly<Record<string, SchemaDraft>> = {
  'json-schema.org/draft/2020-12/schema': '2020-12',
  'json-schema.org/draft/2019-09/schema': '2019-09',
  'json-schema.org/draft-07/schema': '7',
  'json-schema.org/draft-04/schema': '4',
};

function all(content: readonly Content[], names: string): Record<string, readonly Content[]> {
  return Object.fromEntries(names.split(' ').map((name) => [name, content]));
}

/**
 * A copy of a schema that the validator may mark, and its draft.
 *
 * @throws InputError for a draft, keyword, type, format, pattern or reference that cannot be checked
 */
export function checkedSchema(given: boolean | Readonly<Record<string, unknown>>): { schema: Schema | boolean; draft: SchemaDraft } {
  if (typeof given === 'boolean') return { schema: given, draft: '2020-12' };
  const named = given.$schema === undefined ? '2020-12' : drafts[String(given.$schema).replace(/^https?:\/\/|#$/g, '')];
  if (named === undefined) throw wrong('$schema', 'to be draft 4, 7, 2019-09 or 2020-12', given.$schema, 'translate the schema');
  // The validator writes into it.
  const schema = structuredClone(given) as Schema;
  const known = dereference(schema);
  checkSchema(schema, [], known);
  return { schema, draft: named };
}

function checkSchema(schema: unknown, path: readonly string[], known: Readonly<Record<string, unknown>>): void {
  if (typeof schema === 'boolean') return;
  const place = path.join('.');
  if (typeof schema !== 'object' || schema === null || Array.isArray(schema)) throw wrong(place, 'to be a schema', schema, 'write an object, true or false');
  for (const [keyword, value] of Object.entries(schema)) {
    if (keyword.startsWith('x-')) continue;
    const contents = Object.hasOwn(keywords, keyword) ? keywords[keyword]! : null;
    if (contents === null) {
      const near = nearestName(keyword, Object.keys(keywords));
      throw wrong(place, 'to have keywords of JSON Schema', keyword, near === null ? 'remove it' : `write \`${near}\``);
    }
    checkValue(keyword, value, [...path, keyword]);
    for (const [inner, innerPath] of schemasIn(contents, value)) checkSchema(inner, [...path, keyword, ...innerPath], known);
  }
  const { $ref, __absolute_ref__: target } = schema as Schema;
  if ($ref !== undefined && !Object.hasOwn(known, target ?? $ref)) throw wrong([...path, '$ref'].join('.'), 'to name a part of this schema', $ref, 'put it under `$defs`; nothing is fetched');
}

function schemasIn(contents: readonly Content[], value: unknown): [schema: unknown, path: string[]][] {
  if (contents.includes('list') && Array.isArray(value)) return value.map((one: unknown, i) => [one, [String(i)]]);
  if (contents.includes('schema')) return [[value, []]];
  // A list of names in `dependencies` holds no schema.
  if (contents.includes('map')) return Object.entries(value as object).flatMap(([name, one]) => (Array.isArray(one) ? [] : [[one as unknown, [name]]]));
  return contents.includes('list') ? [[value, []]] : [];
}

/** Values that would silently accept or refuse everything. */
function checkValue(keyword: string, value: unknown, path: readonly string[]): void {
  const place = path.join('.');
  const unknownType = keyword === 'type' ? [value].flat().find((one) => !types.includes(String(one))) : undefined;
  if (unknownType !== undefined) throw wrong(place, `to be one of ${types.join(', ')}`, unknownType, 'correct it');
  if (keyword === 'format' && !Object.hasOwn(formats, String(value))) throw wrong(place, `to be one of ${Object.keys(formats).join(', ')}`, value, 'use one of these, or `pattern`');
  if (keyword === 'required' && !(Array.isArray(value) && value.every((one) => typeof one === 'string'))) throw wrong(place, 'to be a list of names', value, 'correct it');
  for (const pattern of keyword === 'pattern' ? [value] : keyword === 'patternProperties' ? Object.keys(value as object) : []) checkPattern(pattern, place);
}

function checkPattern(pattern: unknown, place: string): void {
  try {
    RegExp(String(pattern), 'u');
  } catch (error) {
    throw wrong(place, `to be a regular expression (${error instanceof Error ? error.message : String(error)})`, pattern, 'correct it');
  }
}

const wrong = (place: string, wanted: string, got: unknown, mend: string): Error =>
  expected(place === '' ? 'jsonSchema.schema' : `jsonSchema.schema.${place}`, wanted, got, mend);
