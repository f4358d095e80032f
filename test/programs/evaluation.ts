/**
 * An evaluation that takes a while, for test/evaluation.test.ts to cut off: `node --import tsx evaluation.ts MODEL FOLDER`.
 * Questions are finished one after the other, 50 ms apart.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { evaluate } from '../../src/eval/evaluate.ts';
import type { EvaluationOptions } from '../../src/eval/evaluation-options.ts';

/** Rows whose scoring has begun in this process, in that order. */
export const asked: number[] = [];

async function slow({ row, completion }: { row: Record<string, unknown>; completion: { text: string } }): Promise<number> {
  asked.push(row['id'] as number);
  await sleep(25);
  return completion.text.length;
}

/** Twelve questions, two completions each, drawn. */
export function slowEvaluation(model: string, outputDir: string): EvaluationOptions {
  return {
    model,
    outputDir,
    dataset: Array.from({ length: 12 }, (_, id) => ({ prompt: `say ${id}`, answer: 'a', id })),
    answer: 'answer',
    extract: ['whole'],
    rewards: { slow },
    rewardConcurrency: 1,
    numGenerations: 2,
    temperature: 1,
    maxCompletionLength: 8,
    maxConcurrentRollouts: 4,
    threads: 1,
  };
}

const [, script, model, folder] = process.argv;
if (script !== undefined && import.meta.url === pathToFileURL(script).href) await evaluate(slowEvaluation(model!, folder!), { stream: null });
