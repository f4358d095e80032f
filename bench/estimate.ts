/** Estimates of memory and time of six runs of different shape, beside what the runs take. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { TsrlError } from '../src/errors.ts';
import { estimateRun } from '../src/grpo/estimate.ts';
import { taskOf } from './measure.ts';
import { randomModel, randomModels, readFacts } from './model.ts';
import { optionsOf } from './programs/task.ts';
import type { RoundResult } from './programs/task.ts';
import type { ExactPrompt } from './prompts.ts';
import { surroundings } from './results.ts';
import { measureRoof } from './roof.ts';
import { runOurs } from './run-program.ts';
import type { BenchSettings } from './settings.ts';
import { median } from './statistics.ts';
import { figure, markdownTable } from './table.ts';
import { shapeText, works } from './works.ts';
import type { Work } from './works.ts';

/** A run that is estimated and measured. */
interface Case extends Pick<Work, 'shape' | 'ours'> {
  /** Millions of weights of a random model, or null for the model of the bench. */
  millions: keyof typeof randomModels | null;
}

const allLinear = { r: 16, alpha: 32, targetModules: 'all-linear' };

/** Name → run: all weights and adapters, a copy of the policy and none, few long completions and many short ones. */
const cases: Readonly<Record<string, Case>> = {
  full: { millions: null, shape: works.full!.shape, ours: {} },
  lora: { millions: null, shape: works.lora!.shape, ours: works.lora!.ours },
  long: { millions: null, shape: works.long!.shape, ours: {} },
  'many short, a copy': { millions: 30, shape: { prompts: 8, generations: 8, promptTokens: 64, newTokens: 32 }, ours: { beta: 0.04, optim: 'sgd' } },
  'few long, recomputed': { millions: null, shape: { prompts: 2, generations: 4, promptTokens: 128, newTokens: 160 }, ours: { gradientCheckpointing: true, optim: 'adafactor', microBatch: { rows: 2 } } },
  'large, 8-bit': { millions: 360, shape: { prompts: 2, generations: 4, promptTokens: 64, newTokens: 32 }, ours: { beta: 0.04, optim: 'adamw_8bit', lora: allLinear } },
};

/** Estimate over measurement may be off by these shares. */
const allowed = { memory: 0.15, time: 0.3 };

/** One line of the table. Bytes and seconds; null where the system does not tell. */
export interface EstimateRow {
  name: string;
  shape: string;
  memory: { estimated: number; measured: number | null };
  time: { estimated: number; measured: number };
}

/** Estimates and measures every case; writes `bench/estimate.md`. */
export async function estimates(settings: BenchSettings): Promise<void> {
  const { memoryOnly, threads, say } = settings;
  const rows: EstimateRow[] = [];
  for (const [name, one] of Object.entries(cases)) {
    rows.push(await rowOf(name, one, settings));
    say(`${name}: ${cellsOf(rows.at(-1)!).join(', ')}`);
  }
  const text = report(rows, threads);
  process.stdout.write(settings.json ? `${JSON.stringify(rows, null, 2)}\n` : text);
  if (settings.save && !memoryOnly) {
    writeFileSync(new URL('estimate.md', import.meta.url), text);
    say('written: bench/estimate.md');
  }
  const faults = faultsOf(rows, memoryOnly);
  if (faults.length > 0) throw new TsrlError(`Expected estimates within ${100 * allowed.memory}% of memory and ${100 * allowed.time}% of time, got ${faults.join('; ')}; correct what is counted, or fit the shares again (bench/fit-estimate.ts).`);
}

async function rowOf(name: string, { millions, shape, ours }: Case, { model: like, threads, steps, cache, say }: BenchSettings): Promise<EstimateRow> {
  const model = millions === null ? like : await randomModel(millions, like, cache, say);
  const { prompts } = await readFacts(model, say);
  const folder = mkdtempSync(join(tmpdir(), 'tsrl-bench-'));
  try {
    const task = taskOf({ shape, ours, peer: {} }, { steps, threads, model, prompts }, join(folder, 'prompts.json'));
    // Of the moment: what else runs on the machine is part of what it reaches.
    const roof = (await measureRoof([threads], say))[threads]!;
    const read = JSON.parse(readFileSync(task.promptsFile, 'utf8')) as ExactPrompt[];
    const { memory, time } = await estimateRun(optionsOf(task, read, join(folder, 'run')), { measure: async () => roof });
    const { result, peakGb } = await runOurs<RoundResult>(new URL('programs/grpo.ts', import.meta.url), task);
    const measured = median(result.steps.slice(1).map(({ step }) => step!));
    return { name, shape: shapeText(shape), memory: { estimated: memory.peak, measured: peakGb === null ? null : peakGb * 1e9 }, time: { estimated: time.step, measured } };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The estimates that are too far off, in words. */
export function faultsOf(rows: readonly EstimateRow[], memoryOnly: boolean): string[] {
  const parts = memoryOnly ? (['memory'] as const) : (['memory', 'time'] as const);
  return rows.flatMap((row) =>
    parts.flatMap((part) => {
      const { estimated, measured } = row[part];
      if (measured === null) return [`${part} of ${row.name} not measured`];
      return Math.abs(estimated / measured - 1) > allowed[part] ? [`${part} of ${row.name} off by ${offBy(estimated, measured)}`] : [];
    }),
  );
}

function cellsOf({ shape, memory, time }: EstimateRow): string[] {
  const gigabytes = (bytes: number | null) => (bytes === null ? '–' : figure(bytes / 1e9));
  return [
    shape,
    gigabytes(memory.estimated),
    gigabytes(memory.measured),
    memory.measured === null ? '–' : offBy(memory.estimated, memory.measured),
    figure(time.estimated),
    figure(time.measured),
    offBy(time.estimated, time.measured),
  ];
}

function offBy(estimated: number, measured: number): string {
  const percent = Math.round(100 * (estimated / measured - 1));
  return `${percent < 0 ? '−' : '+'}${Math.abs(percent)}%`;
}

function report(rows: readonly EstimateRow[], threads: number): string {
  const { date, commit, machine } = surroundings();
  return `# Estimates beside measurements

Written by \`npm run bench -- estimate\`: what \`tsrl estimate\` says of a run, and what the run takes as a process of its own. Peak
of resident memory in 10⁹ bytes, time of a step in seconds.

${date.slice(0, 10)}, commit ${commit ?? 'unknown'}; ${machine.cpu}, ${machine.cores} cores, ${threads} ${threads === 1 ? 'thread' : 'threads'}.

${markdownTable(['run', 'prompts × completions × (tokens)', 'GB estimated', 'GB measured', 'off by', 's estimated', 's measured', 'off by'], rows.map((row) => [row.name, ...cellsOf(row)]))}
`;
}
