/** One entry of the option `rewards`, checked: what it says, and what it leaves out. */
import { availableParallelism } from 'node:os';
import { basename, extname, resolve } from 'node:path';
import { expected } from '../errors.ts';
import { builtinReward } from './builtin.ts';
import { batchFunction, isIsolated, isModulePath } from './reward.ts';
import type { BatchReward, FunctionEntry, IsolatedReward, RewardFunction, RewardSettings, RewardSpec } from './reward.ts';

/** The settings of a reward, with what each is read with; a setting that nothing reads is refused. */
const readWith: Readonly<Record<keyof RewardSettings, 'remote' | 'isolate' | null>> = {
  fn: null,
  file: null,
  weight: null,
  timeoutMs: null,
  remote: null,
  retries: 'remote',
  backoffMs: 'remote',
  isolate: null,
  processes: 'isolate',
  memoryMb: 'isolate',
};

/**
 * What a run scores with, from one entry of `rewards`.
 *
 * @param key its name, or null in a list, where the function or the file names it
 * @param i its place
 * @param isolateFiles whether rewards given by file are isolated that do not say so themselves
 */
export function toSpec(key: string | null, entry: FunctionEntry, i: number, isolateFiles: boolean): RewardSpec {
  const place = key === null ? `rewards[${i}]` : `rewards.${key}`;
  const settings: RewardSettings = hasSettings(entry) ? entry : { fn: entry };
  assertKeys(place, settings);
  const fn = functionOf(place, settings, entry, isolateFiles);
  const { weight = 1, timeoutMs = null, remote = false } = settings;
  const { retries = remote ? 3 : 0, backoffMs = 500 } = settings;
  assertFinite(`${place}.weight`, weight);
  if (timeoutMs !== null) assertMilliseconds(`${place}.timeoutMs`, timeoutMs, 1);
  assertWhole(`${place}.retries`, retries, 0);
  assertMilliseconds(`${place}.backoffMs`, backoffMs, 0);
  return { name: key ?? ownName(place, entry, fn), fn, weight, timeoutMs, retries, backoffMs };
}

/** Whether an entry is a reward with settings, in contrast to a plain function or a name. */
export function hasSettings(entry: FunctionEntry): entry is RewardSettings {
  return typeof entry === 'object' && entry !== null && !batchFunction(entry);
}

/** @throws InputError for a value that is no finite number */
export function assertFinite(name: string, value: unknown): void {
  if (typeof value !== 'number' || !Number.isFinite(value)) throw expected(name, 'to be a finite number', value, 'correct it');
}

function assertKeys(place: string, settings: RewardSettings): void {
  for (const [key, value] of Object.entries(settings)) {
    if (!Object.hasOwn(readWith, key)) throw expected(place, `to have settings among ${Object.keys(readWith).join(', ')}`, `\`${key}\``, 'correct or remove it');
    const needed = readWith[key as keyof RewardSettings];
    if (needed !== null && value !== undefined && settings[needed] !== true) {
      throw expected(`${place}.${key}`, `to be left out without \`${needed}: true\``, value, `set \`${needed}: true\`, or remove it`);
    }
  }
  for (const key of ['remote', 'isolate'] as const) {
    const value: unknown = settings[key];
    if (value !== undefined && typeof value !== 'boolean') throw expected(`${place}.${key}`, 'to be true or false', value, 'correct it');
  }
  if (settings.fn !== undefined && settings.file !== undefined) throw expected(place, 'to have `fn` or `file`', 'both', 'remove one of the two');
}

function functionOf(place: string, settings: RewardSettings, entry: FunctionEntry, isolateFiles: boolean): RewardSpec['fn'] {
  const fn = settings.fn ?? settings.file;
  const byFile = typeof fn === 'string' && (settings.file !== undefined || isModulePath(fn));
  if (settings.isolate ?? (byFile && isolateFiles)) return isolated(place, fn, byFile, settings);
  if (byFile) throw expected(place, 'to be a function, a built-in name or an isolated file', fn, 'import the file and give its function, or set `isolate: true`');
  const found = typeof fn === 'string' ? builtinReward(fn) : fn;
  if (typeof found === 'function' || batchFunction(found)) return found as RewardFunction | BatchReward;
  throw expected(place, 'to be a function, a built-in name, a model or { fn, weight, timeoutMs, … }', entry, 'pass a function');
}

function isolated(place: string, fn: unknown, byFile: boolean, { processes = Math.min(8, availableParallelism()), memoryMb = 1024 }: RewardSettings): IsolatedReward {
  if (!byFile || typeof fn !== 'string' || !isModulePath(fn)) {
    throw expected(`${place}.isolate`, 'to be used with the path of a .ts or .js file', fn, 'put the reward in a file whose default export it is, and name that file');
  }
  assertWhole(`${place}.processes`, processes, 1);
  assertWhole(`${place}.memoryMb`, memoryMb, 1);
  return { file: resolve(fn), processes, memoryMb };
}

/** The name of a reward in a list. */
function ownName(place: string, entry: FunctionEntry, fn: RewardSpec['fn']): string {
  if (isIsolated(fn)) return basename(fn.file, extname(fn.file));
  // `fn` is what JavaScript calls the function of an entry `{ fn: () => … }`: nobody chose that name.
  if (fn.name === '' || (hasSettings(entry) && fn.name === 'fn')) {
    throw expected(place, 'to be a function with a name', 'an anonymous function', 'name it, or give `rewards` as a record');
  }
  return fn.name;
}

/** Longer than this no timer of Node waits. */
const LONGEST_MS = 2 ** 31 - 1;

function assertMilliseconds(name: string, value: unknown, least: number): void {
  const usable = typeof value === 'number' && value >= least && value <= LONGEST_MS;
  if (!usable) throw expected(name, `to be milliseconds, ${least} to ${LONGEST_MS}`, value, 'correct it or leave it out');
}

function assertWhole(name: string, value: unknown, least: number): void {
  if (!(Number.isInteger(value) && (value as number) >= least)) throw expected(name, `to be a whole number of ${least} or more`, value, 'correct it or leave it out');
}
