/** Recipes and reward files: TypeScript or JavaScript, anywhere on disk, with `tsrl` meaning this running package. */
import { stat } from 'node:fs/promises';
import { basename, dirname, extname, resolve } from 'node:path';
import { expected, InputError, NotFoundError } from '../errors.ts';
import type { GrpoOptions } from '../grpo/option-schema.ts';
import { modelFrom, withPathsFrom } from '../grpo/recipe.ts';
import { isModelText, modelRewardName, withReference } from '../rewards/model-reward.ts';
import { hasSettings } from '../rewards/reward-entry.ts';
import { batchFunction, isModulePath } from '../rewards/reward.ts';
import type { BatchReward, RewardEntry, RewardFunction, Rewards, RewardSettings } from '../rewards/reward.ts';

/** What `import … from 'tsrl'` gives inside a loaded file. */
export type PackageExports = () => Promise<object>;

const thisPackage: PackageExports = () => import('../index.ts');

/**
 * The default export of a file.
 *
 * @param path absolute
 * @param what what the file is, for errors
 * @param packageExports what `tsrl` means inside; by default this running package, so that its classes and its addon exist once
 * @throws NotFoundError when there is no such file
 * @throws InputError when it cannot be compiled, fails while it is read, or has no default export
 */
export async function loadDefault(path: string, what: 'recipe' | 'reward', packageExports = thisPackage): Promise<unknown> {
  const info = await stat(path).catch(() => null);
  if (!info?.isFile()) throw new NotFoundError(`Expected the ${what} \`${path}\` to be a file, got ${info ? 'a folder' : 'nothing'}; check the path.`, { path });
  if (!isModulePath(path)) throw expected(what, 'to be a TypeScript or JavaScript file', path, 'end its name in .ts or .js');
  const { createJiti } = await import('jiti');
  // No cache on disk: the files are small, and a stale copy of one would be trained with.
  const jiti = createJiti(path, { fsCache: false, interopDefault: false, virtualModules: { tsrl: await packageExports() } });
  let loaded: { default?: unknown };
  try {
    loaded = await jiti.import<{ default?: unknown }>(path);
  } catch (cause) {
    if (cause instanceof InputError) throw cause;
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new InputError(`Expected the ${what} \`${path}\` to load, got an error (${reason}); correct the file.`, { path }, { cause });
  }
  if (loaded.default === undefined) throw new InputError(`Expected the ${what} \`${path}\` to have a default export, got none; write \`export default …\`.`, { path });
  return loaded.default;
}

/** A recipe with its relative paths read from its folder. */
export async function loadRecipe(path: string, packageExports?: PackageExports): Promise<Partial<GrpoOptions>> {
  const options = await loadDefault(path, 'recipe', packageExports);
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    throw expected('recipe', 'to have a plain description as its default export', options, 'write `export default recipe({ … })`');
  }
  return withPathsFrom(dirname(path), options as Partial<GrpoOptions>);
}

/**
 * Rewards with every file path replaced by the default export of that file; where the reward is isolated, by the absolute
 * path, which is loaded in a process of its own. Paths of reward models become absolute.
 *
 * @param folder what relative paths are read from
 * @param isolate the option `isolate`: what a reward does that does not say so itself
 * @returns the rewards, and the files they came from
 */
export async function loadRewardFiles(rewards: Rewards, folder: string, isolate: boolean, packageExports?: PackageExports): Promise<{ rewards: Rewards; files: string[] }> {
  const files: string[] = [];
  const replace = async (given: RewardEntry): Promise<RewardEntry> => {
    const entry = withReference(given, (reference) => modelFrom(folder, reference));
    if (typeof entry === 'object' && entry !== null && 'model' in entry) return entry;
    const settings: RewardSettings = hasSettings(entry) ? entry : { fn: entry };
    const { fn, file, ...rest } = settings;
    // Both at once are refused by the check of the options.
    const text = fn === undefined ? file : file === undefined && typeof fn === 'string' && isModulePath(fn) ? fn : undefined;
    if (typeof text !== 'string') return entry;
    const path = resolve(folder, text);
    files.push(path);
    if (settings.isolate ?? isolate) return { ...rest, fn: path };
    const loaded = await loadReward(path, packageExports);
    return hasSettings(entry) ? { ...rest, fn: loaded } : loaded;
  };
  if (Array.isArray(rewards)) {
    return { rewards: await inTurn(rewards as readonly RewardEntry[], replace), files };
  }
  const names = Object.keys(rewards);
  const entries = await inTurn(Object.values(rewards as Record<string, RewardEntry>), replace);
  return { rewards: Object.fromEntries(names.map((name, i) => [name, entries[i]!])), files };
}

/**
 * The rewards of `--reward`, named by file, model or built-in.
 *
 * @throws InputError when two would have the same name
 */
export function rewardsFromFlags(given: readonly string[]): Record<string, string> {
  const rewards: Record<string, string> = {};
  for (const text of given) {
    const name = isModulePath(text) ? basename(text, extname(text)) : isModelText(text) ? modelRewardName(text) : text.split(':')[0]!;
    if (Object.hasOwn(rewards, name)) throw expected('reward', 'to have a name of its own for each', name, 'rename one of the files, or name both in a recipe');
    rewards[name] = text;
  }
  return rewards;
}

/**
 * The reward that a file's default export is.
 *
 * @param path absolute
 */
export async function loadReward(path: string, packageExports?: PackageExports): Promise<RewardFunction | BatchReward> {
  const fn = await loadDefault(path, 'reward', packageExports);
  if (batchFunction(fn)) return fn as BatchReward;
  if (typeof fn !== 'function') throw expected(basename(path), 'to have a reward function as its default export', fn, 'write `export default ({ completion }) => …`');
  // `export default () => …` has no name of its own (or the one jiti gives it); in a list of rewards the file names it.
  if (/^(_?default)?$/.test(fn.name)) Object.defineProperty(fn, 'name', { value: basename(path, extname(path)) });
  return fn as RewardFunction;
}

/** One after the other, so that errors and module effects come in the order written. */
async function inTurn<T, R>(values: readonly T[], f: (value: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  for (const value of values) results.push(await f(value));
  return results;
}
