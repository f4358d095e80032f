/** The toy that the run-level tests train: a tiny random Llama that learns to write the letter a. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after } from 'node:test';
import type { GrpoOptions } from '../src/grpo/option-schema.ts';
import type { RunContext } from '../src/grpo/trainer.ts';
import type { ProgressStream } from '../src/run/progress.ts';
import { writeTinyModel } from '../scripts/tiny-model.ts';

/** A folder of this test file's own, removed when its tests are done. */
export function ownFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'tsrl-test-'));
  after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Writes the tiny model once per test file. */
export function toyModel(folder: string): Promise<string> {
  return writeTinyModel(join(folder, 'model'));
}

/** 32 rows, each with a prompt of its own. */
export const rows = Array.from({ length: 32 }, (_, i) => ({ prompt: `say ${i}`, id: i }));

/** How many letters a a completion holds. */
export function letters(text: string): number {
  return [...text].filter((character) => character === 'a').length;
}

/** Options of a toy run of a few seconds; one thread, and a dtype that is not chosen by time, because two test files run at a time. */
export function toyOptions(model: string, outputDir: string, more: Partial<GrpoOptions> = {}): GrpoOptions {
  return {
    model,
    outputDir,
    dataset: rows,
    rewards: { letter: ({ completion }) => letters(completion.text) },
    numGenerations: 8,
    promptsPerStep: 4,
    maxCompletionLength: 8,
    learningRate: 3e-3,
    lrSchedulerType: 'constant',
    maxSteps: 40,
    numTrainEpochs: null,
    threads: 1,
    // A loaded model has its own.
    ...(typeof (more.model ?? model) === 'string' ? { dtype: 'float32' as const } : {}),
    logCompletions: false,
    ...more,
  };
}

/** A run that says nothing. */
export const silent: RunContext = { stream: null };

/** A stream that keeps what is written. */
export function capture(): { stream: ProgressStream; text: () => string } {
  let written = '';
  return { stream: { write: (text) => void (written += text) }, text: () => written };
}

/** Mean of a list of numbers. */
export function meanOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
