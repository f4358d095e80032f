/**
 * What a dataset's README says about its files: the key `configs` of the front matter, as the Hub reads it. Only the YAML
 * that occurs there is understood: records, lists, plain and quoted text, lists in brackets.
 */
import { FileFormatError } from '../errors.ts';

/** One configuration of a dataset. */
export interface DatasetConfig {
  name: string;
  isDefault: boolean;
  /** Split → patterns of file names; empty where the names in `folder` say it. */
  splits: Map<string, string[]>;
  /** The folder of its files; '' = the top. */
  folder: string;
}

interface Line {
  indent: number;
  text: string;
  /** In the README, from 1. */
  number: number;
}

type Yaml = string | null | Yaml[] | { [key: string]: Yaml };

/**
 * The configurations that a README names files for; none where it names none.
 *
 * @param file the README's name, for errors
 * @throws FileFormatError for front matter beyond what is understood
 */
export function cardConfigs(readme: string, file: string): DatasetConfig[] {
  const lines = configLines(readme);
  if (lines.length === 0) return [];
  const { value } = parseNode(lines, 0, file);
  const entries = Array.isArray(value) ? value : [];
  return entries.flatMap((entry) => {
    if (typeof entry !== 'object' || entry === null || Array.isArray(entry)) return [];
    const { config_name: name = 'default', data_files: files = null, data_dir: folder = null } = entry;
    const splits = splitsOf(files);
    if (splits.size === 0 && typeof folder !== 'string') return [];
    const place = typeof folder === 'string' ? folder.replace(/^\.?\//, '').replace(/\/?$/, '/') : '';
    return [{ name: String(name), isDefault: name === 'default' || entry['default'] === 'true', splits, folder: place }];
  });
}

/** The lines below `configs:` at the outermost level of the front matter. */
function configLines(readme: string): Line[] {
  const all = readme.replace(/^\uFEFF/, '').split(/\r?\n/);
  const end = all.indexOf('---', 1);
  if (all[0] !== '---' || end === -1) return [];
  const start = all.slice(0, end).findIndex((text) => /^configs:\s*$/.test(text));
  if (start === -1) return [];
  const next = all.slice(start + 1, end).findIndex((text) => /^[^\s#-]/.test(text));
  return all
    .slice(start + 1, next === -1 ? end : start + 1 + next)
    .map((text, i) => ({ indent: text.search(/\S/), text: text.trim(), number: start + 2 + i }))
    .filter(({ text }) => text !== '' && !text.startsWith('#'));
}

function parseNode(lines: readonly Line[], at: number, file: string): { value: Yaml; next: number } {
  return lines[at]!.text.startsWith('-') ? parseList(lines, at, file) : parseRecord(lines, at, file);
}

function parseList(lines: readonly Line[], at: number, file: string): { value: Yaml; next: number } {
  const { indent } = lines[at]!;
  const list: Yaml[] = [];
  let next = at;
  while (lines[next]?.indent === indent && /^-(\s|$)/.test(lines[next]!.text)) {
    const line = lines[next]!;
    const rest = line.text.slice(1).trimStart();
    if (/^[\w-]+:(\s|$)/.test(rest)) {
      // The first key of a record stands on the line of the dash.
      const inner = [...lines.slice(0, next), { ...line, indent: indent + line.text.length - rest.length, text: rest }, ...lines.slice(next + 1)];
      const read = parseRecord(inner, next, file);
      list.push(read.value);
      next = read.next;
    } else {
      list.push(scalar(rest, line, file));
      next += 1;
    }
  }
  return { value: list, next };
}

function parseRecord(lines: readonly Line[], at: number, file: string): { value: Yaml; next: number } {
  const { indent } = lines[at]!;
  const record: { [key: string]: Yaml } = {};
  let next = at;
  while (lines[next]?.indent === indent && !/^-(\s|$)/.test(lines[next]!.text)) {
    const line = lines[next]!;
    const [, key, rest = ''] = /^([\w-]+):(?:\s+(.*))?$/.exec(line.text) ?? [];
    if (key === undefined) throw notUnderstood(line, file);
    next += 1;
    const below = lines[next];
    if (rest === '' && below && (below.indent > indent || (below.indent === indent && below.text.startsWith('-')))) {
      const read = parseNode(lines, next, file);
      record[key] = read.value;
      next = read.next;
    } else record[key] = rest === '' ? null : scalar(rest, line, file);
  }
  return { value: record, next };
}

function scalar(text: string, line: Line, file: string): Yaml {
  const [, quoted] = /^(?:"([^"\\]*)"|'[^']*')\s*(?:#.*)?$/.exec(text) ?? [];
  if (quoted !== undefined) return quoted;
  if (/^'[^']*'$/.test(text)) return text.slice(1, -1);
  if (/^\[.*\]$/.test(text)) return text.slice(1, -1).split(',').map((one) => one.trim()).filter(Boolean).map((one) => scalar(one, line, file));
  if (/^[|>&!"'{[]/.test(text)) throw notUnderstood(line, file);
  return text.replace(/\s+#.*$/, '');
}

function notUnderstood({ text, number }: Line, file: string): FileFormatError {
  return new FileFormatError(`Expected \`configs\` in the front matter of \`${file}\` to be records and lists of plain text, got ${JSON.stringify(text)} on line ${number}; name the files with \`files\`.`, { file, line: number });
}

/** `data_files`: a pattern, patterns, a record from split to patterns, or a list of { split, path }. */
function splitsOf(files: Yaml): Map<string, string[]> {
  const splits = new Map<string, string[]>();
  const add = (split: string, patterns: Yaml): void => {
    const texts = (Array.isArray(patterns) ? patterns : [patterns]).filter((one) => typeof one === 'string');
    if (texts.length > 0) splits.set(split, [...(splits.get(split) ?? []), ...texts]);
  };
  for (const entry of Array.isArray(files) ? files : [files]) {
    if (typeof entry === 'string') add('train', entry);
    else if (typeof entry !== 'object' || entry === null || Array.isArray(entry)) continue;
    else if ('path' in entry) add(String(entry['split'] ?? 'train'), entry['path'] ?? null);
    else for (const [split, patterns] of Object.entries(entry)) add(split, patterns);
  }
  return splits;
}
