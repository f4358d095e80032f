/** How the time of a step grows with each size of the work, beside how the work itself grows. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expected } from '../src/errors.ts';
import { curveSvg } from '../src/run/curve-svg.ts';
import type { NetworkSizes, Roof } from '../src/training/flops.ts';
import { workOf } from '../src/training/flops.ts';
import { taskOf } from './measure.ts';
import { randomModel, randomModels, readFacts } from './model.ts';
import type { ModelFacts } from './model.ts';
import type { RoundResult } from './programs/task.ts';
import { surroundings } from './results.ts';
import { measureRoof } from './roof.ts';
import { runOurs } from './run-program.ts';
import type { BenchSettings } from './settings.ts';
import { median, spreadOf } from './statistics.ts';
import type { Spread } from './statistics.ts';
import { figure, markdownTable, percent } from './table.ts';
import { shapeText } from './works.ts';
import type { Shape } from './works.ts';

/** One measured place on an axis. */
interface Setting {
  shape: Shape;
  /** Millions of weights of a random model. */
  millions: keyof typeof randomModels;
  threads: number;
}

/** One thing that grows while everything else stays. */
interface Axis {
  name: string;
  label: string;
  points: { x: number; setting: Setting }[];
}

/** What was found at one place. */
export interface ScalingPoint {
  x: number;
  seconds: Spread;
  gflop: number;
  /** Seconds per second that the work takes at the roof, relative to the median of the axis. */
  relative: number;
  roofShare: number;
}

const base: Shape = { prompts: 2, generations: 4, promptTokens: 128, newTokens: 64 };

/** The axes; threads double up to as many as are given. */
export function axesFor(threads: number): Axis[] {
  const setting = (change: Partial<Setting>): Setting => ({ shape: base, millions: 135, threads, ...change });
  const shapes = (key: keyof Shape, values: readonly number[]) => values.map((x) => ({ x, setting: setting({ shape: { ...base, [key]: x } }) }));
  const counts = Array.from({ length: Math.ceil(Math.log2(threads)) }, (_, i) => 2 ** i);
  return [
    { name: 'generations', label: 'completions per prompt (G)', points: shapes('generations', [2, 4, 8, 16]) },
    { name: 'new-tokens', label: 'tokens of a completion', points: shapes('newTokens', [32, 64, 128, 256, 512]) },
    { name: 'prompt-tokens', label: 'tokens of a prompt', points: shapes('promptTokens', [32, 128, 256, 512, 1024]) },
    { name: 'model-size', label: 'million weights', points: ([5, 30, 135, 360] as const).map((millions) => ({ x: millions, setting: setting({ millions }) })) },
    { name: 'threads', label: 'threads', points: [...counts, threads].map((x) => ({ x, setting: setting({ threads: x }) })) },
  ];
}

function chooseAxes(axes: readonly Axis[], names: string | null): Axis[] {
  if (names === null) return [...axes];
  return names.split(',').map((name) => {
    const axis = axes.find((one) => one.name === name.trim());
    if (!axis) throw expected('axes', `to name ${axes.map((one) => one.name).join(', ')}`, name, 'correct the name');
    return axis;
  });
}

/** Measures every axis; writes `bench/scaling.md` and a plot per axis. */
export async function scaling(settings: BenchSettings): Promise<void> {
  const { threads, rounds, cache, say } = settings;
  const axes = chooseAxes(axesFor(threads), settings.axes);
  const places = axes.flatMap(({ points }) => points.map(({ setting }) => setting));
  const unique = new Map(places.map((setting) => [JSON.stringify(setting), setting]));
  const facts = await readFacts(settings.model, say);
  const roof = await measureRoof(places.map((place) => place.threads), say);
  const models = new Map<number, { folder: string; facts: ModelFacts }>();
  for (const millions of new Set(places.map((place) => place.millions))) {
    const folder = await randomModel(millions, settings.model, cache, say);
    models.set(millions, { folder, facts: await readFacts(folder, say) });
  }
  const seconds = new Map<string, number[]>([...unique.keys()].map((key) => [key, []]));
  for (let round = 1; round <= rounds; round++) {
    for (const [key, setting] of unique) {
      const took = await stepSeconds(setting, models.get(setting.millions)!.folder, facts, settings.steps);
      seconds.get(key)!.push(took);
      say(`round ${round}: ${shapeText(setting.shape)}, ${setting.millions}M, ${setting.threads} thread(s): ${figure(took)} s`);
    }
  }
  const results = axes.map((axis) => ({ ...axis, points: pointsOf(axis, (setting) => seconds.get(JSON.stringify(setting))!, (setting) => models.get(setting.millions)!.facts.network, roof) }));
  const text = report(results, settings, roof);
  process.stdout.write(settings.json ? `${JSON.stringify(results, null, 2)}\n` : text);
  if (!settings.save) return;
  const file = (name: string) => new URL(name, import.meta.url);
  writeFileSync(file('scaling.md'), text);
  for (const { name, label, points } of results) writeFileSync(file(`scaling-${name}.svg`), plot(label, points));
  say('written: bench/scaling.md and its plots');
}

