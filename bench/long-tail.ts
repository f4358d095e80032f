/** Whether short completions make way for others: the cost of a long tail against steps of the same number of rows. */
import { interpolate } from './decode-timeline.ts';
import { randomModel } from './model.ts';
import type { LongTailResult, LongTailTask } from './programs/long-tail.ts';
import { runOurs } from './run-program.ts';
import type { BenchSettings } from './settings.ts';
import { median, spreadOf } from './statistics.ts';
import { figure, markdownTable } from './table.ts';

/** The case: 16 groups of 4, ends between 8 and 256 tokens, half of the completions waiting at first. */
const tail: Omit<LongTailTask, 'model' | 'threads'> = {
  groups: 16,
  generations: 4,
  slots: 32,
  promptTokens: 128,
  shortest: 8,
  longest: 256,
  stopEvery: 96,
  rows: [1, 2, 4, 8, 12, 16, 24, 32],
  measuredTokens: 128,
};

/** Seconds of one run of the case. */
export interface LongTailCost {
  /** Measured, of all steps. */
  decoding: number;
  /** What steps with as many rows took in completions of one length. */
  expected: number;
  /** Running the prompts, measured. */
  admissions: number;
  rounds: number;
}

/** Sums over the steps. */
export function costOf({ steady, tail: { steps, admissions } }: Pick<LongTailResult, 'steady'> & { tail: Pick<LongTailResult['tail'], 'steps' | 'admissions'> }): LongTailCost {
  const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);
  return {
    decoding: sum(steps.map(({ seconds }) => seconds)),
    expected: sum(steps.map(({ rows }) => interpolate(steady, rows))),
    admissions: sum(admissions),
    rounds: steps.length,
  };
}

/** Measures the case in fresh processes and prints it. */
export async function longTail({ model, threads, rounds, cache, json, say }: BenchSettings): Promise<void> {
  const folder = await randomModel(135, model, cache, say);
  const results: LongTailResult[] = [];
  for (let round = 0; round < rounds; round++) {
    const { result } = await runOurs<LongTailResult>(new URL('programs/long-tail.ts', import.meta.url), { ...tail, model: folder, threads });
    results.push(result);
    const { decoding, expected } = costOf(result);
    say(`round ${round + 1}: ${figure(decoding)} s, ${figure(expected)} s expected`);
  }
  process.stdout.write(json ? `${JSON.stringify(results, null, 2)}\n` : text(results));
}

function text(results: readonly LongTailResult[]): string {
  const costs = results.map(costOf);
  const { median: ratio, least, most } = spreadOf(costs.map(({ decoding, expected }) => decoding / expected));
  const { lengths } = results[0]!.tail;
  const rows = tail.rows.map((count, i) => [String(count), (1000 * median(results.map(({ steady }) => steady[i]!.y))).toFixed(1)]);
  return `${markdownTable(['live completions', 'ms per step'], rows)}

${lengths.length} completions of ${Math.min(...lengths)} to ${Math.max(...lengths)} tokens (median ${median(lengths)}) through ${tail.slots} slots: ${costs[0]!.rounds} steps,
${figure(median(costs.map(({ decoding }) => decoding)))} s of decoding where steps with as many completions of one length take ${figure(median(costs.map(({ expected }) => expected)))} s: ${ratio.toFixed(2)} times (${least.toFixed(2)}–${most.toFixed(2)}).
Running the ${tail.groups} prompts took ${figure(median(costs.map(({ admissions }) => admissions)))} s, of which the first includes packing the weights.
`;
}
