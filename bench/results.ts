/** Records of measurements: what they hold, where they stand, and which one the README quotes. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { availableParallelism, cpus, totalmem } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Roof } from '../src/training/flops.ts';
import type { Row } from './measure.ts';
import { benchTable, figure } from './table.ts';

/** Everything that a figure needs beside it. */
export interface BenchResult {
  /** ISO 8601, UTC. */
  date: string;
  /** Of the repository; `-dirty` behind it when files were changed. Null outside git. */
  commit: string | null;
  machine: { cpu: string; cores: number; memoryGb: number };
  versions: Record<string, string>;
  model: string;
  rounds: number;
  steps: number;
  threads: number;
  /** By number of threads. */
  roof: Record<number, Roof>;
  rows: Row[];
  /** Every work in its own shape, beside the peer, with rounds enough for a spread. */
  complete: boolean;
}

/** Where records stand. */
export const resultsFolder = fileURLToPath(new URL('results', import.meta.url));

/** Where and on what a measurement is made. */
export function surroundings(): Pick<BenchResult, 'date' | 'commit' | 'machine'> {
  return {
    date: new Date().toISOString(),
    commit: commitOf(fileURLToPath(new URL('..', import.meta.url))),
    machine: { cpu: cpus()[0]?.model.trim() ?? 'unknown', cores: availableParallelism(), memoryGb: Math.round(totalmem() / 1e9) },
  };
}

function commitOf(folder: string): string | null {
  const { status, stdout } = spawnSync('git', ['describe', '--always', '--dirty', '--exclude', '*'], { cwd: folder, encoding: 'utf8' });
  return status === 0 ? stdout.trim() : null;
}

/** Writes a record under its date and commit. */
export function saveResult(result: BenchResult, folder = resultsFolder): string {
  mkdirSync(folder, { recursive: true });
  const stamp = result.date.slice(0, 19).replaceAll(':', '').replace('T', '-');
  const file = join(folder, `${stamp}-${result.commit ?? 'no-commit'}.json`);
  writeFileSync(file, `${JSON.stringify(result, null, 2)}\n`);
  return file;
}

/** The newest complete record, or null. */
export function newestComplete(folder = resultsFolder): BenchResult | null {
  if (!existsSync(folder)) return null;
  const records = readdirSync(folder)
    .filter((name) => name.endsWith('.json'))
    .map((name) => JSON.parse(readFileSync(join(folder, name), 'utf8')) as BenchResult)
    .filter(({ complete }) => complete);
  return records.reduce<BenchResult | null>((newest, one) => (newest === null || one.date > newest.date ? one : newest), null);
}

/** A record as the README shows it: the table, and under it what it was measured on. */
export function resultText(result: BenchResult): string {
  const { date, commit, machine, versions, model, rounds, steps, threads, roof, rows } = result;
  const reached = Object.entries(roof).map(([count, { gemmGflops, memoryGbs }]) => `${figure(gemmGflops)} GFLOP/s and ${figure(memoryGbs)} GB/s with ${count} ${count === '1' ? 'thread' : 'threads'}`);
  const notes = rows.flatMap(({ work, peerNote }) => (peerNote === '' ? [] : [`${work}: ${peerNote.split('\n')[0]}`]));
  const used = Object.entries(versions).map(([name, version]) => `${name} ${version}`);
  return `${benchTable(rows)}

${date.slice(0, 10)}, commit ${commit ?? 'unknown'}; ${machine.cpu}, ${machine.cores} cores, ${machine.memoryGb} GB, ${threads} ${threads === 1 ? 'thread' : 'threads'}; ${model} in float32;
${used.join(', ')}. Medians of ${rounds} ${rounds === 1 ? 'round' : 'rounds'} of ${steps} ${steps === 1 ? 'step' : 'steps'}, with least and most; the
roof measured in the same run: ${reached.join(', ')}.${notes.length === 0 ? '' : `\nTRL, of its settings the faster: ${notes.join('; ')}.`}`;
}
