/** The work `lora` over a base in numbers and over the same in blocks: what a step takes, and the most memory that the run held. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Quantisation } from '../src/model/read-weights.ts';
import { taskOf } from './measure.ts';
import { readFacts } from './model.ts';
import type { RoundResult } from './programs/task.ts';
import { runOurs } from './run-program.ts';
import type { BenchSettings } from './settings.ts';
import { median, spreadOf } from './statistics.ts';
import { markdownTable } from './table.ts';
import { works } from './works.ts';

interface Measured {
  quantisation: Quantisation | null;
  /** Of a step, and its rollout and update alone. */
  seconds: Record<'step' | 'rollout' | 'update', number>;
  peakGb: number | null;
}

const bases: readonly (Quantisation | null)[] = [null, 'q8_0', 'q4_1', 'asStored'];

/** Measures and prints. */
export async function quantised({ model, threads, rounds, steps, json, say }: BenchSettings): Promise<void> {
  const { prompts } = await readFacts(model, say);
  const folder = mkdtempSync(join(tmpdir(), 'tsrl-bench-'));
  const measured: Measured[] = [];
  try {
    for (let round = 1; round <= rounds; round++) {
      for (const quantisation of bases) {
        const { shape, ours, peer } = works.lora!;
        const task = taskOf({ shape, ours: { ...ours, quantisation }, peer }, { steps, threads, model, prompts }, join(folder, 'prompts.json'));
        const { result, peakGb } = await runOurs<RoundResult>(new URL('programs/grpo.ts', import.meta.url), task);
        const of = (part: keyof Measured['seconds']) => median(result.steps.slice(1).map((step) => step[part]!));
        measured.push({ quantisation, seconds: { step: of('step'), rollout: of('rollout'), update: of('update') }, peakGb });
        say(`round ${round}, ${quantisation}: ${of('step').toFixed(1)} s, ${peakGb?.toFixed(2)} GB`);
      }
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  if (json) return void process.stdout.write(`${JSON.stringify(measured, null, 2)}\n`);
  const rows = bases.map((base) => {
    const own = measured.filter(({ quantisation }) => quantisation === base);
    const peaks = own.flatMap(({ peakGb }) => (peakGb === null ? [] : [peakGb]));
    const parts = (['step', 'rollout', 'update'] as const).map((part) => median(own.map(({ seconds }) => seconds[part])).toFixed(1));
    return [String(base), ...parts, peaks.length === 0 ? '–' : spreadOf(peaks).most.toFixed(2)];
  });
  process.stdout.write(`${markdownTable(['quantisation', 'step, s', 'rollout, s', 'update, s', 'peak memory, GB'], rows)}\n`);
}
