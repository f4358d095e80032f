/** The command line's grammar: `--key value`, `--key=value`, `--no-key`, nested keys with dots, lists and objects as JSON. */
import { show, TsrlError } from '../errors.ts';
import { nearestName } from '../text/nearest-name.ts';

/** The command line itself is wrong: unknown flags, missing values, values of the wrong kind. Exit code 2. */
export class UsageError extends TsrlError {}

/** What can be written after a flag. */
export type FlagKind = 'text' | 'number' | 'boolean' | 'null' | 'json' | 'code';

/** One flag. */
export interface Flag {
  kinds: ReadonlySet<FlagKind>;
  /** What it does, for help. */
  help: string;
  /** Name of its value in help; none for switches. */
  value?: string;
  /** May be given several times; the values are gathered in a list. */
  repeats?: boolean;
  /** Takes keys below it, as in `--lora.r 16`. */
  nests?: boolean;
}

/** Flags by their name in camelCase. */
export type Flags = Readonly<Record<string, Flag>>;

/** One thing the command line sets: `['microBatch', 'rows']` to 4. */
export interface Assignment {
  path: readonly string[];
  value: unknown;
}

/** A command line taken apart. */
export interface ParsedFlags {
  positionals: string[];
  assignments: Assignment[];
}

/** A switch: `--json`, `--no-json`. */
export const toggle = (help: string): Flag => ({ kinds: new Set(['boolean']), help });
/** A flag with text after it. */
export const text = (value: string, help: string, more: Partial<Flag> = {}): Flag => ({ kinds: new Set(['text']), value, help, ...more });
/** A flag with a number after it. */
export const number = (value: string, help: string): Flag => ({ kinds: new Set(['number']), value, help });
/** A flag with a list or object after it, in JSON. */
export const json = (value: string, help: string): Flag => ({ kinds: new Set(['json']), value, help });

