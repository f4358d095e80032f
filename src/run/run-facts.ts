/** What a run folder says about the model it made, for its card: without secrets, and without the folders of this machine. */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { FileFormatError } from '../errors.ts';
import { codeSpan } from './markdown.ts';
import type { BaseModel, RunFacts } from './model-card.ts';

type Json = Readonly<Record<string, unknown>>;

/**
 * Reads a run folder.
 *
 * @param step the updates that the pushed weights have seen; null for all of the run's
 * @param changedOptions the options that differ from their defaults
 * @throws FileFormatError when config.json or metrics.jsonl cannot be read as what they are
 */
export async function readRun(folder: string, step: number | null, changedOptions: (config: Json) => { name: string; value: unknown }[]): Promise<{ base: BaseModel | null; facts: RunFacts }> {
  const text = await readFile(join(folder, 'config.json'), 'utf8');
  const config = parsed(text, join(folder, 'config.json'));
  const all = await readMetrics(join(folder, 'metrics.jsonl'));
  const metrics = step === null ? all : all.filter((row) => (row['step'] ?? 0) <= step);
  const facts: RunFacts = {
    name: typeof config['runName'] === 'string' ? config['runName'] : basename(folder),
    steps: step ?? metrics.at(-1)?.['step'] ?? 0,
    configSha256: createHash('sha256').update(text).digest('hex'),
    files: objects(config['files']).flatMap(({ path, sha256 }) => (typeof path === 'string' && typeof sha256 === 'string' ? [{ name: lastPart(path), sha256 }] : [])),
    options: changedOptions(config).map(({ name, value }) => ({ name, value: withoutPlaces(value) })),
    rewards: objects(config['rewards']).flatMap(({ name, weight }) => (typeof name === 'string' ? [{ name, weight: typeof weight === 'number' ? weight : 1 }] : [])),
    data: dataText(config['dataset']),
    metrics,
    evaluation: beforeAndAfter(metrics),
  };
  return { base: typeof config['model'] === 'string' ? baseModel(config['model']) : null, facts };
}

/** The rows of a `metrics.jsonl`, none where there is no such file. The last may be half-written, by a run that goes on. */
export async function readMetrics(file: string): Promise<Record<string, number | null>[]> {
  const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return '';
    throw error;
  });
  const whole = text.slice(0, text.lastIndexOf('\n') + 1);
  return whole.split('\n').flatMap((line, i) => (line === '' ? [] : [parsed(line, `${file}, line ${i + 1}`) as Record<string, number | null>]));
}

/** The rewards of the evaluation before the first update and of the last one; null where the run was not evaluated at both. */
function beforeAndAfter(metrics: readonly Readonly<Record<string, number | null>>[]): RunFacts['evaluation'] {
  const evaluated = metrics.filter((row) => typeof row['eval/reward'] === 'number');
  const [first, last] = [evaluated[0], evaluated.at(-1)];
  if (first?.['step'] !== 0 || !last || last === first) return null;
  const names = Object.keys(first).filter((name) => name === 'eval/reward' || /^eval\/rewards\/.*\/mean$/.test(name));
  return names.flatMap((name) => (typeof first[name] === 'number' && typeof last[name] === 'number' ? [{ name: name.slice('eval/'.length), before: first[name], after: last[name] }] : []));
}

/** A model reference as a card shows it; null where none is written, as for a model given in a program. */
export function baseModel(reference: string): BaseModel | null {
  if (/^\[.*\]$/.test(reference)) return null;
  const [, repository] = /^(\w[\w.-]*\/\w[\w.-]*)(@\w[\w.+/-]*)?$/.exec(reference) ?? [];
  return repository && !reference.endsWith('.gguf') ? { name: reference, repository } : { name: reference.startsWith('pypi:') ? reference : lastPart(reference), repository: null };
}

/** What stands behind the last slash. */
function lastPart(path: string): string {
  return path.split(/[/\\]/).filter(Boolean).at(-1) ?? path;
}

/** A path of this machine, wherever it stands as a whole text: its last part. */
function withoutPlaces(value: unknown): unknown {
  if (typeof value === 'string') return /^(\/[^/]+\/|~[/\\]|[A-Za-z]:[/\\]|\\\\|file:)/.test(value) ? lastPart(value) : value;
  if (Array.isArray(value)) return value.map(withoutPlaces);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, withoutPlaces(one)]));
}

function dataText(dataset: unknown): string | null {
  if (Array.isArray(dataset)) return `${dataset.length} rows given in the program.`;
  if (typeof dataset === 'string') return dataset.startsWith('[') ? `Rows given in the program: ${codeSpan(dataset.replaceAll(/^\[|\]$/g, ''))}.` : `Rows of ${codeSpan(dataName(dataset))}.`;
  if (typeof dataset !== 'object' || dataset === null) return null;
  const { path, mixture, config, split, testSize, part, columns, map, filter } = dataset as Json;
  if (mixture !== undefined) return mixtureText(objects(mixture));
  if (typeof path !== 'string') return null;
  const parts = [
    `Rows of ${codeSpan(dataName(path))}`,
    ...(typeof config === 'string' ? [`configuration ${codeSpan(config)}`] : []),
    ...(typeof split === 'string' ? [`split ${codeSpan(split)}`] : []),
    ...(typeof testSize === 'number' ? [part === 'test' ? `the ${testSize} held out` : `without the ${testSize} held out`] : []),
    ...(columns === undefined ? [] : [`columns ${codeSpan(JSON.stringify(columns))}`]),
    ...(map === undefined ? [] : ['changed by a function of the recipe']),
    ...(filter === undefined ? [] : ['chosen by a function of the recipe']),
  ];
  return `${parts.join(', ')}.`;
}

/** A dataset's name: whole for one of the Hub and for a task, else what stands behind the last slash. */
function dataName(path: string): string {
  const isPublic = path.startsWith('task:') || (/^\w[\w.-]*\/\w[\w.-]*(@|$)/.test(path) && !/\.[a-z]{2,8}$/i.test(path));
  return isPublic ? path : lastPart(path);
}

function mixtureText(parts: readonly Json[]): string {
  return `A mixture. ${parts.map(({ dataset, weight }) => `Weight ${Number(weight)}: ${dataText(dataset) ?? 'rows given in the program.'}`).join(' ')}`;
}

function objects(value: unknown): Json[] {
  return Array.isArray(value) ? value.filter((one): one is Json => typeof one === 'object' && one !== null && !Array.isArray(one)) : [];
}

function parsed(text: string, file: string): Json {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new FileFormatError(`Expected \`${file}\` to hold a JSON object, got text that is not JSON (${(cause as Error).message}); mend it, or push the model folder moved out of the run.`, { file }, { cause });
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new FileFormatError(`Expected \`${file}\` to hold a JSON object, got another value; mend it, or push the model folder moved out of the run.`, { file });
  }
  return value as Json;
}
