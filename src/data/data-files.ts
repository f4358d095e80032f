/** Which files of a folder, or of a repository on the Hub, make up a split. */
import { extname, posix } from 'node:path';
import { expected } from '../errors.ts';
import type { InputError } from '../errors.ts';
import { cardConfigs } from './dataset-card.ts';
import type { DatasetConfig } from './dataset-card.ts';
import { fitsPattern } from './glob.ts';
import { extensions } from './formats.ts';

/** A folder or repository with the names of its files. */
export interface Listing {
  /** As the user wrote it, for errors. */
  where: string;
  /** Paths with slashes, relative to its root. */
  names: readonly string[];
  readText(name: string): Promise<string>;
  /** What to do where it holds no rows. */
  mend: string;
}

/** What is wanted of it. */
export interface Choice {
  split: string;
  /** null = the only one, or the default. */
  config: string | null;
  /** Patterns in place of what names and README say; null = none. */
  files: readonly string[] | null;
}

/** Words that say split wherever a name starts with them. */
const keyword = /^(train|training|test|testing|validation|valid|val|dev|eval|evaluation)(?=$|[-_. ])/;
const shard = /^(.+)-(\d{5})-of-(\d{5})$/;

/** Files about a dataset, not of it. */
const notRows = new Set(['dataset_info.json', 'dataset_infos.json', 'package.json']);

/**
 * The files of a split, in the order of their names: those that `files` names, else those that the README's front matter
 * names, else those whose names or folders say so.
 *
 * @throws InputError that lists the splits or configurations there are; also for a shard that is missing
 */
export async function splitFiles(listing: Listing, choice: Choice): Promise<string[]> {
  const names = listing.names.filter((name) => extensions.includes(extname(name).toLowerCase()) && !notRows.has(posix.basename(name))).sort();
  if (names.length === 0) throw expected('dataset', `to hold ${extensions.join(', ')} files`, listing.names, listing.mend);
  const found = choice.files ? namedFiles(listing, names, choice) : ((await cardFiles(listing, names, choice)) ?? filesByName(listing, names, choice));
  const kinds = new Set(found.map((name) => extname(name).toLowerCase()));
  if (kinds.size > 1) throw expected('dataset', `to have one kind of file for the split \`${choice.split}\` of ${listing.where}`, found, 'name those that are meant with `files`');
  if (!choice.files) assertWholeShards(listing, found);
  return found;
}

function namedFiles({ where }: Listing, names: readonly string[], { files, split }: Choice): string[] {
  if (split !== 'train') throw expected('split', 'to be `train` with `files`, which name the rows themselves', split, 'name the files of that split');
  const found = names.filter((name) => files!.some((pattern) => fitsPattern(pattern, name)));
  if (found.length === 0) throw expected('files', `to fit a file of ${where}`, files, `name some of ${list(names)}`);
  return found;
}

/** By the README; null where it names no files. */
async function cardFiles(listing: Listing, names: readonly string[], { split, config }: Choice): Promise<string[] | null> {
  if (!listing.names.includes('README.md')) return null;
  const configs = cardConfigs(await listing.readText('README.md'), posix.join(listing.where, 'README.md'));
  if (configs.length === 0) return null;
  const { name, splits, folder } = chooseConfig(listing, configs, config);
  if (splits.size === 0) return filesByName(listing, names.filter((file) => file.startsWith(folder)), { split, config: null, files: null });
  const patterns = splits.get(split);
  if (!patterns) throw noSplit(listing, split, [...splits.keys()], name);
  const found = names.filter((file) => patterns.some((pattern) => fitsPattern(folder + pattern.replace(/^\.?\//, ''), file)));
  if (found.length === 0) throw expected('dataset', `to have the files ${patterns.join(', ')} that its README names`, names, 'name others with `files`');
  return found;
}

function chooseConfig({ where }: Listing, configs: readonly DatasetConfig[], config: string | null): DatasetConfig {
  const chosen = config === null ? (configs.length === 1 ? configs[0] : configs.find(({ isDefault }) => isDefault)) : configs.find(({ name }) => name === config);
  return chosen ?? refuseConfig(where, configs.map(({ name }) => name), config);
}

function refuseConfig(where: string, names: readonly string[], config: string | null): never {
  throw expected('config', `to be one of ${where}: ${names.map((name) => `'${name}'`).join(', ')}`, config, `name one, as in \`config: '${names[0]}'\``);
}

/** A file with what its name says. `data/` is no configuration. */
function said(path: string): { path: string; stem: string; split: string; isKeyword: boolean; config: string } {
  const folders = path.split('/').slice(0, -1);
  const stem = posix.basename(path, extname(path));
  const [, start = stem] = shard.exec(stem) ?? [];
  const config = (parts: string[]): string => (parts[0] === 'data' ? parts.slice(1) : parts).join('/');
  if (keyword.test(start)) return { path, stem, split: shard.test(stem) ? start : keyword.exec(start)![1]!, isKeyword: true, config: config(folders) };
  const folder = folders.at(-1) ?? '';
  if (keyword.test(folder)) return { path, stem, split: folder, isKeyword: true, config: config(folders.slice(0, -1)) };
  return { path, stem, split: start, isKeyword: shard.test(stem), config: config(folders) };
}

function filesByName(listing: Listing, names: readonly string[], { split, config }: Choice): string[] {
  const all = names.map(said);
  const configs = [...new Set(all.map((file) => file.config))];
  if (config !== null && !configs.includes(config)) refuseConfig(listing.where, configs.filter(Boolean), config);
  const own = config === null ? all : all.filter((file) => file.config === config);
  const byName = own.filter((file) => file.stem === split || file.split === split);
  // Where no name says split, all files are one.
  const fitting = byName.length === 0 && split === 'train' && !own.some(({ isKeyword }) => isKeyword) ? own : byName;
  if (fitting.length === 0) throw noSplit(listing, split, [...new Set(own.map((file) => file.split))], config);
  const places = new Set(fitting.map((file) => file.config));
  if (places.size > 1 && !places.has('')) refuseConfig(listing.where, [...places], null);
  return fitting.filter((file) => places.size === 1 || file.config === '').map(({ path }) => path);
}

function noSplit({ where }: Listing, split: string, splits: readonly string[], config: string | null): InputError {
  const what = config === null || config === 'default' ? where : `${where}, configuration ${config}`;
  return expected('split', `to be one that ${what} has: ${list(splits)}`, split, 'name one of these, or the files with `files`');
}

/** A download that was cut leaves shards out; training on the rest would go unnoticed. */
function assertWholeShards({ where }: Listing, found: readonly string[]): void {
  const there = new Set(found);
  const sets = new Map(found.flatMap((name) => {
    const [, start, , count] = shard.exec(posix.basename(name, extname(name))) ?? [];
    return start === undefined ? [] : [[`${posix.dirname(name)}/${start}-of-${count}`, { name, start, count }]];
  }));
  for (const { name, start, count } of sets.values()) {
    const shards = Array.from({ length: Number(count) }, (_, i) => posix.join(posix.dirname(name), `${start}-${String(i).padStart(5, '0')}-of-${count}${extname(name)}`));
    const missing = shards.filter((one) => !there.has(one));
    if (missing.length > 0) throw expected('dataset', `to hold all ${shards.length} parts of ${start} in ${where}`, `it without ${list(missing)}`, 'fetch them, or name those that are meant with `files`');
  }
}

function list(names: readonly string[]): string {
  return names.length > 8 ? `${names.slice(0, 8).join(', ')} and ${names.length - 8} more` : names.join(', ');
}
