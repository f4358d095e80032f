/** The lock of a run folder: one run at a time writes in it, and a crashed run does not keep it for ever. */
import { readFile, rm, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { InputError } from '../errors.ts';

/** A takeover lasts a few file operations; a guard that stays longer was left by a crash. */
const GUARD_TRIES = 40;
const GUARD_PAUSE_MS = 50;

/** Who holds the lock. */
interface Holder {
  pid: number;
  host: string;
  /** When the process started, as the system counts it; tells a process from a later one with the same pid. Null where unknown. */
  processStart: string | null;
  /** ISO 8601. */
  since: string;
}

/** A lock that is held. */
export interface Lock {
  /** Set when the lock of a dead process was taken over: one sentence that says so. */
  takenOver: string | null;
  /** Gives the lock back; safe to call twice. */
  release(): Promise<void>;
}

/**
 * Takes the lock, taking it over from a process that no longer lives.
 *
 * @param path the lock file
 * @param folder the run folder, as the user named it
 * @throws InputError when a living process holds it, or one on another machine, which cannot be judged from here
 */
export async function takeLock(path: string, folder: string): Promise<Lock> {
  const self: Holder = {
    pid: process.pid,
    host: hostname(),
    processStart: await processStart(process.pid),
    since: new Date().toISOString(),
  };
  const text = `${JSON.stringify(self)}\n`;
  let takenOver: string | null = null;
  while (!(await create(path, text))) {
    const found = await readHolder(path);
    if (found === 'gone') continue;
    const dead = await assertDead(found, path, folder);
    await whileGuarded(`${path}.takeover`, folder, async () => {
      // Read again: another run may have taken it over meanwhile. Nobody removes a lock without the guard.
      const still = await readHolder(path);
      if (still === 'gone') return;
      await assertDead(still, path, folder);
      await rm(path);
    });
    takenOver = `Took over the lock of process ${dead.pid}, which held \`${folder}\` since ${dead.since} and no longer runs.`;
  }
  let held = true;
  return {
    takenOver,
    release: async () => {
      if (held) await rm(path, { force: true });
      held = false;
    },
  };
}

/** Creates the file only if there is none. */
async function create(path: string, text: string): Promise<boolean> {
  try {
    await writeFile(path, text, { flag: 'wx' });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

/** Who holds the lock; null when that cannot be read, `'gone'` when the lock was given back meanwhile. */
async function readHolder(path: string): Promise<Holder | null | 'gone'> {
  const text = await readFile(path, 'utf8').catch(() => 'gone');
  if (text === 'gone') return 'gone';
  try {
    const value = JSON.parse(text) as Partial<Holder> | null;
    return typeof value?.pid === 'number' ? (value as Holder) : null;
  } catch {
    return null;
  }
}

/** Runs `work` as the only one that holds the guard file; waits a moment for others. */
async function whileGuarded(guard: string, folder: string, work: () => Promise<void>): Promise<void> {
  for (let tries = 0; !(await create(guard, `${process.pid}\n`)); tries++) {
    if (tries === GUARD_TRIES) {
      throw folderError('to be free', folder, 'whose lock another run is taking over', `wait for it, or delete ${guard} if no run is there`);
    }
    await sleep(GUARD_PAUSE_MS);
  }
  try {
    await work();
  } finally {
    await rm(guard, { force: true });
  }
}

/** @throws InputError when the holder lives, cannot be read, or is on another machine */
async function assertDead(holder: Holder | null, path: string, folder: string): Promise<Holder> {
  const mend = `wait for that run, choose another folder, or delete ${path} if no run is there`;
  if (!holder) throw folderError('to be free', folder, 'whose lock cannot be read', mend);
  const { pid, host, since } = holder;
  if (host !== hostname()) throw folderError('to be free', folder, `locked by process ${pid} on ${host} since ${since}`, mend);
  if (await lives(holder)) throw folderError('to be free', folder, `in use by process ${pid} since ${since}`, mend);
  return holder;
}

async function lives({ pid, processStart: start }: Holder): Promise<boolean> {
  try {
    process.kill(pid, 0);
  } catch (error) {
    // EPERM: it lives, but belongs to someone else.
    if ((error as NodeJS.ErrnoException).code !== 'EPERM') return false;
  }
  const now = await processStart(pid);
  return start === null || now === null || start === now;
}

/** Start of a process in clock ticks since boot, from Linux's /proc; null where there is none. */
async function processStart(pid: number): Promise<string | null> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
  // The name in parentheses may hold spaces; field 22 is the 20th after it.
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? null;
}

/** The house's sentence for a folder: its path is never cut, however long. */
export function folderError(wanted: string, folder: string, why: string, mend: string): InputError {
  return new InputError(`Expected \`outputDir\` ${wanted}, got ${folder}, ${why}; ${mend}.`, { name: 'outputDir', folder });
}
