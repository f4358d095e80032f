import { requireColumn } from '../data/shape.ts';
import { loadDataset } from '../data/source.ts';
import type { DatasetInput } from '../data/source.ts';
import { expected } from '../errors.ts';
import { breathe } from '../tensor/breathe.ts';
import type { ResolvedOptions } from './options.ts';
import { readPrompt } from './prompts.ts';
import type { PromptSettings } from './prompts.ts';
import type { Prompt } from './types.ts';

/** The prompts of `evalDataset`, read as those of the run; null without one. */
export async function evaluationPrompts({ evalDataset, prompt, cacheDir }: ResolvedOptions, settings: PromptSettings, onMessage: (line: string) => void): Promise<Prompt[] | null> {
  if (evalDataset === null) return null;
  const dataset = await loadDataset(evalDataset as DatasetInput, { cacheDir, onMessage });
  if (dataset.kind !== 'rows') throw expected('evalDataset', 'to be rows that can be asked again and again', 'a stream', 'gather its rows in a list first');
  if (typeof prompt === 'string') requireColumn(dataset.rows, prompt);
  const prompts: Prompt[] = [];
  for (const [index, row] of dataset.rows.entries()) {
    const read = readPrompt(row, index, settings);
    if (read) prompts.push(read);
    await breathe();
  }
  if (prompts.length === 0) throw expected('evalDataset', `to hold a prompt of at most ${settings.limit} tokens`, `${dataset.rows.length} longer ones, all skipped`, 'raise `maxPromptLength`');
  const skipped = dataset.rows.length - prompts.length;
  if (skipped > 0) onMessage(`${skipped} prompts of \`evalDataset\` have more than ${settings.limit} tokens and are left out.`);
  return prompts;
}
