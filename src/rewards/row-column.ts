/** What rewards read from the dataset row. */
import { z } from 'zod';
import { expected } from '../errors.ts';
import type { Row } from '../data/row.ts';
import { parameter } from './definition.ts';

/** A parameter that names a column of the dataset. */
export function columnParameter(byDefault: string, meaning: string) {
  return parameter(z.string().min(1).default(byDefault), 'the name of a column', meaning);
}

/**
 * A value of the row.
 *
 * @throws InputError when the row has no such column; it lists those that exist
 */
export function columnValue(row: Row, column: string): unknown {
  if (!Object.hasOwn(row, column)) throw expected('column', `to be a column of the dataset (${Object.keys(row).join(', ')})`, column, 'name one of these');
  return row[column];
}

/**
 * A value of the row as text; a number is written as JavaScript writes it. null where the row has null.
 *
 * @throws InputError when the column is missing, or holds neither text nor a number
 */
export function columnText(row: Row, column: string): string | null {
  const value = columnValue(row, column);
  if (value === null || typeof value === 'string') return value;
  if (typeof value === 'number') return String(value);
  throw expected(column, 'to hold text or a number', value, 'change the column with the `map` of the dataset');
}
