/** Where rows come from: lists, iterables, files, folders, the Hub, tasks that make their own, and mixtures of these. */
import { readdir, readFile, stat } from 'node:fs/promises';
import { extname, join, posix, sep } from 'node:path';
import { expected, NotFoundError } from '../errors.ts';
import { fileSource } from './byte-source.ts';
import { splitFiles } from './data-files.ts';
import type { Choice } from './data-files.ts';
import { extensions, rowsOf } from './formats.ts';
import type { DataFile } from './formats.ts';
import { fitsPattern, isPattern, patternRoot } from './glob.ts';
import { heldOutSide } from './held-out.ts';
import type { HeldOut } from './held-out.ts';
import { assertWeights, mixRows, mixStreams } from './mixture.ts';
import type { MixtureSpec } from './mixture.ts';
import { epochOrder } from './order.ts';
import type { Row } from './row.ts';
import { checkedRow, columnPairs, shapeRows } from './shape.ts';
import type { Shape } from './shape.ts';
import { parseSplit, rowsNeeded, sliceRows } from './split.ts';
import type { SplitTerm } from './split.ts';
import { taskRows } from './tasks/by-name.ts';

/** Rows by the place where they are, and what to do with them. Applied in this order: split, held-out rows, columns, map, filter. */
export interface DatasetSpec extends Shape, Partial<HeldOut> {
  /** A file, a pattern (`data/train-*.parquet`), a folder, `org/name[@revision]` on the Hub, or `task:name?…`. */
  path: string;
  /** Configuration, for a folder or repository with several. Default: the only one, or the one marked so. */
  config?: string;
  /** Split, with a slice if wanted, or a sum: `train`, `train[:75]`, `train[10:20]`, `train[:10%]`, `train+test`. Default `train`. */
  split?: string;
  /** Patterns of the files of a folder or repository, where its names and README do not say it. */
  files?: string | readonly string[];
  /** Rows come one by one, in the order of the files; Parquet on the Hub is read by parts and not kept. Default false: all rows at the start. */
  streaming?: boolean;
  /** With `streaming`: rows are drawn from so many waiting ones, by the run's seed. Default 1: in order. */
  shuffleBuffer?: number;
}

/** What the option `dataset` may be. */
export type DatasetInput = string | Iterable<Row> | AsyncIterable<Row> | DatasetSpec | MixtureSpec;

/** Rows that come one by one. */
export interface RowStream {
  kind: 'stream';
  /** The rows from the first on, in the same order every time. */
  open: () => AsyncIterable<Row>;
  /** True where they come only once: an async iterable of the program's own. */
  once: boolean;
  /** Rows from which the next one is drawn; 1 = in order. */
  shuffleBuffer: number;
}

/** Rows that are all there, or rows that come one by one. */
export type Dataset = { kind: 'rows'; rows: Row[] } | RowStream;

/** One term of a split with its files. */
interface Place {
  term: SplitTerm;
  files: readonly DataFile[];
}

/** How a dataset is opened. */
export interface LoadSettings {
  /** Where files of the Hub are kept, in place of the folder that the environment names. */
  cacheDir?: string | null;
  /** Hears a line whenever something slow starts or ends. */
  onMessage?: (line: string) => void;
}

/**
 * Opens a dataset. Lists, iterables, files, folders and repositories are read whole, unless `streaming` is asked for; async
 * iterables are left to come.
 *
 * @throws InputError for an empty dataset, an unknown split or column, a kind of file that cannot be read
 * @throws NotFoundError for a path that does not exist, and for what the Hub does not give
 * @throws FileFormatError for a file that is not what its name says
 */
