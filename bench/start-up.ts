/** What a user waits for before anything happens: the help text, and loading a model. */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { TsrlError } from '../src/errors.ts';
import { peerModel } from './peer.ts';
import { runOurs } from './run-program.ts';
import type { BenchSettings } from './settings.ts';
import { median, spreadOf } from './statistics.ts';
import { figure, markdownTable } from './table.ts';

interface Loaded {
  seconds: number;
  /** Bytes. */
  weights: number;
  rise: number;
}

/** Times of `--help` per round: it is short, so it is taken more often. */
const helps = 5;

/** Measures and prints. */
export async function startUp({ model, threads, rounds, cache, json, say }: BenchSettings): Promise<void> {
  const folder = await peerModel(model, cache, say);
  const help: number[] = [];
  const loads: Record<string, Loaded[]> = { 'loading from safetensors': [], [`loading ${model}`]: [] };
  const references = [folder, model];
  for (let round = 0; round < rounds; round++) {
    help.push(...Array.from({ length: helps }, helpSeconds));
    for (const [i, list] of Object.values(loads).entries()) {
      list.push((await runOurs<Loaded>(new URL('programs/load.ts', import.meta.url), { model: references[i]!, threads })).result);
    }
  }
  if (json) return void process.stdout.write(`${JSON.stringify({ help, loads }, null, 2)}\n`);
  const row = (name: string, seconds: readonly number[], memory: string) => {
    const { median: middle, least, most } = spreadOf(seconds);
    return [name, ...[middle, least, most].map((value) => value.toFixed(2)), memory];
  };
  const rows = [
    row('tsrl --help', help, '–'),
    ...Object.entries(loads).map(([name, list]) => row(name, list.map(({ seconds }) => seconds), `${figure(median(list.map(({ rise, weights }) => rise / weights)))} × weights`)),
  ];
  process.stdout.write(`${markdownTable(['start-up', 'seconds', 'least', 'most', 'peak memory'], rows)}\n`);
}

function helpSeconds(): number {
  const began = performance.now();
  const { status, stderr } = spawnSync(process.execPath, [fileURLToPath(new URL('../bin/tsrl.js', import.meta.url)), '--help'], { encoding: 'utf8' });
  if (status !== 0) throw new TsrlError(`Expected \`tsrl --help\` to work, got "${stderr.trim()}"; run \`npm run setup\`.`);
  return (performance.now() - began) / 1000;
}
