/** Dataset rows → prompts: what the row asks, as text and as token ids, within `maxPromptLength`. */
import { breathe } from '../tensor/breathe.ts';
import { promptOf } from '../data/prompt-column.ts';
import { rowName } from '../data/row.ts';
import type { Row } from '../data/row.ts';
import { expected } from '../errors.ts';
import { encodeChat } from '../text/chat-template.ts';
import type { Tokenizer } from '../text/tokenizer.ts';
import type { ResolvedOptions } from './options.ts';
import type { Prompt } from './types.ts';

/** What reading a prompt needs to know. */
export interface PromptSettings extends Pick<ResolvedOptions, 'prompt' | 'promptTooLong' | 'maxPromptLength' | 'addSpecialTokens' | 'chatTemplateKwargs'> {
  tokenizer: Tokenizer;
  /** Most tokens a prompt may have. */
  limit: number;
}

/** `maxPromptLength`, or what the context leaves beside the longest completion. */
export function promptLimit({ maxPromptLength, maxCompletionLength }: Pick<ResolvedOptions, 'maxPromptLength' | 'maxCompletionLength'>, contextLength: number): number {
  const room = contextLength - maxCompletionLength;
  if (room < 1) {
    throw expected('maxCompletionLength', `to leave room for a prompt in the context of ${contextLength} tokens`, maxCompletionLength, 'lower it');
  }
  if (maxPromptLength !== null && maxPromptLength > room) {
    throw expected('maxPromptLength', `to fit the context of ${contextLength} tokens beside ${maxCompletionLength} of completion`, maxPromptLength, 'lower one of the two');
  }
  return maxPromptLength ?? room;
}

/**
 * The prompt of one row, or null when it is too long and `promptTooLong` is `'skip'`.
 *
 * @param index position of the row in the dataset
 * @throws InputError for a missing column, an empty prompt, messages without a chat template, or a prompt that is too long
 */
export function readPrompt(row: Row, index: number, settings: PromptSettings): Prompt | null {
  return withinLimit(encodePrompt(row, index, settings), settings);
}

function withinLimit(prompt: Prompt, { tokenizer, limit, promptTooLong }: PromptSettings): Prompt | null {
  if (prompt.ids.length <= limit) return prompt;
  if (promptTooLong === 'skip') return null;
  if (promptTooLong === 'truncateLeft') {
    const ids = prompt.ids.slice(-limit);
    return { ...prompt, ids, text: tokenizer.decode(ids, { skipSpecialTokens: false }) };
  }
  throw expected(
    'prompt',
    `to have at most ${limit} tokens`,
    `${prompt.ids.length} tokens in ${rowName(prompt.row, prompt.index)}`,
    "raise `maxPromptLength`, or set `promptTooLong` to 'skip' or 'truncateLeft'",
  );
}

/** What a row asks, as long as it is. */
function encodePrompt(row: Row, index: number, settings: PromptSettings): Prompt {
  const { tokenizer } = settings;
  const source = promptOf(row, index, settings.prompt);
  const read =
    typeof source === 'string'
      ? { text: source, ids: tokenizer.encode(source, { addSpecialTokens: settings.addSpecialTokens }) }
      : encodeChat(tokenizer, source, { kwargs: settings.chatTemplateKwargs });
  if (read.ids.length === 0) throw expected('prompt', 'to have at least one token', source, `correct ${rowName(row, index)}`);
  return { index, row, source, ...read };
}

/** What is known of a dataset's prompts before the first step. */
export interface PromptSurvey {
  /** The rows whose prompts are used. */
  rows: Row[];
  /** Their positions in the dataset. */
  positions: number[];
  lengths: number[];
  plainStrings: number;
  skipped: number;
  truncated: number;
}

/** Reads every prompt of a dataset once, so that a bad one is found before the first step. */
export async function surveyPrompts(rows: readonly Row[], settings: PromptSettings): Promise<PromptSurvey> {
  const survey: PromptSurvey = { rows: [], positions: [], lengths: [], plainStrings: 0, skipped: 0, truncated: 0 };
  for (const [index, row] of rows.entries()) {
    const asked = encodePrompt(row, index, settings);
    const prompt = withinLimit(asked, settings);
    await breathe();
    if (!prompt) {
      survey.skipped += 1;
      continue;
    }
    survey.rows.push(row);
    survey.positions.push(index);
    survey.lengths.push(prompt.ids.length);
    if (typeof prompt.source === 'string') survey.plainStrings += 1;
    if (prompt.ids.length < asked.ids.length) survey.truncated += 1;
  }
  if (survey.rows.length === 0) {
    throw expected('dataset', `to hold a prompt of at most ${settings.limit} tokens`, `${rows.length} longer ones, all skipped`, 'raise `maxPromptLength`');
  }
  return survey;
}
