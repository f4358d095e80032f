/**
 * Sampling where completions end anywhere between 8 and 256 tokens, and, to compare, steps with a fixed number of
 * completions of one length. The model is random, so every token is about equally likely, and a set of stop ids ends
 * each completion with the same small chance at every token.
 */
import { DecodeTimeline } from '../decode-timeline.ts';
import { generate } from '../../src/generate/engine.ts';
import type { GenerationRequest } from '../../src/generate/engine.ts';
import { disposeModel, loadNetwork } from '../../src/model/load.ts';
import { native } from '../../src/tensor/binding.ts';
import { median } from '../statistics.ts';

/** What the program is told. */
export interface LongTailTask {
  /** A folder. */
  model: string;
  threads: number;
  groups: number;
  generations: number;
  slots: number;
  promptTokens: number;
  shortest: number;
  longest: number;
  /** One id in this many ends a completion. */
  stopEvery: number;
  /** Numbers of live completions at which a step is measured. */
  rows: number[];
  /** Tokens of those completions. */
  measuredTokens: number;
}

/** What it prints. */
export interface LongTailResult {
  /** Median seconds of a step with so many live completions. */
  steady: { x: number; y: number }[];
  tail: { lengths: number[]; seconds: number; steps: { rows: number; seconds: number }[]; admissions: number[] };
}

const task = JSON.parse(process.argv[2]!) as LongTailTask;
native().setThreads(task.threads);
const model = await loadNetwork(task.model);
const { vocabSize } = model.decoder.config;
let runs = 0;

async function sample(requests: readonly GenerationRequest[], { stopIds, min, max }: { stopIds: Set<number>; min: number; max: number }) {
  const clock = () => performance.now() / 1000;
  const start = clock();
  const line = new DecodeTimeline(start);
  const completions = await generate(model.decoder, requests, {
    temperature: 1, topP: 1, topK: 0, minP: null, repetitionPenalty: 1,
    stopIds, stopStrings: [], minNewTokens: min, maxNewTokens: max,
    seed: 42, step: runs++, slots: task.slots,
    textStream: () => model.tokenizer.decoder(),
    onToken: (request, row) => line.token(request, row, clock()),
  });
  return { seconds: clock() - start, line, lengths: completions.flat().map(({ ids }) => ids.length) };
}

/** Prompts that differ. */
function request(index: number, count: number): GenerationRequest {
  return { ids: Array.from({ length: task.promptTokens }, (_, i) => (1009 * index + 17 * i) % vocabSize), count };
}

/** As many completions as asked, in groups. */
function grouped(rows: number): GenerationRequest[] {
  return Array.from({ length: Math.ceil(rows / task.generations) }, (_, i) => request(i, Math.min(task.generations, rows - i * task.generations)));
}

const never = new Set<number>();
await sample(grouped(2), { stopIds: never, min: 0, max: 8 });
const steady: LongTailResult['steady'] = [];
for (const rows of task.rows) {
  const { line } = await sample(grouped(rows), { stopIds: never, min: 0, max: task.measuredTokens });
  steady.push({ x: rows, y: median(line.steps.map(({ seconds }) => seconds)) });
}
const stopIds = new Set(Array.from({ length: Math.floor(vocabSize / task.stopEvery) }, (_, i) => i * task.stopEvery));
const { seconds, line, lengths } = await sample(Array.from({ length: task.groups }, (_, i) => request(i, task.generations)), { stopIds, min: task.shortest - 1, max: task.longest });
const result: LongTailResult = { steady, tail: { lengths, seconds, steps: line.steps, admissions: line.admissions } };
disposeModel(model);
process.stdout.write(`${JSON.stringify(result)}\n`);