/** Median over the measured steps of one fresh process. */
async function stepSeconds({ shape, threads }: Setting, model: string, facts: ModelFacts, steps: number): Promise<number> {
  const folder = mkdtempSync(join(tmpdir(), 'tsrl-bench-'));
  try {
    const task = taskOf({ shape, ours: {}, peer: {} }, { steps, threads, model, prompts: facts.prompts }, join(folder, 'prompts.json'));
    const { result } = await runOurs<RoundResult>(new URL('programs/grpo.ts', import.meta.url), task);
    return median(result.steps.slice(1).map(({ step }) => step!));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Times against work along one axis. */
export function pointsOf({ points }: Pick<Axis, 'points'>, secondsAt: (setting: Setting) => readonly number[], networkOf: (setting: Setting) => NetworkSizes, roof: Readonly<Record<number, Roof>>): ScalingPoint[] {
  const raw = points.map(({ x, setting }) => {
    const seconds = spreadOf(secondsAt(setting));
    const reached = roof[setting.threads]!;
    const { flops, roofSeconds } = workOf('step', networkOf(setting), setting.shape, reached);
    return { x, seconds, gflop: flops / 1e9, roofShare: roofSeconds / seconds.median, perWork: seconds.median / roofSeconds };
  });
  const middle = median(raw.map(({ perWork }) => perWork));
  return raw.map(({ perWork, ...point }) => ({ ...point, relative: perWork / middle }));
}

function report(results: readonly { name: string; label: string; points: readonly ScalingPoint[] }[], { rounds, steps, threads }: BenchSettings, roof: Readonly<Record<number, Roof>>): string {
  const { date, commit, machine } = surroundings();
  const head = (label: string) => [label, 'seconds', 'least', 'most', 'GFLOP', 'time ÷ work', 'of the roof'];
  const tables = results.map(
    ({ name, label, points }) =>
      `## ${label}\n\n${markdownTable(
        head(label),
        points.map(({ x, seconds, gflop, relative, roofShare }) => [String(x), figure(seconds.median), figure(seconds.least), figure(seconds.most), figure(gflop), relative.toFixed(2), percent(roofShare)]),
      )}\n\n![${label}](scaling-${name}.svg)`,
  );
  const peaks = Object.entries(roof).map(([count, { gemmGflops }]) => `${figure(gemmGflops)} with ${count}`);
  return `# How the time of a step grows

Written by \`npm run bench -- scaling\`. Each table lets one thing grow and holds the others: ${shapeText(base)}, 135 million
random weights, ${threads} threads. *Work* is what has to be done, in seconds at the measured roof: the arithmetic, attention's
square included, and reading weights and cache once per decoded token where that takes longer. *Time ÷ work* is relative to the
median of its table, so 1.00 throughout is exactly linear.

${date.slice(0, 10)}, commit ${commit ?? 'unknown'}; ${machine.cpu}; ${rounds} rounds of ${steps} steps. Peak in GFLOP/s by threads: ${peaks.join(', ')}.

${tables.join('\n\n')}
`;
}

/** Measured times beside times in proportion to the work. */
function plot(label: string, points: readonly ScalingPoint[]): string {
  return curveSvg(
    [
      { name: 'measured', points: points.map(({ x, seconds }) => ({ x, y: seconds.median })) },
      { name: 'in proportion to the work', points: points.map(({ x, seconds, relative }) => ({ x, y: seconds.median / relative })) },
    ],
    {
      title: `Seconds of a step by ${label}`,
      description: `From ${figure(points[0]!.seconds.median)} s at ${points[0]!.x} to ${figure(points.at(-1)!.seconds.median)} s at ${points.at(-1)!.x}; in proportion to the work it would be within ${percent(Math.max(...points.map(({ relative }) => Math.abs(relative - 1))))} of that.`,
      xLabel: label,
      yLabel: 'seconds',
    },
  );
}
