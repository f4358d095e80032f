import { Validator } from '@cfworker/json-schema';
import { z } from 'zod';
import { extractAnswer, extractionParameter } from './answer-extraction.ts';
import { defineReward, parameter, scoreParameter, type PureReward } from './definition.ts';
import { checkedSchema } from './json-schema-check.ts';

/** `score` when the extracted text is JSON that the schema accepts, `parsed` when it is JSON that it refuses, else 0. */
export const jsonSchema = defineReward({
  name: 'jsonSchema',
  rule: '`score` when the extracted text is JSON that the schema accepts, `parsed` when it is JSON that the schema refuses, 0 when it is no JSON',
  range: '0, `parsed` or `score`',
  source: 'JSON Schema, drafts 4, 7, 2019-09 and 2020-12, by its `$schema`; 2020-12 without one',
  parameters: {
    schema: parameter(z.union([z.boolean(), z.record(z.string(), z.unknown())]), 'a JSON schema', 'what is accepted; unknown keywords are refused'),
    extract: extractionParameter('whole', "where the JSON stands; `'fence'` for a block between backticks"),
    parsed: parameter(z.number().default(0), 'a number', 'what JSON that the schema refuses earns'),
    score: scoreParameter,
  },
  make: ({ schema, extract, parsed, score }): PureReward => {
    const { draft, schema: usable } = checkedSchema(schema);
    const validator = new Validator(usable, draft);
    return ({ completion }) => {
      const found = parseJson(extractAnswer(completion.text, extract));
      if (found === null) return 0;
      return accepts(validator, found.value) ? score : parsed;
    };
  },
});

/** In a box, since `null` is JSON. */
function parseJson(text: string | null): { value: unknown } | null {
  if (text === null) return null;
  try {
    return { value: JSON.parse(text) };
  } catch {
    return null;
  }
}

function accepts(validator: Validator, value: unknown): boolean {
  try {
    return validator.validate(value).valid;
  } catch (error) {
    // A schema that refers to itself, on a value nested deeper than the stack.
    if (error instanceof RangeError) return false;
    throw error;
  }
}
