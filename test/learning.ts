/**
 * What a tiny model learns: some supervised updates first, because random weights earn nothing, then GRPO with a dense
 * reward. test/fixtures/learning/make.ts makes the bands in which the reward must climb.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { GrpoOptions } from '../src/grpo/option-schema.ts';
import { grpo } from '../src/grpo/trainer.ts';
import { disposeModel, loadNetwork, saveModel } from '../src/model/load.ts';
import type { LoadedModel } from '../src/model/load.ts';
import { disposeBatch, packTrees } from '../src/model/packed-batch.ts';
import { native } from '../src/tensor/binding.ts';
import { tensor } from '../src/tensor/tensor.ts';
import type { Tensor } from '../src/tensor/tensor.ts';
import { stopIds } from '../src/text/stop-ids.ts';
import { clipGradNorm } from '../src/training/gradient-norm.ts';
import { AdamW } from '../src/training/optimizers/adamw.ts';
import type { Optimizer } from '../src/training/optimizers/optimizer.ts';
import { accumulateGradient } from '../src/training/update.ts';
import { writeTinyModel } from '../scripts/tiny-model.ts';
import { dice } from './fuzz/mutations.ts';
import { meanOf, silent } from './toy.ts';

/** A prompt, and the completion that earns the full reward. */
interface Exercise {
  prompt: string;
  answer: string;
}

/** What is learned, and how. */
interface Task {
  exercises: readonly Exercise[];
  /** Mean −log-probability of an answer's tokens, in nats, at which the supervised updates end. */
  warmUntil: number;
  options: Partial<GrpoOptions>;
}

/** All words of so many letters. */
function words(letters: string, length: number): string[] {
  return length === 0 ? [''] : words(letters, length - 1).flatMap((start) => [...letters].map((letter) => start + letter));
}

const ofWords = (answer: (word: string) => string): Exercise[] => words('abcd', 4).map((word) => ({ prompt: `${word}>`, answer: answer(word) }));

/** Together they take the loss on-policy, off-policy and with a reference. */
export const tasks = {
  copy: { exercises: ofWords((word) => word), warmUntil: 0.75, options: {} },
  reverse: { exercises: ofWords((word) => [...word].toReversed().join('')), warmUntil: 0.75, options: { numIterations: 2, maxSteps: 200 } },
  sort: { exercises: ofWords((word) => [...word].toSorted().join('')), warmUntil: 0.6, options: { beta: 0.01 } },
  /** Sums of two numbers of one digit. */
  addition: {
    exercises: words('0123456789', 2).map((pair) => ({ prompt: `${pair[0]}+${pair[1]}=`, answer: String(Number(pair[0]) + Number(pair[1])) })),
    warmUntil: 0.4,
    options: { learningRate: 1e-3, promptsPerStep: 16, maxSteps: 200 },
  },
} as const satisfies Record<string, Task>;

/** Name of a task. */
export type TaskName = keyof typeof tasks;

/** Share of the places that hold the right letter; a missing or an extra letter is a wrong place. */
function placesRight(text: string, answer: string): number {
  return [...answer].filter((letter, i) => text[i] === letter).length / Math.max(text.length, answer.length);
}

/** Supervised updates, until the loss is low enough: the mean −log-probability of answer and stop token over 32 exercises. */
async function warmUp(model: LoadedModel, { exercises, warmUntil }: Task, seed: number): Promise<void> {
  const weights = [...model.decoder.trained.values()];
  for (const weight of weights) weight.requiresGrad_();
  const optimizer = new AdamW(weights);
  const random = dice(seed);
  try {
    for (let update = 0; update < 500; update++) {
      const loss = await supervisedGradient(model, Array.from({ length: 32 }, () => random.pick(exercises)));
      await clipGradNorm(weights, 1);
      await optimizer.step(5e-3);
      optimizer.zeroGrad();
      if (loss < warmUntil) return;
    }
    assert.fail(`500 supervised updates do not reach ${warmUntil} nats`);
  } finally {
    optimizer.dispose();
  }
}

