/** The options of a run as flags, and what flags do to the options of a recipe. */
import type { GrpoOptions } from '../grpo/option-schema.ts';
import { notYetTable, optionTables } from '../grpo/option-table.ts';
import type { OptionTable } from '../grpo/option-table.ts';
import { withPathsFrom } from '../grpo/recipe.ts';
import { flagsHelp, type Assignment, type Flag, type Flags } from './flags.ts';

const rewardFlag: Flag = {
  kinds: new Set(['text']),
  help: 'Built-in reward (`length:50`), a file whose default export is the reward, or a reward model (`org/name`, `./folder:label=toxic`); may be given several times',
  value: 'NAME|FILE',
  repeats: true,
};

/** Options that only code can hold, and `rewards`, which is spelled `--reward`. */
const notFlags = new Set(['rewards', 'callbacks', 'tokenizer']);

/**
 * Every option as a flag, under the headings of the docs.
 *
 * @param tables of options of another kind; left out, those of a run
 */
export function optionFlagGroups(tables: readonly OptionTable[] = optionTables()): { title: string; flags: Flags }[] {
  return tables.map(({ title, rows }, i) => ({
    title,
    flags: Object.fromEntries([
      ...rows.filter(({ name }) => !notFlags.has(name)).map(({ name, kinds, type, meaning, default: byDefault }) => {
        const isSwitch = kinds.size === 1 && kinds.has('boolean');
        const help = `${meaning} (${byDefault === 'required' ? 'required' : `default ${byDefault}`})`;
        const flag: Flag = { kinds, help, nests: kinds.has('json'), ...(isSwitch ? {} : { value: type }) };
        return [name, flag] as const;
      }),
      ...(i === 0 ? [['reward', rewardFlag] as const] : []),
    ]),
  }));
}

/** All of them in one record, with those of later versions: the schema says of these that they are not there yet. */
export function optionFlags(): Flags {
  const present = Object.assign({}, ...optionFlagGroups().map(({ flags }) => flags)) as Flags;
  const later = notYetTable().map(({ name }) => {
    const flag: Flag = { kinds: new Set(['boolean', 'null', 'number', 'json', 'text']), help: '', nests: true };
    return [name, flag] as const;
  });
  return { ...present, ...Object.fromEntries(later) };
}

/** The help of option flags, by heading. */
export function optionHelp(groups = optionFlagGroups()): string {
  return groups
    .map(({ title, flags }) => `${title}:\n${flagsHelp(flags)}`)
    .join('\n\n');
}

/** Options whose forms exclude one another, so that a key given on the command line starts a new object. */
const exclusiveForms = new Set(['microBatch']);

/**
 * Options with what the command line sets. A nested key changes that key of an object and leaves the others; below a
 * dataset given as a path, it makes the path the key `path`. Relative paths are read from the working directory.
 *
 * @returns new options; the given ones stay as they are
 */
export function overrideOptions(options: Partial<GrpoOptions>, assignments: readonly Assignment[], cwd: string): Partial<GrpoOptions> {
  const result: Record<string, unknown> = { ...options };
  // Whole values first, so that `--dataset.split test --dataset rows` means the same in either order.
  for (const { path, value } of [...assignments].sort((a, b) => a.path.length - b.path.length)) {
    const [name, ...keys] = path as [string, ...string[]];
    const whole = keys.length === 0 ? value : withKey(startOf(name, result[name]), keys, value);
    const touchesPath = keys.length === 0 || (keys.length === 1 && keys[0] === 'path');
    result[name] = touchesPath ? withPathsFrom<Record<string, unknown>>(cwd, { [name]: whole })[name] : whole;
  }
  return result as Partial<GrpoOptions>;
}

function startOf(name: string, value: unknown): Record<string, unknown> {
  if ((name === 'dataset' || name === 'evalDataset') && typeof value === 'string') return { path: value };
  return isPlain(value) && !exclusiveForms.has(name) ? value : {};
}

function withKey(object: Record<string, unknown>, [key, ...rest]: readonly string[], value: unknown): Record<string, unknown> {
  const inner = object[key!];
  return { ...object, [key!]: rest.length === 0 ? value : withKey(isPlain(inner) ? inner : {}, rest, value) };
}

function isPlain(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype;
}
