/** A model or a run to the Hugging Face Hub, with its card. A face over the rooms, not a room. */
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
import { expected, InputError } from './errors.ts';
import { changedOptions } from './grpo/changed-options.ts';
import { checkpointName, listCheckpoints } from './run/checkpoints.ts';
import { curveSvg } from './run/curve-svg.ts';
import { label, smooth } from './run/curve.ts';
import { CARD_MARK, modelCard } from './run/model-card.ts';
import type { BaseModel, RunFacts } from './run/model-card.ts';
import { baseModel, readRun } from './run/run-facts.ts';
import { checkUpload, uploadFolder } from './weights/hub-upload.ts';
import type { CardFiles, Upload, UploadOptions } from './weights/hub-upload.ts';
import { readJsonIfThere } from './weights/json-file.ts';
import { ADAPTER, INDEX_FILE, readIndex, SINGLE_FILE } from './weights/safetensors.ts';

/** How a loaded model is pushed. */
export interface PushOptions extends UploadOptions {
  /** The run folder that the card tells of. Default: the run that the model was loaded from, if it was. */
  run?: string;
}

/** What is pushed, and the run that made it. */
interface PushSource {
  folder: string;
  kind: 'model' | 'adapter';
  run: string | null;
  /** Updates that a checkpoint has seen; null for the end of the run. */
  step: number | null;
}

/** The picture beside the card. */
const CURVE_FILE = 'reward-curve.svg';

/**
 * Pushes a model folder, an adapter folder, a checkpoint, or the `final/` of a run folder.
 *
 * @throws InputError when there is nothing there to push
 * @throws UploadError when the Hub does not take it
 */
export async function pushFolder(path: string, repository: string, options: UploadOptions = {}): Promise<Upload> {
  checkUpload(repository, options);
  const source = await findSource(path);
  return uploadFolder(repository, source.folder, await cardOf(source, repository, null), options);
}

/**
 * Pushes a model in memory, by way of a temporary folder.
 *
 * @param reference where it was loaded from
 * @param save writes it to a folder in Hugging Face layout
 */