export async function loadDataset(input: DatasetInput, settings: LoadSettings = {}): Promise<Dataset> {
  if (typeof input === 'object' && Symbol.asyncIterator in input) return { kind: 'stream', open: () => checkedStream(input), once: true, shuffleBuffer: 1 };
  if (typeof input === 'object' && Symbol.iterator in input) return { kind: 'rows', rows: notEmpty(Array.from(input, checkedRow), 'dataset') };
  if (typeof input === 'object' && 'mixture' in input) return loadMixture(input, settings);
  const spec: DatasetSpec = typeof input === 'string' ? { path: input } : input;
  assertFits(spec);
  if (spec.path.startsWith('task:')) return { kind: 'rows', rows: await finish(taskRows(spec.path), spec) };
  const places: Place[] = [];
  for (const term of parseSplit(spec.split ?? 'train')) {
    if (spec.streaming) assertCounted(term);
    places.push({ term, files: await filesOf(spec, term, settings) });
  }
  if (spec.streaming) return { kind: 'stream', open: () => shapeRows(streamed(places, spec), spec), once: false, shuffleBuffer: spec.shuffleBuffer ?? 1 };
  const rows: Row[] = [];
  for (const { term, files } of places) for (const row of await readTerm(files, term, spec)) rows.push(row);
  return { kind: 'rows', rows: await finish(rows, spec) };
}

async function loadMixture({ mixture: parts, ...options }: MixtureSpec, settings: LoadSettings): Promise<Dataset> {
  assertWeights(parts);
  const loaded = await Promise.all(parts.map(async ({ dataset, weight }) => ({ data: await loadDataset(dataset, settings), weight })));
  const lists = loaded.flatMap(({ data, weight }) => (data.kind === 'rows' ? [{ rows: data.rows, weight }] : []));
  if (lists.length === loaded.length) return { kind: 'rows', rows: notEmpty(mixRows(lists, options), 'mixture') };
  if (options.rows !== undefined) throw expected('mixture', 'to be without `rows` where a part is streamed', options.rows, 'leave it out; `maxSteps` ends the run');
  const streams = loaded.map(({ data }) => (data.kind === 'rows' ? { open: () => endless(data.rows, options.seed ?? 42), once: false } : data));
  return {
    kind: 'stream',
    open: () => mixStreams(streams.map(({ open }, i) => ({ rows: open(), weight: loaded[i]!.weight }))),
    once: streams.some(({ once }) => once),
    shuffleBuffer: Math.max(...loaded.map(({ data }) => (data.kind === 'rows' ? 1 : data.shuffleBuffer))),
  };
}

/** A list beside streams is gone through again and again, each time in another order: a stream ends the mixture. */
async function* endless(rows: readonly Row[], seed: number): AsyncGenerator<Row> {
  for (let epoch = 0; ; epoch++) for (const i of epochOrder(rows.length, { seed, epoch, shuffle: true })) yield rows[i]!;
}

function assertFits({ path, streaming = false, testSize, part, splitSeed, shuffleBuffer, config, split, files }: DatasetSpec): void {
  if (streaming && testSize !== undefined) throw expected('testSize', 'to be left out with `streaming`', testSize, 'its rows are not counted; use slices of `split`');
  if (testSize === undefined && (part !== undefined || splitSeed !== undefined)) throw expected('testSize', 'to be given with `part` or `splitSeed`', undefined, 'say how many rows are held out');
  if (shuffleBuffer !== undefined && !streaming) throw expected('shuffleBuffer', 'to be left out without `streaming`', shuffleBuffer, 'all rows are shuffled: see `shuffleDataset`');
  if (!path.startsWith('task:')) return;
  const given = Object.entries({ streaming: streaming || undefined, config, split, files }).find(([, value]) => value !== undefined);
  if (given) throw expected(given[0], 'to be left out for a task, which makes its rows', given[1], 'remove it');
}

/** The rows of a term that are needed for its slice. */
async function readTerm(files: readonly DataFile[], { slice, text }: SplitTerm, spec: DatasetSpec): Promise<Row[]> {
  const enough = (slice && rowsNeeded(slice)) ?? Infinity;
  const rows: Row[] = [];
  for await (const row of rowsOf(files, fileColumns(spec))) {
    rows.push(row);
    if (rows.length >= enough) break;
  }
  notEmpty(rows, spec.path);
  return slice ? sliceRows(rows, slice, text) : rows;
}

/** The length of a stream is not known: its slices are counted from the beginning. */
function assertCounted({ slice, text }: SplitTerm): void {
  if ([slice?.from, slice?.to].some((end) => end && (end.percent || end.value < 0))) throw expected('split', 'to be a slice by row numbers from the beginning with `streaming`', text, 'write it as train[10:20]');
}

