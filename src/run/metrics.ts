/** `metrics.jsonl`: one JSON object per optimizer update, readable while the run goes on. */
import { appendFile } from 'node:fs/promises';

/**
 * One line of `metrics.jsonl`. JSON has no NaN and no infinity: such a figure is written as null, so that its key does not
 * vanish without a word.
 */
export function metricsLine(metrics: Readonly<Record<string, number>>): string {
  const figures = Object.entries(metrics).map(([name, value]) => [name, Number.isFinite(value) ? value : null]);
  return `${JSON.stringify(Object.fromEntries(figures))}\n`;
}

/** Appends one update's metrics; a line is written whole. */
export async function appendMetrics(file: string, metrics: Readonly<Record<string, number>>): Promise<void> {
  await appendFile(file, metricsLine(metrics));
}