export async function pushModel(reference: string, save: (folder: string) => Promise<void>, repository: string, { run, ...options }: PushOptions): Promise<Upload> {
  checkUpload(repository, options);
  const madeBy = run === undefined ? await runOf(resolve(reference)) : await namedRun(run);
  const folder = await mkdtemp(join(tmpdir(), 'tsrl-push-'));
  try {
    await save(folder);
    return await uploadFolder(repository, folder, await cardOf({ folder, kind: 'model', ...madeBy }, repository, baseModel(reference)), options);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function findSource(path: string): Promise<PushSource> {
  const folder = resolve(path);
  const found = await stat(folder).catch(() => null);
  if (!found?.isDirectory()) throw expected('folder', 'to be the folder of a model or a run', path, found ? 'name the folder that it lies in' : 'correct the path');
  if (isRun(folder)) return { folder: await finalOf(folder, path), kind: kindOf(join(folder, 'final'), path), run: folder, step: null };
  return { folder, kind: kindOf(folder, path), ...(await runOf(folder)) };
}

function isRun(folder: string): boolean {
  return existsSync(join(folder, 'state.json')) && existsSync(join(folder, 'config.json'));
}

async function finalOf(run: string, path: string): Promise<string> {
  const final = join(run, 'final');
  if (existsSync(final)) return final;
  const steps = await listCheckpoints(join(run, 'checkpoints'));
  const state = readJsonIfThere(join(run, 'state.json'))?.['status'];
  const status = typeof state === 'string' ? state : 'not finished';
  if (steps.length === 0) throw new InputError(`Expected the run \`${path}\` to hold final/, got one that is ${status} and has no checkpoint; let it finish.`, { name: 'folder', path, steps });
  const newest = join(path, 'checkpoints', checkpointName(steps.at(-1)!));
  throw new InputError(`Expected the run \`${path}\` to hold final/, got one that is ${status}, with ${steps.map(checkpointName).join(', ')}; name a checkpoint, as in ${newest}.`, { name: 'folder', path, steps });
}

/** What a folder holds, after a look at whether it is all there. */
function kindOf(folder: string, path: string): PushSource['kind'] {
  const has = (name: string): boolean => existsSync(join(folder, name));
  const missing = (what: string): InputError => new InputError(`Expected \`${path}\` to hold ${what}, got none; name the folder of a whole model in Hugging Face layout, of an adapter, or of a run.`, { name: 'folder', path });
  if (has(ADAPTER.config)) {
    if (!has(ADAPTER.weights)) throw missing(`${ADAPTER.weights} beside ${ADAPTER.config}`);
    return 'adapter';
  }
  if (!has('config.json')) throw missing('config.json');
  const weights = has(SINGLE_FILE) ? [] : has(INDEX_FILE) ? [...new Set(readIndex(join(folder, INDEX_FILE)).values())] : [SINGLE_FILE];
  const lacking = weights.find((name) => !has(name));
  if (lacking !== undefined) throw missing(lacking);
  return 'model';
}

/** The run that a folder belongs to, as its `final/` or a checkpoint. */
async function runOf(folder: string): Promise<Pick<PushSource, 'run' | 'step'>> {
  const above = dirname(folder);
  if (basename(folder) === 'final' && isRun(above)) return { run: above, step: null };
  const run = dirname(above);
  if (basename(above) === 'checkpoints' && isRun(run)) {
    const step = (await listCheckpoints(above)).find((one) => checkpointName(one) === basename(folder));
    if (step !== undefined) return { run, step };
  }
  return { run: null, step: null };
}

async function namedRun(path: string): Promise<Pick<PushSource, 'run' | 'step'>> {
  const folder = resolve(path);
  if (isRun(folder)) return { run: folder, step: null };
  const { run, step } = await runOf(folder);
  if (run === null) throw expected('run', 'to be a run folder, its final/ or one of its checkpoints', path, 'leave it out for a card without a run');
  return { run, step };
}

/** The card, or null where the folder has one of its own. */
async function cardOf({ folder, kind, run, step }: PushSource, repository: string, loadedFrom: BaseModel | null): Promise<CardFiles | null> {
  const names = new Set(await readdir(folder));
  if (names.has('README.md')) return null;
  const made = run === null ? null : await readRun(run, step, changedOptions);
  const curve = made === null ? null : rewardCurve(made.facts);
  const adapterBase = readJsonIfThere(join(folder, ADAPTER.config))?.['base_model_name_or_path'];
  const license = readJsonIfThere(join(folder, 'config.json'))?.['license'];
  const card = modelCard({
    repository,
    kind,
    base: (typeof adapterBase === 'string' ? baseModel(adapterBase) : null) ?? made?.base ?? loadedFrom,
    // Hubs know licenses by such names; a text is none.
    license: typeof license === 'string' && /^[a-z0-9][a-z0-9.+-]*$/.test(license) ? license : null,
    tokenizer: names.has('tokenizer.json') || names.has('tokenizer.model'),
    chat: names.has('chat_template.jinja') || readJsonIfThere(join(folder, 'tokenizer_config.json'))?.['chat_template'] != null,
    run: made?.facts ?? null,
    curve: curve === null ? null : CURVE_FILE,
  });
  return { files: { 'README.md': card, ...(curve === null ? {} : { [CURVE_FILE]: curve }) }, mark: CARD_MARK };
}

/** The reward of each update with its trailing mean; null where there is too little for a curve. */
function rewardCurve({ metrics }: RunFacts): string | null {
  const points = metrics.flatMap(({ step, reward }) => (step == null || reward == null ? [] : [{ x: step, y: reward }]));
  if (points.length < 2) return null;
  const [first, last] = [points[0]!, points.at(-1)!];
  const window = Math.max(5, Math.round(points.length / 20));
  const means = smooth(points.map(({ y }) => y), window);
  const mean = { name: `mean of ${window} updates`, points: points.map(({ x }, i) => ({ x, y: means[i]! })) };
  return curveSvg([{ name: 'reward', points }, ...(points.length > 2 * window ? [mean] : [])], {
    title: 'Mean reward of each update',
    description: `The mean reward goes from ${label(first.y)} at update ${first.x} to ${label(last.y)} at update ${last.x}.`,
    xLabel: 'update',
    yLabel: 'reward',
  });
}