async function supervisedGradient(model: LoadedModel, exercises: readonly Exercise[]): Promise<number> {
  const { decoder, tokenizer } = model;
  const stop = [...stopIds(model)];
  const batch = packTrees(
    exercises.map(({ prompt, answer }) => ({ prompt: tokenizer.encode(prompt), completions: [[...tokenizer.encode(answer), ...stop]] })),
    decoder.config.contextLength,
  );
  let loss = 0;
  await accumulateGradient(decoder, batch, { temperature: 1, checkpoint: false }, (logprobs) => {
    loss = -meanOf(Array.from(logprobs.toArray(), Number));
    return { logprobs: tensor(new Float32Array(batch.predicted).fill(-1 / batch.predicted)), entropy: null };
  });
  disposeBatch(batch);
  return loss;
}

/** What a run changes. */
export interface Changes {
  /** Makes the optimizer, in place of AdamW. */
  optim?: (weights: readonly Tensor[]) => Optimizer;
  /** Type of the weights from the end of the warm-up on. */
  dtype?: 'bfloat16' | 'float16';
  options?: Partial<GrpoOptions>;
}

/** Mean reward of each round of a run; the same seed makes the model, its warm-up and the run. */
export async function learn(name: TaskName, seed: number, folder: string, { optim, dtype, options = {} }: Changes = {}): Promise<number[]> {
  const task: Task = tasks[name];
  const home = join(folder, `${name}-${seed}`);
  native().setThreads(1);
  const model = await loadNetwork(await writeTinyModel(join(home, 'model'), { seed }));
  try {
    await warmUp(model, task, seed);
    if (dtype) await saveModel(join(home, 'warm'), model);
    const trainer = grpo(
      {
        ...(dtype ? { model: join(home, 'warm'), dtype } : { model }),
        dataset: task.exercises.map((exercise) => ({ ...exercise })),
        rewards: { placesRight: ({ completion, row }) => placesRight(completion.text, String(row.answer)) },
        promptsPerStep: 8,
        numGenerations: 8,
        maxCompletionLength: 8,
        learningRate: 2e-3,
        lrSchedulerType: 'constant',
        maxSteps: 100,
        numTrainEpochs: null,
        seed,
        threads: 1,
        logCompletions: false,
        outputDir: join(home, 'run'),
        ...(optim && { optim: optim([...model.decoder.trained.values()]) }),
        ...task.options,
        ...options,
      },
      silent,
    );
    return (await trainer.run()).rewards;
  } finally {
    disposeModel(model);
  }
}

/** Parts that a curve is cut into. */
const windowCount = 5;

/** Means of consecutive parts of a curve. */
export function windowsOf(rewards: readonly number[]): number[] {
  const size = rewards.length / windowCount;
  return Array.from({ length: windowCount }, (_, i) => meanOf(rewards.slice(Math.round(i * size), Math.round((i + 1) * size))));
}

/** Where the mean reward of each part of a curve must lie. */
export interface Band {
  low: number;
  high: number;
}

/** Of each task, for the curve of one seed and for the mean over five. */
export type Bands = Record<TaskName, { one: Band[]; five: Band[] }>;

/** The bands that make.ts wrote. */
export function readBands(): Bands {
  return (JSON.parse(readFileSync(new URL('./fixtures/learning/bands.json', import.meta.url), 'utf8')) as { bands: Bands }).bands;
}

/** Fails when a curve leaves its band. */
export function assertWithin(windows: readonly number[], band: readonly Band[], what: string): void {
  const shown = `${what}: ${windows.map((value, i) => `${value.toFixed(3)} in [${band[i]!.low}, ${band[i]!.high}]`).join(', ')}`;
  assert.equal(windows.length, band.length);
  assert.ok(windows.every((value, i) => value >= band[i]!.low && value <= band[i]!.high), shown);
}
