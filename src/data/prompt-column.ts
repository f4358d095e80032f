/** The prompt of a row. */
import { expected } from '../errors.ts';
import type { Message } from '../text/message.ts';
import { rowName } from './row.ts';
import type { Row } from './row.ts';
import { requireColumn } from './shape.ts';

/**
 * What a row asks the model: the value of a column, or what a function makes of the row.
 *
 * @param index position of the row in the dataset, for errors
 * @throws InputError when the column is missing, or the prompt is neither text nor messages, or empty
 */
export function promptOf(row: Row, index: number, prompt: string | ((row: Row) => string | Message[])): string | Message[] {
  if (typeof prompt === 'string' && row[prompt] === undefined) requireColumn([row], prompt, index);
  const value: unknown = typeof prompt === 'string' ? row[prompt] : prompt(row);
  if (typeof value === 'string' && value !== '') return value;
  if (Array.isArray(value) && value.length > 0 && value.every(isMessage)) return value;
  throw expected('prompt', 'to be text or messages ({ role, content }), not empty', value, `correct ${rowName(row, index)}`);
}

function isMessage(value: unknown): value is Message {
  return typeof value === 'object' && value !== null && 'role' in value && typeof value.role === 'string' && 'content' in value && typeof value.content === 'string';
}
