/**
 * Finds or fetches libtorch: `TSRL_LIBTORCH`, the PyTorch of `python3` (read only), our cache, and last the wheel of
 * PyTorch from the package registry, unpacked into our cache.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { cacheFolder, SetupError } from './place.js';

const wanted = '2.13.0';
const oldest = [2, 11];

/** Yields candidates, best first; `tried` collects a line for every place that had none. */
export function* findLibtorch(tried, say) {
  const asked = process.env.TSRL_LIBTORCH;
  if (asked) {
    const found = inspect(asked, 'TSRL_LIBTORCH', tried);
    if (found) yield found;
    // The user named a place: never quietly take another.
    return;
  }
  const python = pythonTorch(tried);
  if (python) yield python;
  const cached = join(cacheFolder(), `libtorch-${wanted}`, 'torch');
  if (existsSync(cached)) {
    const found = inspect(cached, 'our cache', tried);
    if (found) yield found;
  } else {
    tried.push('our cache: empty');
  }
  if (!existsSync(cached)) {
    const fetched = fetchWheel(cached, tried, say);
    if (fetched) yield fetched;
  }
}

/** A folder with include/, lib/ and a version we know, or null. */
function inspect(folder, origin, tried) {
  if (!existsSync(join(folder, 'include', 'ATen')) || !existsSync(join(folder, 'lib'))) {
    tried.push(`${origin}: ${folder} has no include/ATen and lib/`);
    return null;
  }
  const version = versionOf(folder);
  if (!version) {
    tried.push(`${origin}: ${folder} does not say its version (version.py or build-version)`);
    return null;
  }
  const [major, minor] = version.split('.').map(Number);
  if (major < oldest[0] || (major === oldest[0] && minor < oldest[1])) {
    tried.push(`${origin}: version ${version} is older than ${oldest.join('.')}`);
    return null;
  }
  return { folder, origin, version };
}

function versionOf(folder) {
  const python = join(folder, 'version.py');
  if (existsSync(python)) return /__version__ = '([^']+)'/.exec(readFileSync(python, 'utf8'))?.[1] ?? null;
  const plain = join(folder, 'build-version');
  return existsSync(plain) ? readFileSync(plain, 'utf8').trim() : null;
}

function pythonTorch(tried) {
  const code = "import importlib.util as u; s = u.find_spec('torch'); print(s.submodule_search_locations[0] if s else '')";
  const python = spawnSync('python3', ['-c', code], { encoding: 'utf8' });
  const folder = python.status === 0 ? python.stdout.trim() : '';
  if (folder) return inspect(folder, 'the PyTorch of python3', tried);
  tried.push(python.error ? 'the PyTorch of python3: no python3' : 'the PyTorch of python3: not installed');
  return null;
}

function fetchWheel(target, tried, say) {
  if (spawnSync('python3', ['-m', 'pip', '--version']).status !== 0) {
    tried.push('the package registry: `python3 -m pip` does not run; install pip (Debian: apt-get install python3-pip)');
    return null;
  }
  say(`downloading PyTorch ${wanted} with pip (about 200 MB)`);
  mkdirSync(cacheFolder(), { recursive: true });
  const work = mkdtempSync(join(cacheFolder(), 'fetch-'));
  try {
    const pip = spawnSync(
      'python3',
      ['-m', 'pip', 'download', '--no-deps', '--only-binary=:all:', '-q', '-d', work, `torch==${wanted}`],
      { encoding: 'utf8' },
    );
    if (pip.status !== 0) {
      tried.push(`the package registry: pip download torch==${wanted} failed (${lastLine(pip.stderr)})`);
      return null;
    }
    const wheel = readdirSync(work).find((name) => name.endsWith('.whl'));
    unpack(join(work, wheel), join(work, 'unpacked'));
    // The rename is what makes the download whole: a folder of that name is complete or absent.
    mkdirSync(join(target, '..', '..'), { recursive: true });
    renameSync(join(work, 'unpacked'), join(target, '..'));
    return inspect(target, 'the package registry', tried);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

function unpack(wheel, folder) {
  const code = [
    'import sys, zipfile',
    'z = zipfile.ZipFile(sys.argv[1])',
    "keep = ('torch/lib/', 'torch/include/', 'torch/version.py', 'torch.libs/')",
    'z.extractall(sys.argv[2], [n for n in z.namelist() if n.startswith(keep)])',
  ].join('\n');
  const python = spawnSync('python3', ['-c', code, wheel, folder], { encoding: 'utf8' });
  if (python.status !== 0) {
    throw new SetupError(`The wheel of PyTorch could not be unpacked (${lastLine(python.stderr)}); check the free disk space (2 GB are needed).`);
  }
}

function lastLine(text) {
  return (text || '').trim().split('\n').at(-1) || 'no message';
}
