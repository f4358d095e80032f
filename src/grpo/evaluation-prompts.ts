import { loadDataset, requireColumn } from '../data/source.ts';
import type { DatasetInput } from '../data/source.ts';
import { expected } from '../errors.ts';
import type { ResolvedOptions } from './options.ts';
import { readPrompt } from './prompts.ts';
import type { PromptSettings } from './prompts.ts';
import type { Prompt } from './types.ts';

/** The prompts of `evalDataset`, read as those of the run; null without one. */
export async function evaluationPrompts({ evalDataset, prompt }: ResolvedOptions, settings: PromptSettings): Promise<Prompt[] | null> {
  if (evalDataset === null) return null;
  const dataset = await loadDataset(evalDataset as DatasetInput);
  if (dataset.kind !== 'rows') throw expected('evalDataset', 'to be rows that can be asked again and again', 'a stream', 'gather its rows in a list first');
  if (typeof prompt === 'string') requireColumn(dataset.rows, prompt);
  const prompts = dataset.rows.map((row, index) => readPrompt(row, index, settings)).filter((one) => one !== null);
  if (prompts.length === 0) throw expected('evalDataset', `to hold a prompt of at most ${settings.limit} tokens`, `${dataset.rows.length} longer ones, all skipped`, 'raise `maxPromptLength`');
  return prompts;
}
