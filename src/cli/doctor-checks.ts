/** The checks of `tsrl doctor`. Each looks at one thing and says how to mend it. */
import { access, constants, readFile, stat, statfs } from 'node:fs/promises';
import { availableParallelism, freemem, totalmem } from 'node:os';
import { dirname } from 'node:path';

/** What one check found. */
export interface Finding {
  name: string;
  ok: boolean;
  /** What was found, in one line. */
  detail: string;
  /** The command or step that mends it; null when all is well. */
  mend: string | null;
}

const GIB = 2 ** 30;
/** Below this much memory or disk not even the small model fits: 135M float32 weights, gradients and two moments. */
const ENOUGH_BYTES = 3 * GIB;

const fine = (name: string, detail: string): Finding => ({ name, ok: true, detail, mend: null });
const problem = (name: string, detail: string, mend: string): Finding => ({ name, ok: false, detail, mend });
const gib = (bytes: number): string => `${(bytes / GIB).toFixed(1)} GiB`;

/** Node 20.19 or newer. */
export function checkNode(version: string): Finding {
  const [major = 0, minor = 0] = version.replace(/^v/, '').split('.').map(Number);
  const ok = major > 20 || (major === 20 && minor >= 19);
  return ok ? fine('node', version) : problem('node', `${version}, older than 20.19`, 'install Node 20.19 or newer');
}

/** The libtorch that set-up recorded, and whether it still stands there. */
export async function checkLibtorch(setupFile: URL): Promise<Finding> {
  const name = 'libtorch';
  let setup: { libtorch?: unknown; torchVersion?: unknown };
  try {
    setup = JSON.parse(await readFile(setupFile, 'utf8')) as typeof setup;
  } catch {
    return problem(name, 'set-up has not finished here', 'npm run setup');
  }
  const folder = String(setup.libtorch);
  const there = await stat(folder).catch(() => null);
  return there ? fine(name, `${String(setup.torchVersion)} in ${folder}`) : problem(name, `${folder} is gone`, 'npm run setup');
}

/** Whether the addon loads. */
export async function checkAddon(load: () => Promise<{ torchVersion: string }>): Promise<Finding> {
  try {
    return fine('addon', `loads, libtorch ${(await load()).torchVersion}`);
  } catch (error) {
    return problem('addon', error instanceof Error ? error.message : String(error), 'npm run build');
  }
}

/** Cores this process may use. */
export function checkCores(): Finding {
  return fine('cores', String(availableParallelism()));
}

/** Memory, free and in all. */
export function checkMemory(free = freemem(), total = totalmem()): Finding {
  const detail = `${gib(free)} free of ${gib(total)}`;
  return free >= ENOUGH_BYTES ? fine('memory', detail) : problem('memory', detail, `close other programs, so that ${gib(ENOUGH_BYTES)} are free`);
}

/** Free disk where runs are written. */
export async function checkDisk(folder: string): Promise<Finding> {
  const { bavail, bsize } = await statfs(folder);
  const detail = `${gib(bavail * bsize)} free in ${folder}`;
  return bavail * bsize >= ENOUGH_BYTES ? fine('disk', detail) : problem('disk', detail, `free ${gib(ENOUGH_BYTES)}, or work on another disk`);
}

/** What training in `dtype: 'auto'` takes here, and why: measured at the sizes of a small model. */
export async function checkDtype(): Promise<Finding> {
  const { fastDType, timeDTypes } = await import('../model/fast-dtype.ts');
  const { dtype, reason } = fastDType(timeDTypes({ hiddenSize: 576, intermediateSize: 1536 }));
  return fine('dtype', `${dtype} for training: ${reason}`);
}

/** Whether the folder for libtorch and fetched models can be written, or made. */
export async function checkCache(folder: string): Promise<Finding> {
  const writable = await isWritable(folder);
  return writable ? fine('cache', folder) : problem('cache', `${folder} cannot be written`, 'make it writable, or name another folder in TSRL_CACHE');
}

/** Whether a folder can be written, or made. */
async function isWritable(folder: string): Promise<boolean> {
  try {
    await access(folder, constants.W_OK);
    return true;
  } catch (error) {
    const missing = (error as NodeJS.ErrnoException).code === 'ENOENT' && dirname(folder) !== folder;
    return missing && isWritable(dirname(folder));
  }
}
