/**
 * The cache folder of Hub repositories, laid out as Python's huggingface_hub lays it out, so that both use one another's
 * files:
 *
 *     models--org--name/refs/main                 the commit that a branch or tag meant when it was last fetched
 *     models--org--name/blobs/<etag>              contents
 *     models--org--name/snapshots/<commit>/<file> relative links to blobs; copies where the disk has no links
 *     models--org--name/.no_exist/<commit>/<file> empty: the repository has no such file at that commit
 *
 * A dataset's folder is called `datasets--org--name`, and has the names of all its files in `.listings/<commit>.json`, which is
 * ours alone. A file appears under its name by a rename when it is whole, so that processes need no lock to share the folder.
 */
import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import type { HubReference } from './hub-files.ts';

/** 40 hexadecimal digits: a commit, which means the same for ever. */
export const COMMIT = /^[0-9a-f]{40}$/;

/** The folders of one repository. */
export interface RepositoryCache {
  refs: string;
  blobs: string;
  snapshots: string;
  noExist: string;
  /** Our own: the names of all files of a commit, which a snapshot does not tell. */
  listings: string;
}

/** Where the cache keeps a repository. */
export function repositoryCache(cacheDir: string, { repository, dataset }: Pick<HubReference, 'repository' | 'dataset'>): RepositoryCache {
  const folder = path.join(cacheDir, `${dataset ? 'datasets' : 'models'}--${repository.replace('/', '--')}`);
  return { refs: path.join(folder, 'refs'), blobs: path.join(folder, 'blobs'), snapshots: path.join(folder, 'snapshots'), noExist: path.join(folder, '.no_exist'), listings: path.join(folder, '.listings') };
}

/** The commit that a revision means as far as the cache knows, or null. */
export function cachedCommit(cache: RepositoryCache, revision: string): string | null {
  if (COMMIT.test(revision)) return revision;
  try {
    const commit = fs.readFileSync(path.join(cache.refs, revision), 'utf8').trim();
    return COMMIT.test(commit) ? commit : null;
  } catch {
    return null;
  }
}

/** Notes which commit a branch or tag means. */
export function writeRef(cache: RepositoryCache, revision: string, commit: string): void {
  if (COMMIT.test(revision) || cachedCommit(cache, revision) === commit) return;
  note(path.join(cache.refs, revision), commit);
}

/** Notes that a commit has no such file. */
export function writeNoExist(cache: RepositoryCache, commit: string, name: string): void {
  const at = path.join(cache.noExist, commit, name);
  if (!fs.existsSync(at)) note(at, '');
}

/** Notes the names of all files of a commit. */
export function writeListing(cache: RepositoryCache, commit: string, names: readonly string[]): void {
  const at = path.join(cache.listings, `${commit}.json`);
  if (!fs.existsSync(at)) note(at, JSON.stringify(names));
}

/** The names of all files of a commit, as far as the cache knows: those that were noted, else those that are here; null for none. */
export function cachedListing(cache: RepositoryCache, commit: string): string[] | null {
  try {
    return JSON.parse(fs.readFileSync(path.join(cache.listings, `${commit}.json`), 'utf8')) as string[];
  } catch {
    const snapshot = path.join(cache.snapshots, commit);
    if (!fs.existsSync(snapshot)) return null;
    const entries = fs.readdirSync(snapshot, { withFileTypes: true, recursive: true });
    return entries.filter((entry) => !entry.isDirectory()).map((entry) => path.relative(snapshot, path.join(entry.parentPath, entry.name)).split(path.sep).join('/'));
  }
}

/** What it says can be asked again, so a cache that cannot be written, and holds the model, still serves. */
function note(at: string, text: string): void {
  try {
    fs.mkdirSync(path.dirname(at), { recursive: true });
    replace(at, (temporary) => fs.writeFileSync(temporary, text));
  } catch (error) {
    if (!['EACCES', 'EPERM', 'EROFS'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
  }
}

/** Makes a blob appear in a snapshot: as a relative link, or as a copy where links cannot be made. */
export function placeInSnapshot(blob: string, at: string, symlink: typeof fs.symlinkSync = fs.symlinkSync): void {
  fs.mkdirSync(path.dirname(at), { recursive: true });
  try {
    replace(at, (temporary) => symlink(path.relative(path.dirname(at), blob), temporary));
  } catch (error) {
    if (!['EPERM', 'EACCES', 'ENOSYS', 'ENOTSUP', 'EOPNOTSUPP', 'UNKNOWN'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
    replace(at, (temporary) => fs.copyFileSync(blob, temporary));
  }
}

function replace(at: string, write: (temporary: string) => void): void {
  const temporary = `${at}.${randomBytes(4).toString('hex')}.tmp`;
  try {
    write(temporary);
    fs.renameSync(temporary, at);
  } finally {
    fs.rmSync(temporary, { force: true });
  }
}

/** A partial file that no process has touched for so long is abandoned, whoever wrote it. */
const ABANDONED_MS = 600_000;

/**
 * Path of a partial file that belongs to this process alone. What a process that died has left of the same blob is taken
 * over by a rename, which only one can win; so a download goes on where it was cut. Process id 0 stands for nobody.
 */
export function claimPartial(blob: string): string {
  const own = `${blob}.${hostName()}.${process.pid}.${randomBytes(4).toString('hex')}.incomplete`;
  for (const left of abandonedPartials(blob)) {
    try {
      fs.renameSync(left, own);
      return own;
    } catch {
      // Another process was faster.
    }
  }
  return own;
}

/** Leaves a partial file to whoever comes next, this process included. */
export function releasePartial(blob: string, partial: string): void {
  if (fs.existsSync(partial)) fs.renameSync(partial, `${blob}.${hostName()}.0.${randomBytes(4).toString('hex')}.incomplete`);
}

/** Removes what dead processes have left of a blob that is now whole. */
export function removeAbandoned(blob: string): void {
  for (const left of abandonedPartials(blob)) fs.rmSync(left, { force: true });
}

function abandonedPartials(blob: string): string[] {
  const folder = path.dirname(blob);
  const found: { at: string; size: number }[] = [];
  for (const name of fs.readdirSync(folder)) {
    if (!name.startsWith(`${path.basename(blob)}.`)) continue;
    // Only our own: those of Python carry no process id, so nobody can tell whether they are still written to.
    const [, host, pid] = /\.([\w-]+)\.(\d+)\.[0-9a-f]{8}\.incomplete$/.exec(name) ?? [];
    const stat = fs.statSync(path.join(folder, name), { throwIfNoEntry: false });
    if (!pid || !stat) continue;
    const dead = pid === '0' || (host === hostName() && !lives(Number(pid)));
    if (dead || Date.now() - stat.mtimeMs > ABANDONED_MS) found.push({ at: path.join(folder, name), size: stat.size });
  }
  return found.sort((a, b) => b.size - a.size).map(({ at }) => at);
}

function hostName(): string {
  return os.hostname().replaceAll(/[^\w-]/g, '-');
}

function lives(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // EPERM: it lives, but belongs to someone else.
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
