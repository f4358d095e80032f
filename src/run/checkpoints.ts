/** `checkpoints/step-000025/`: written beside, renamed when whole, the oldest removed only after that. */
import { mkdir, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { expected } from '../errors.ts';

/** The folder name of a checkpoint: `step-000025`. */
export function checkpointName(step: number): string {
  return `step-${String(step).padStart(6, '0')}`;
}

/** The steps of the whole checkpoints in a `checkpoints/` folder, oldest first; none when there is no such folder. */
export async function listCheckpoints(folder: string): Promise<number[]> {
  const names = await readdir(folder).catch(() => []);
  return names
    .flatMap((name) => (/^step-\d{6,}$/.test(name) ? [Number(name.slice('step-'.length))] : []))
    .sort((a, b) => a - b);
}

/**
 * Writes one checkpoint. A failure leaves no trace of it and the older ones untouched.
 *
 * @param folder the run's `checkpoints/`
 * @param step optimizer updates done
 * @param write fills the folder it is given
 * @param options.saveTotalLimit keep at most so many, the newest; null keeps all
 * @param options.best the step of a checkpoint that stays whatever the limit, beside those it counts
 * @returns where the checkpoint stands
 */
export async function saveCheckpoint(
  folder: string,
  step: number,
  write: (folder: string) => Promise<void>,
  { saveTotalLimit = null, best = null }: { saveTotalLimit?: number | null; best?: number | null } = {},
): Promise<string> {
  if (saveTotalLimit !== null && !(Number.isInteger(saveTotalLimit) && saveTotalLimit >= 1)) {
    throw expected('saveTotalLimit', 'to be a whole number of 1 or more, or null', saveTotalLimit, 'correct it');
  }
  const final = join(folder, checkpointName(step));
  // The dot keeps watchers that look for `step-*` from opening a half-written folder.
  const temporary = join(folder, `.${checkpointName(step)}.tmp`);
  await rm(temporary, { recursive: true, force: true });
  await mkdir(temporary, { recursive: true });
  try {
    await write(temporary);
    await replaceFolder(temporary, final, join(folder, `.${checkpointName(step)}.old`));
  } catch (error) {
    await rm(temporary, { recursive: true, force: true });
    throw error;
  }
  if (saveTotalLimit !== null) {
    const older = (await listCheckpoints(folder)).filter((other) => other !== step && other !== best);
    const surplus = Math.max(0, older.length - (saveTotalLimit - 1));
    for (const other of older.slice(0, surplus)) await rm(join(folder, checkpointName(other)), { recursive: true });
  }
  return final;
}

/** Puts `from` in the place of `to`, which may exist. */
async function replaceFolder(from: string, to: string, aside: string): Promise<void> {
  await rm(aside, { recursive: true, force: true });
  try {
    await rename(to, aside);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
  await rename(from, to);
  await rm(aside, { recursive: true, force: true });
}
