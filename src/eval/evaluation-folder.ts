/**
 * The folder of an evaluation: `evaluation.json` says what is evaluated and how, `questions.jsonl` gets a line per question as
 * it is finished, `summary.json` comes at the end. An evaluation that was cut off goes on where it stands.
 */
import { existsSync } from 'node:fs';
import { appendFile, mkdir, readFile, rm, truncate } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { FileFormatError, InputError, NotFoundError, show } from '../errors.ts';
import { writeFileAtomic } from '../run/atomic.ts';
import { folderError, takeLock } from '../run/lock.ts';
import type { Lock } from '../run/lock.ts';
import type { QuestionRecord } from './question-record.ts';

const SETTINGS = 'evaluation.json';
const QUESTIONS = 'questions.jsonl';
const SUMMARY = 'summary.json';
const OWNED = [SETTINGS, QUESTIONS, SUMMARY] as const;

/** What decides the result of an evaluation, as plain JSON. */
export type EvaluationSettings = Readonly<Record<string, unknown>>;

/** A folder that this process evaluates into, until `close`. */
export class EvaluationFolder {
  /** Absolute. */
  readonly path: string;
  /** Finished questions, in the order in which they were. */
  readonly records: QuestionRecord[];
  readonly #lock: Lock;
  #writing: Promise<void> = Promise.resolve();

  constructor(path: string, records: QuestionRecord[], lock: Lock) {
    this.path = path;
    this.records = records;
    this.#lock = lock;
  }

  /** Appends a finished question; lines are whole, one after the other. */
  async add(record: QuestionRecord): Promise<void> {
    this.#writing = this.#writing.then(() => appendFile(join(this.path, QUESTIONS), `${JSON.stringify(record)}\n`));
    await this.#writing;
    this.records.push(record);
  }

  async writeSummary(summary: object): Promise<void> {
    await writeFileAtomic(join(this.path, SUMMARY), `${JSON.stringify(summary, null, 2)}\n`);
  }

  async close(): Promise<void> {
    await this.#lock.release();
  }
}

/**
 * Opens a folder for an evaluation: a new one, or one that holds the same evaluation, which goes on.
 *
 * @param options.overwrite remove the evaluation that is there
 * @throws InputError when the folder holds an evaluation with other settings (it names them), or files that are not an evaluation's
 */
export async function openEvaluation(path: string, settings: EvaluationSettings, { overwrite = false } = {}): Promise<EvaluationFolder> {
  const folder = resolve(path);
  await mkdir(folder, { recursive: true }).catch((error: NodeJS.ErrnoException) => {
    throw folderError('to be a folder that can be written', path, `which cannot (${error.code})`, 'choose another folder or change its permissions');
  });
  const lock = await takeLock(join(folder, 'evaluation.lock'), path);
  try {
    const found = OWNED.filter((name) => existsSync(join(folder, name)));
    if (found.length > 0 && !found.includes(SETTINGS)) throw folderError('to be a new folder', path, `which holds ${found.join(', ')} but no ${SETTINGS}`, 'choose another folder');
    if (overwrite) for (const name of found.toReversed()) await rm(join(folder, name));
    if (overwrite || found.length === 0) {
      await writeFileAtomic(join(folder, SETTINGS), `${JSON.stringify(settings, null, 2)}\n`);
      return new EvaluationFolder(folder, [], lock);
    }
    assertSame(path, await readSettings(folder), JSON.parse(JSON.stringify(settings)) as EvaluationSettings);
    // The line that was being written when the process ended is no line yet.
    const { records, wholeBytes } = await readRecords(folder);
    if (existsSync(join(folder, QUESTIONS))) await truncate(join(folder, QUESTIONS), wholeBytes);
    return new EvaluationFolder(folder, records, lock);
  } catch (error) {
    await lock.release();
    throw error;
  }
}

/**
 * What a folder holds, in the order of the dataset.
 *
 * @throws NotFoundError when it is no evaluation; FileFormatError when its files are damaged
 */
export async function readEvaluation(path: string): Promise<{ settings: EvaluationSettings; records: QuestionRecord[] }> {
  const folder = resolve(path);
  const settings = await readSettings(folder);
  const { records } = await readRecords(folder);
  return { settings, records: records.toSorted((a, b) => a.index - b.index) };
}

/** A setting that is not the same in two evaluations. */
export interface Difference {
  /** As in `sampling.temperature`. */
  path: string;
  first: unknown;
  second: unknown;
}

/** Where two settings differ. */
export function differences(first: unknown, second: unknown, path = ''): Difference[] {
  const isRecord = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null && !Array.isArray(value);
  if (isRecord(first) && isRecord(second)) {
    const keys = [...new Set([...Object.keys(first), ...Object.keys(second)])];
    return keys.flatMap((key) => differences(first[key], second[key], path === '' ? key : `${path}.${key}`));
  }
  return JSON.stringify(first) === JSON.stringify(second) ? [] : [{ path, first, second }];
}

function assertSame(path: string, before: EvaluationSettings, now: EvaluationSettings): void {
  const changed = differences(before, now).map(({ path: setting, first, second }) => `\`${setting}\` was ${show(first)} and is ${show(second)}`);
  if (changed.length === 0) return;
  throw new InputError(
    `Expected \`outputDir\` to hold this evaluation, to go on with it, got ${path}, which holds another: ${changed.join('; ')}; choose another folder, set these as they were, or pass \`overwrite\`.`,
    { name: 'outputDir', folder: path, changed },
  );
}

async function readSettings(folder: string): Promise<EvaluationSettings> {
  const file = join(folder, SETTINGS);
  const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error;
    throw new NotFoundError(`Expected \`${folder}\` to be the folder of an evaluation, got one without ${SETTINGS}; name the \`outputDir\` of an evaluation.`, { folder });
  });
  return parsed(text, file) as EvaluationSettings;
}

async function readRecords(folder: string): Promise<{ records: QuestionRecord[]; wholeBytes: number }> {
  const file = join(folder, QUESTIONS);
  const bytes = await readFile(file).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return Buffer.alloc(0);
    throw error;
  });
  const wholeBytes = bytes.lastIndexOf(0x0a) + 1;
  const lines = bytes.toString('utf8', 0, wholeBytes).split('\n').slice(0, -1);
  return { records: lines.map((line, i) => parsed(line, `${file}, line ${i + 1}`) as QuestionRecord), wholeBytes };
}

function parsed(text: string, place: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new FileFormatError(`Expected ${place} to be JSON, got ${show(text)}; restore it, or evaluate anew with \`overwrite\`.`, { file: place }, { cause });
  }
}
