/** Dataset rows → the questions of an evaluation, each read as a training run reads its prompts. */
import { createHash } from 'node:crypto';
import { requireColumn } from '../data/shape.ts';
import { loadDataset } from '../data/source.ts';
import type { DatasetInput } from '../data/source.ts';
import type { Row } from '../data/row.ts';
import { expected } from '../errors.ts';
import { readPrompt } from '../grpo/prompts.ts';
import type { PromptSettings } from '../grpo/prompts.ts';
import type { Prompt } from '../grpo/types.ts';
import { goldAnswer } from '../rewards/answer-extraction.ts';
import { breathe } from '../tensor/breathe.ts';
import type { ResolvedEvaluation } from './evaluation-options.ts';

/** One question, ready for the model. */
export interface Question {
  prompt: Prompt;
  /** The right answer; null where the row has none, or none is asked for. */
  gold: string | null;
}

/** All rows of the dataset. One that comes row by row is read to its end. */
export async function evaluationRows({ dataset, prompt, answer, cacheDir }: ResolvedEvaluation, onMessage: (line: string) => void): Promise<Row[]> {
  const loaded = await loadDataset(dataset as DatasetInput, { cacheDir, onMessage });
  const rows: Row[] = [];
  for await (const row of loaded.kind === 'rows' ? loaded.rows : loaded.open()) rows.push(row);
  if (rows.length === 0) throw expected('dataset', 'to hold at least one row', 'no rows', 'check the file, the split and the filter');
  for (const column of [answer, typeof prompt === 'string' ? prompt : null]) if (column !== null) requireColumn(rows, column);
  return rows;
}

/**
 * The questions of some rows, each with its right answer.
 *
 * @throws InputError for a prompt that cannot be used, or a row whose right answer cannot be found
 */
export async function readQuestions(rows: readonly Row[], { answer, gold }: Pick<ResolvedEvaluation, 'answer' | 'gold'>, settings: PromptSettings): Promise<Question[]> {
  const questions: Question[] = [];
  for (const [index, row] of rows.entries()) {
    const prompt = readPrompt(row, index, settings);
    if (prompt) questions.push({ prompt, gold: answer === null ? null : goldAnswer(row, answer, gold) });
    await breathe();
  }
  if (questions.length === 0) throw expected('dataset', `to hold a prompt of at most ${settings.limit} tokens`, `${rows.length} longer ones, all skipped`, 'raise `maxPromptLength`');
  return questions;
}

/** Names the questions: whatever changes what is asked, or what is right, changes it. */
export function questionsFingerprint(questions: readonly Question[]): string {
  const hash = createHash('sha256');
  for (const { prompt, gold } of questions) hash.update(`${JSON.stringify([prompt.index, prompt.text, prompt.ids.length, gold])}\n`);
  return hash.digest('hex');
}
