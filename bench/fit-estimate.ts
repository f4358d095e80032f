/**
 * Fits the shares of src/grpo/time-estimate.ts to every measured step of ours in `results/` and `scaling.md`, and prints
 * them with what they leave: `node --import tsx bench/fit-estimate.ts`.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import type { DecoderConfig } from '../src/model/decoder-config.ts';
import { wantedTokens } from '../src/training/pack.ts';
import { adapterWeights, layerWeights } from '../src/training/flops.ts';
import type { Roof, StepShape } from '../src/training/flops.ts';
import { fitted, stepSeconds } from '../src/grpo/time-estimate.ts';
import type { TimedStep, TimeShares } from '../src/grpo/time-estimate.ts';
import { randomModels } from './model.ts';
import type { BenchResult } from './results.ts';
import { axesFor } from './scaling.ts';
import { works } from './works.ts';
import type { Part } from './works.ts';

/** A measured time. */
export interface Sample {
  name: string;
  run: TimedStep;
  roof: Roof;
  part: Part;
  seconds: number;
}

/** The head size of SmolLM2, whose manner the random models have. */
const headDim = 64;

/** The sizes that time depends on, of a model of the bench. */
function networkOf(millions: keyof typeof randomModels): DecoderConfig {
  const { layers, hidden, intermediate, ...more } = randomModels[millions];
  const heads = 'heads' in more ? more.heads : hidden / headDim;
  const keyValueHeads = 'keyValueHeads' in more ? more.keyValueHeads : Math.max(1, Math.round(heads / 3));
  return { layers, hiddenSize: hidden, intermediateSize: intermediate, heads, keyValueHeads, headDim, vocabSize: 49_152 } as DecoderConfig;
}

function timed(config: DecoderConfig, step: StepShape, rank = 0, beta = 0): TimedStep {
  const trained = rank > 0 ? config.layers * adapterWeights(config, rank) : config.layers * layerWeights(config) + config.hiddenSize * config.vocabSize;
  return { config, step, completions: step.prompts * step.generations, updates: 1, rank, trained, scorings: beta > 0 ? 1 : 0 };
}

/** All records, the newest last. */
function readResults(): BenchResult[] {
  const folder = new URL('results/', import.meta.url);
  return readdirSync(folder).sort().map((name) => JSON.parse(readFileSync(new URL(name, folder), 'utf8')) as BenchResult);
}

/** Of the newest complete record and later ones: before them the program was another. Works that are no more are left out. */
function fromResults(): Sample[] {
  const records = readResults();
  const newest = records.findLastIndex(({ complete }) => complete);
  return records.slice(newest).flatMap(({ date, rows, roof, threads }) =>
    rows.flatMap(({ work, shape, part, ours }): Sample[] => {
      const known = Object.hasOwn(works, work) ? works[work] : undefined;
      if (!known) return [];
      const { lora = 0, beta = 0 } = known.peer;
      return [{ name: `${date.slice(0, 10)} ${work}`, run: timed(networkOf(135), shape, lora, beta), roof: roof[threads]!, part, seconds: ours.seconds.median }];
    }),
  );
}

/** Of the tables of scaling.md: every place once. */
function fromScaling(memoryGbs: Readonly<Record<string, number>>): Sample[] {
  const text = readFileSync(new URL('scaling.md', import.meta.url), 'utf8');
  const peaks = new Map([...text.matchAll(/([\d.]+) with (\d+)/g)].map(([, peak, threads]) => [Number(threads), Number(peak)]));
  const seen = new Set<string>();
  return axesFor(Math.max(...peaks.keys())).flatMap(({ label, points }) => {
    const table = text.split('\n## ').find((part) => part.startsWith(`${label}\n`)) ?? '';
    return points.flatMap(({ x, setting }): Sample[] => {
      const [, seconds] = new RegExp(`^\\| ${x} +\\| +([\\d.]+) `, 'm').exec(table) ?? [];
      const key = JSON.stringify(setting);
      if (seconds === undefined || seen.has(key)) return [];
      seen.add(key);
      const roof = { gemmGflops: peaks.get(setting.threads)!, memoryGbs: memoryGbs[setting.threads]! };
      return [{ name: `${label} ${x}`, run: timed(networkOf(setting.millions), setting.shape), roof, part: 'step', seconds: Number(seconds) }];
    });
  });
}

/** Seconds that are estimated for a sample. */
export function estimated({ run, roof, part }: Sample, shares: TimeShares = fitted): number {
  const group = run.step.promptTokens + run.step.generations * run.step.newTokens;
  const plan = { limit: { tokens: wantedTokens(group) }, checkpoint: false, slots: Math.min(32, run.completions), decodingCopies: true };
  const { rollout, scoring, update } = stepSeconds(run, plan, roof, shares);
  return part === 'step' ? rollout + scoring + update : part === 'rollout' ? rollout : update;
}

/** Mean square of the logarithms of estimate over measurement. */
function misfit(samples: readonly Sample[], shares: TimeShares): number {
  return samples.reduce((sum, sample) => sum + Math.log(estimated(sample, shares) / sample.seconds) ** 2, 0) / samples.length;
}

/** Nothing is faster than the peak. */
const peaks = ['forward', 'training', 'thin', 'decoding', 'reading'] as const satisfies (keyof TimeShares)[];

/** Moves one share at a time by a factor, which shrinks when none helps. */
function fit(samples: readonly Sample[], start: TimeShares): TimeShares {
  let best = start;
  let least = misfit(samples, best);
  for (let factor = 1.5; factor > 1.0005; ) {
    let moved = false;
    for (const name of Object.keys(start) as (keyof TimeShares)[]) {
      for (const by of [factor, 1 / factor]) {
        const next = { ...best, [name]: best[name] * by };
        if (peaks.some((share) => next[share] > 1)) continue;
        const left = misfit(samples, next);
        if (left >= least) continue;
        [best, least, moved] = [next, left, true];
      }
    }
    if (!moved) factor = Math.sqrt(factor);
  }
  return best;
}

/** Every measured step of ours. The tables of scaling.md do not say the rate of memory: that of the newest record is taken. */
export function samples(): Sample[] {
  const newest = readResults().at(-1)!;
  return [...fromResults(), ...fromScaling(Object.fromEntries(Object.entries(newest.roof).map(([threads, { memoryGbs }]) => [threads, memoryGbs])))];
}

function main(): void {
  const all = samples();
  const shares = fit(all, fitted);
  for (const sample of all) {
    const seconds = estimated(sample, shares);
    console.log(`${sample.name.padEnd(36)} ${sample.part.padEnd(8)} measured ${sample.seconds.toFixed(2).padStart(6)} s, estimated ${seconds.toFixed(2).padStart(6)} s, ${((100 * seconds) / sample.seconds - 100).toFixed(0).padStart(4)}%`);
  }
  console.log(JSON.stringify(Object.fromEntries(Object.entries(shares).map(([name, value]) => [name, Number(value.toPrecision(3))]))));
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) main();