async function* streamed(places: readonly Place[], spec: DatasetSpec): AsyncGenerator<Row> {
  for (const { term, files } of places) {
    const [from, to] = [term.slice?.from?.value ?? 0, term.slice?.to?.value ?? Infinity];
    let index = 0;
    for await (const row of rowsOf(files, fileColumns(spec))) {
      if (index >= to) break;
      if (index++ >= from) yield row;
    }
  }
}

/** Columns of the file that are read; null = all. */
function fileColumns({ columns }: DatasetSpec): string[] | null {
  return columns ? [...new Set(columnPairs(columns).map(([, column]) => column))] : null;
}

async function finish(all: Row[], spec: DatasetSpec): Promise<Row[]> {
  const { path, testSize, splitSeed = 42, part = 'train', filter } = spec;
  const side = testSize === undefined ? all : heldOutSide(all, { testSize, splitSeed, part });
  const rows: Row[] = [];
  for await (const row of shapeRows(side, spec)) rows.push(row);
  return notEmpty(rows, filter ? `${path} after filter` : path);
}

async function filesOf(spec: DatasetSpec, { name: split }: SplitTerm, settings: LoadSettings): Promise<DataFile[]> {
  const { path } = spec;
  const choice: Choice = { split, config: spec.config ?? null, files: spec.files === undefined ? null : [spec.files].flat() };
  const info = await stat(path).catch(() => null);
  if (info?.isDirectory()) {
    const listing = { where: path, names: await filesBelow(path), readText: (name: string) => readFile(join(path, name), 'utf8'), mend: 'name another folder' };
    return (await splitFiles(listing, choice)).map((name) => onDisk(join(path, name)));
  }
  if (!info && /^\w[\w.-]*\/\w[\w.-]*(@|$)/.test(path) && !/\.[a-z]{2,8}$/i.test(path)) {
    const { hubFiles } = await import('./hub-dataset.ts');
    return hubFiles(path, choice, { ...settings, streaming: spec.streaming ?? false });
  }
  for (const [option, value] of Object.entries({ config: spec.config, files: spec.files })) {
    if (value !== undefined) throw expected(option, 'to be left out for files that are named', value, 'remove it');
  }
  if (split !== 'train') throw expected('split', 'to be `train` for files that are named', split, 'name the files of that split, or the folder that holds them');
  if (info) return [onDisk(path)];
  if (!isPattern(path)) throw new NotFoundError(`Expected \`dataset\` to be a path that exists, got "${path}"; check the path (in a recipe it is relative to the recipe file).`, { path });
  const { root, rest } = patternRoot(path);
  const found = (await filesBelow(root)).filter((name) => fitsPattern(rest, name)).sort();
  if (found.length === 0) throw new NotFoundError(`Expected \`dataset\` to fit at least one file, got "${path}"; check the pattern (in a recipe it is relative to the recipe file).`, { path });
  return found.map((name) => onDisk(posix.join(root, name)));
}

function onDisk(name: string): DataFile {
  if (!extensions.includes(extname(name).toLowerCase())) throw expected('dataset', `to be a ${extensions.join(', ')} file`, name, 'convert it, or pass the rows themselves');
  return { name, open: () => fileSource(name) };
}

/** Paths of all files below a folder, with slashes; hidden ones are none of the data. */
async function filesBelow(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true, recursive: true }).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return [];
    throw error;
  });
  // Files of a cache are links.
  const paths = entries.filter((entry) => !entry.isDirectory()).map((entry) => join(entry.parentPath, entry.name));
  const start = join(folder, 'x').length - 1;
  return paths.map((path) => path.slice(start).split(sep).join('/')).filter((name) => !/(^|\/)\./.test(name));
}

function notEmpty(rows: Row[], name: string): Row[] {
  if (rows.length === 0) throw expected('dataset', 'to hold at least one row', `no rows (${name})`, 'check the file, the split and the filter');
  return rows;
}

async function* checkedStream(rows: AsyncIterable<Row>): AsyncGenerator<Row> {
  let index = 0;
  for await (const row of rows) yield checkedRow(row, index++);
}