/** `numGenerations` → `num-generations`. */
export function kebab(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

/** `num-generations` → `numGenerations`. */
export function camel(name: string): string {
  return name.replace(/-([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
}

/**
 * Takes a command line apart.
 *
 * @throws UsageError for an unknown flag (naming the nearest), a missing value or one of the wrong kind, a flag given twice
 */
export function parseFlags(args: readonly string[], flags: Flags): ParsedFlags {
  const positionals: string[] = [];
  const assignments: Assignment[] = [];
  const rest = [...args];
  while (rest.length > 0) {
    const arg = rest.shift()!;
    if (arg === '--') {
      positionals.push(...rest.splice(0));
    } else if (arg === '-h') {
      assignments.push({ path: ['help'], value: true });
    } else if (!arg.startsWith('--')) {
      positionals.push(arg);
    } else {
      assignments.push(readFlag(arg, rest, flags));
    }
  }
  return { positionals, assignments: gather(assignments, flags) };
}

/** Reads one flag; takes its value from `rest` when it stands there. */
function readFlag(arg: string, rest: string[], flags: Flags): Assignment {
  const [, name = '', inline] = /^--([^=]*)(?:=([\s\S]*))?$/.exec(arg)!;
  const path = name.split('.').map((part, i) => (i === 0 ? camel(part) : part));
  const flag = Object.hasOwn(flags, path[0]!) ? flags[path[0]!] : undefined;
  if (flag === undefined || /[A-Z]/.test(name.split('.')[0]!)) return readNegation(name, inline, flags);
  if (path.length > 1) {
    if (!flag.nests) throw new UsageError(`Expected \`--${kebab(path[0]!)}\` without keys below it, got \`--${name}\`; remove what follows the dot.`, { flag: name });
    return { path: [path[0]!, ...path.slice(1).map(camel)], value: anyValue(inline ?? nextValue(name, rest)) };
  }
  const isSwitch = flag.kinds.has('boolean') && [...flag.kinds].every((kind) => kind === 'boolean' || kind === 'null');
  const given = inline ?? (flag.kinds.has('boolean') ? switchValue(rest, isSwitch) : nextValue(name, rest));
  return { path, value: valueOf(given, flag, name) };
}

/** `--no-x`, or a flag that nobody knows. */
function readNegation(name: string, inline: string | undefined, flags: Flags): Assignment {
  const positive = name.startsWith('no-') ? camel(name.slice(3)) : '';
  const flag = Object.hasOwn(flags, positive) ? flags[positive] : undefined;
  if (flag === undefined) throw unknownFlag(name, flags);
  if (inline !== undefined) throw new UsageError(`Expected \`--${name}\` without a value, got ${show(inline)}; remove it.`, { flag: name });
  if (flag.kinds.has('boolean')) return { path: [positive], value: false };
  if (flag.kinds.has('null')) return { path: [positive], value: null };
  throw new UsageError(`Expected a flag that can be turned off, got \`--${name}\`; \`--${kebab(positive)}\` needs a value.`, { flag: name });
}

function unknownFlag(name: string, flags: Flags): UsageError {
  const near = nearestName(name.split('.')[0]!, Object.keys(flags).map(kebab));
  const mend = near === null ? 'see `--help` for all flags.' : `did you mean \`--${near}\`?`;
  return new UsageError(`Expected a flag of this command, got \`--${name}\`; ${mend}`, { flag: name, nearest: near });
}

function nextValue(name: string, rest: string[]): string {
  const next = rest.shift();
  if (next === undefined || (next.startsWith('--') && next !== '--')) {
    throw new UsageError(`Expected a value after \`--${name}\`, got ${next === undefined ? 'nothing' : `\`${next}\``}; write \`--${name} VALUE\`.`, { flag: name });
  }
  return next;
}

/** A switch alone is true; it takes a value only when one stands there that it could mean. */
function switchValue(rest: string[], isSwitch: boolean): string {
  const next = rest[0];
  const takes = next !== undefined && (isSwitch ? /^(true|false|null)$/.test(next) : !next.startsWith('--'));
  return takes ? rest.shift()! : 'true';
}

function valueOf(given: string, { kinds }: Flag, name: string): unknown {
  if (kinds.has('null') && given === 'null') return null;
  if (kinds.has('boolean') && /^(true|false)$/.test(given)) return given === 'true';
  if (kinds.has('number') && given.trim() !== '' && Number.isFinite(Number(given))) return Number(given);
  if (kinds.has('json') && /^\s*[[{]/.test(given)) return parseJson(given, name);
  if (kinds.has('text')) return given;
  throw new UsageError(`Expected \`--${name}\` to be ${wantedText(kinds)}, got ${show(given)}; correct the value.`, { flag: name, got: given });
}

function wantedText(kinds: ReadonlySet<FlagKind>): string {
  const words: Readonly<Record<FlagKind, string>> = {
    text: 'text',
    number: 'a number',
    boolean: 'true or false',
    null: 'null',
    json: 'a list or an object in JSON',
    code: 'set in a recipe',
  };
  return [...kinds].map((kind) => words[kind]).join(' or ');
}

function parseJson(given: string, name: string): unknown {
  try {
    return JSON.parse(given);
  } catch (cause) {
    throw new UsageError(`Expected \`--${name}\` to be JSON, got ${show(given)}; put it in single quotes, with double quotes inside.`, { flag: name }, { cause });
  }
}

/** Below a nested key no kind is known: JSON where it is JSON, else text. */
function anyValue(given: string): unknown {
  try {
    return JSON.parse(given);
  } catch {
    return given;
  }
}

/** Gathers repeating flags in lists, and refuses others that stand twice. */
function gather(assignments: readonly Assignment[], flags: Flags): Assignment[] {
  const byName = new Map<string, Assignment>();
  for (const { path, value } of assignments) {
    const name = path.join('.');
    const before = byName.get(name);
    if (flags[path[0]!]?.repeats) {
      byName.set(name, { path, value: [...((before?.value as unknown[] | undefined) ?? []), value] });
    } else if (before && name !== 'help') {
      throw new UsageError(`Expected \`--${path.map(kebab).join('.')}\` once, got it twice; remove one.`, { flag: name });
    } else {
      byName.set(name, { path, value });
    }
  }
  return [...byName.values()];
}

/** The value of a flag without keys below it, or undefined. */
export function given(parsed: ParsedFlags, name: string): unknown {
  return parsed.assignments.find(({ path }) => path.length === 1 && path[0] === name)?.value;
}

/** One line per flag, aligned. */
export function flagsHelp(flags: Flags): string {
  const rows = Object.entries(flags).map(([name, flag]) => [`  --${kebab(name)}${flag.value ? ` ${flag.value}` : ''}`, flag.help] as const);
  const width = Math.min(34, Math.max(...rows.map(([left]) => left.length)) + 2);
  return rows.map(([left, help]) => (left.length < width ? `${left.padEnd(width)}${help}` : `${left}\n${' '.repeat(width)}${help}`)).join('\n');
}
