import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sampleOf } from '../../test/reward-sample.ts';
import { jsonSchema } from './json-schema.ts';

type Schema = Parameters<typeof jsonSchema>[0]['schema'];

const person = {
  type: 'object',
  properties: { name: { type: 'string', minLength: 2 }, age: { type: 'integer', minimum: 0 } },
  required: ['name'],
  additionalProperties: false,
};

test('1 for what the schema accepts, `parsed` for other JSON, 0 for none', () => {
  const reward = jsonSchema({ schema: person, parsed: 0.1 });
  const texts = ['{"name": "Ada", "age": 36}', ' {"name": "😀😀"} ', '{"name": "😀"}', '{"name": "Ada", "age": 1.5}', '{"name": "Ada", "x": 1}', '{}', 'null', '{"name": "Ada"', 'Ada', ''];
  assert.deepEqual(texts.map((text) => reward(sampleOf(text))), [1, 1, 0.1, 0.1, 0.1, 0.1, 0.1, 0, 0, 0]);
});

test('JSON from the last fenced block', () => {
  const reward = jsonSchema({ schema: person, extract: 'fence' });
  assert.equal(reward(sampleOf('Here it is:\n```json\n{"name": "Ada"}\n```\nEnjoy.')), 1);
  assert.equal(reward(sampleOf('{"name": "Ada"}')), 0);
});

/** Keywords that a converter to other types would pass over, with a value accepted and one refused. */
const keywords: [name: string, schema: Schema, accepted: string, refused: string][] = [
  ['properties without a type', { properties: { a: { type: 'number' } } }, '"text"', '{"a": "x"}'],
  ['const of an object', { const: { a: [1] } }, '{"a": [1]}', '{"a": [2]}'],
  ['enum beside a limit', { enum: [1, 5], minimum: 3 }, '5', '1'],
  ['not', { not: { type: 'string' } }, '1', '"a"'],
  ['if and then', JSON.parse('{"if": {"type": "string"}, "then": {"minLength": 2}}') as Schema, '1', '"a"'],
  ['oneOf', { oneOf: [{ type: 'integer' }, { minimum: 2 }] }, '1', '3'],
  ['dependentRequired', { dependentRequired: { a: ['b'] } }, '{"b": 1}', '{"a": 1}'],
  ['unevaluatedProperties', { allOf: [{ properties: { a: true } }], unevaluatedProperties: false }, '{"a": 1}', '{"b": 1}'],
  ['contains', { contains: { const: 2 }, maxContains: 1 }, '[1, 2]', '[2, 2]'],
  ['uniqueItems', { uniqueItems: true }, '[1, "1"]', '[{"a": 1}, {"a": 1}]'],
  ['prefixItems', { prefixItems: [{ type: 'string' }], items: false }, '["a"]', '["a", 1]'],
  ['items as a list, draft 7', { $schema: 'http://json-schema.org/draft-07/schema#', items: [{ type: 'string' }], additionalItems: false }, '["a"]', '["a", 1]'],
  ['multipleOf', { multipleOf: 0.01 }, '4.02', '4.021'],
  ['pattern', { pattern: '^.$' }, '"😀"', '"ab"'],
  ['format', { format: 'date' }, '"2024-02-29"', '"2023-02-29"'],
  ['a reference to itself', { type: 'array', items: { $ref: '#' } }, '[[], [[]]]', '[[1]]'],
  ['a definition', { $defs: { n: { type: 'number' } }, items: { $ref: '#/$defs/n' } }, '[1]', '["a"]'],
  ['false', false, 'none', '1'],
];
for (const [name, schema, accepted, refused] of keywords) {
  test(`reads ${name}`, () => {
    const reward = jsonSchema({ schema });
    if (schema !== false) assert.equal(reward(sampleOf(accepted)), 1, accepted);
    assert.equal(reward(sampleOf(refused)), 0, refused);
  });
}

const mistakes: [schema: Schema, message: RegExp][] = [
  [{ propertis: {} }, /`jsonSchema\.schema` to have keywords of JSON Schema, got "propertis"; write `properties`/],
  [{ properties: { a: { typ: 'string' } } }, /`jsonSchema\.schema\.properties\.a` .* write `type`/],
  [{ type: 'strng' }, /`jsonSchema\.schema\.type` to be one of array, .*, got "strng"/],
  [{ anyOf: [{ type: ['string', 'text'] }] }, /`jsonSchema\.schema\.anyOf\.0\.type`.*got "text"/],
  [{ format: 'phone' }, /`jsonSchema\.schema\.format` to be one of .*, got "phone"/],
  [{ required: 'a' }, /`jsonSchema\.schema\.required` to be a list of names/],
  [{ pattern: '(' }, /`jsonSchema\.schema\.pattern` to be a regular expression/],
  [{ patternProperties: { '[': true } }, /`jsonSchema\.schema\.patternProperties` to be a regular expression/],
  [{ $ref: '#/$defs/none' }, /`jsonSchema\.schema\.\$ref` to name a part of this schema, got "#\/\$defs\/none"/],
  [{ $schema: 'https://json-schema.org/draft/2030-01/schema' }, /`jsonSchema\.schema\.\$schema` to be draft 4, 7, 2019-09 or 2020-12/],
  [{ items: 3 }, /`jsonSchema\.schema\.items` to be a schema, got 3/],
  ['{}' as unknown as Schema, /`jsonSchema\.schema` to be a JSON schema, got "{}"/],
];
for (const [schema, message] of mistakes) {
  test(`finds the mistake in ${JSON.stringify(schema)}`, () => assert.throws(() => jsonSchema({ schema }), message));
}

test('names of properties are no keywords, and notes of others may stand in a schema', () => {
  const schema = { 'x-note': 1, title: 't', examples: [{ typ: 1 }], properties: { typ: { default: { propertis: 1 } } } };
  assert.equal(jsonSchema({ schema })(sampleOf('{"typ": 1}')), 1);
  assert.deepEqual(Reflect.ownKeys(schema), ['x-note', 'title', 'examples', 'properties'], 'what was given stays as it was');
});

test('a value nested deeper than the stack is refused, not an error', () => {
  const reward = jsonSchema({ schema: { type: 'array', items: { $ref: '#' } }, parsed: 0.1 });
  assert.equal(reward(sampleOf(`${'['.repeat(50_000)}${']'.repeat(50_000)}`)), 0.1);
});
