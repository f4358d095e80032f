/** What both programs, ours and the peer's, are told and answer. */
import { readFileSync } from 'node:fs';
import type { GrpoOptions } from '../../src/grpo/option-schema.ts';
import type { ExactPrompt } from '../prompts.ts';
import type { Part, Shape, Work } from '../works.ts';

/** One round of one work. */
export interface Task extends Pick<Work, 'ours' | 'peer'> {
  /** A model reference; for the peer a folder. */
  model: string;
  /** A JSON list of `ExactPrompt`, enough for every step. */
  promptsFile: string;
  shape: Shape;
  /** Warm-up included. */
  steps: number;
  threads: number;
  /** For the peer: computes layers again in the backward pass. */
  gradientCheckpointing: boolean;
}

/** What a program prints. */
export interface RoundResult {
  /** Seconds of every step, warm-up first. A rollout has no update. */
  steps: Partial<Record<Part, number>>[];
  /** Of the libraries it used. */
  versions: Record<string, string>;
}

/** The options of our run of a task. Every prompt and completion has exactly its length. */
export function optionsOf({ model, shape, steps, threads, ours }: Task, prompts: readonly ExactPrompt[], outputDir: string): GrpoOptions {
  return {
    model,
    outputDir,
    dataset: prompts.map(({ text }) => ({ prompt: text })),
    shuffleDataset: false,
    addSpecialTokens: false,
    rewards: { free: ({ completion }) => completion.ids.reduce((sum, id) => sum + id, 0) % 7 },
    promptsPerStep: shape.prompts,
    numGenerations: shape.generations,
    maxPromptLength: shape.promptTokens,
    minCompletionLength: shape.newTokens,
    maxCompletionLength: shape.newTokens,
    maxSteps: steps,
    numTrainEpochs: null,
    threads,
    ...ours,
  };
}

/** The record in the first argument of this process, and its prompts. */
export function readTask(): { task: Task; prompts: ExactPrompt[] } {
  const task = JSON.parse(process.argv[2]!) as Task;
  return { task, prompts: JSON.parse(readFileSync(task.promptsFile, 'utf8')) as ExactPrompt[] };
}
