#!/usr/bin/env node
/**
 * The whole set-up, idempotent: npm packages, libtorch, the native addon, the compiled TypeScript.
 * Says in one line each what it did; a second run finds everything in place and takes well under two seconds.
 * Uses nothing but Node, because it runs before any package is installed.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { addonKey, buildAddon, probeAddon } from './setup/addon.js';
import { findLibtorch } from './setup/libtorch.js';
import { cacheFolder, digest, filesUnder, SetupError } from './setup/place.js';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const force = process.argv.includes('--force');

/** One line on standard error, so that scripts may print results on standard output. */
function say(what, how) {
  process.stderr.write(`setup  ${what.padEnd(10)} ${how}\n`);
}

function checkNode() {
  const [major, minor] = process.versions.node.split('.').map(Number);
  if (major > 20 || (major === 20 && minor >= 19)) return;
  throw new SetupError(`Expected Node 20.19 or newer, got ${process.versions.node}; install a newer Node from https://nodejs.org.`);
}

function installPackages() {
  const key = digest([readFileSync(join(root, 'package-lock.json'))]);
  const stamp = join(root, 'node_modules', '.tsrl-lock');
  if (!force && existsSync(stamp) && readFileSync(stamp, 'utf8') === key) return say('packages', 'as locked');
  const npm = spawnSync('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund'], {
    cwd: root,
    encoding: 'utf8',
    shell: process.platform === 'win32',
  });
  if (npm.status !== 0) {
    throw new SetupError(
      `The npm packages could not be installed: ${(npm.stderr || String(npm.error)).trim().split('\n').slice(-5).join('\n')}\n` +
        'Check that the npm registry can be reached, then run `npm ci --ignore-scripts`.',
    );
  }
  writeFileSync(stamp, key);
  say('packages', 'installed from package-lock.json');
}

/** Where the last set-up left the addon, or null when anything it rests on has changed. */
function currentAddon() {
  const file = join(root, 'build', 'setup.json');
  if (force || !existsSync(file)) return null;
  try {
    const setup = JSON.parse(readFileSync(file, 'utf8'));
    const asked = process.env.TSRL_LIBTORCH;
    if (asked && asked !== setup.libtorch) return null;
    if (!existsSync(setup.addon) || !existsSync(join(setup.libtorch, 'lib'))) return null;
    return addonKey(root, setup.libtorch, setup.torchVersion) === setup.key ? setup : null;
  } catch {
    return null;
  }
}

function installAddon() {
  const current = currentAddon();
  if (current) {
    say('libtorch', `${current.torchVersion} (${current.libtorchOrigin})`);
    return say('addon', 'up to date');
  }
  const tried = [];
  for (const candidate of findLibtorch(tried, (line) => say('libtorch', line))) {
    const key = addonKey(root, candidate.folder, candidate.version);
    const { addon, built } = buildAddon(root, candidate, key, force);
    const problem = probeAddon(addon);
    if (problem) {
      tried.push(`${candidate.origin}: does not load (${problem})`);
      continue;
    }
    mkdirSync(join(root, 'build'), { recursive: true });
    const setup = {
      addon,
      key,
      libtorch: candidate.folder,
      libtorchOrigin: candidate.origin,
      torchVersion: candidate.version,
    };
    writeAtomically(join(root, 'build', 'setup.json'), `${JSON.stringify(setup, null, 2)}\n`);
    say('libtorch', `${candidate.version} (${candidate.origin})`);
    return say('addon', built ? `built in ${built.toFixed(0)} s` : 'found in the cache');
  }
  throw new SetupError(
    `No libtorch that works was found. Tried:\n${tried.map((line) => `  - ${line}`).join('\n')}\n` +
      'Install the CPU build of PyTorch with\n  python3 -m pip install torch==2.13.0 --index-url https://download.pytorch.org/whl/cpu\n' +
      'or set TSRL_LIBTORCH to the folder of a libtorch 2.11 or newer.',
  );
}

function compileTypeScript() {
  const sources = filesUnder(join(root, 'src'), (path) => path.endsWith('.ts') && !path.endsWith('.test.ts'));
  const configs = ['tsconfig.json', 'tsconfig.build.json', 'package-lock.json'].map((name) => join(root, name));
  const key = digest([...sources, ...configs].flatMap((path) => [path.slice(root.length), readFileSync(path)]));
  const stamp = join(root, 'dist', '.key');
  if (!force && existsSync(stamp) && readFileSync(stamp, 'utf8') === key) return say('typescript', 'up to date');
  mkdirSync(join(root, 'build'), { recursive: true });
  const fresh = mkdtempSync(join(root, 'build', 'dist-'));
  try {
    const tsc = spawnSync(
      process.execPath,
      [join(root, 'node_modules', 'typescript', 'bin', 'tsc'), '-p', 'tsconfig.build.json', '--outDir', fresh],
      { cwd: root, encoding: 'utf8' },
    );
    if (tsc.status !== 0) throw new SetupError(`The TypeScript does not compile:\n${tsc.stdout}${tsc.stderr}`);
    writeFileSync(join(fresh, '.key'), key);
    rmSync(join(root, 'dist'), { recursive: true, force: true });
    renameSync(fresh, join(root, 'dist'));
  } finally {
    rmSync(fresh, { recursive: true, force: true });
  }
  say('typescript', 'compiled to dist/');
}

function writeAtomically(path, text) {
  writeFileSync(`${path}.${process.pid}`, text);
  renameSync(`${path}.${process.pid}`, path);
}

/** Two set-ups at once would build into the same places; the second waits for the first. */
function withLock(body) {
  mkdirSync(cacheFolder(), { recursive: true });
  const lock = join(cacheFolder(), `setup-${digest([root]).slice(0, 12)}.lock`);
  const until = Date.now() + 15 * 60_000;
  for (;;) {
    try {
      writeFileSync(lock, String(process.pid), { flag: 'wx' });
      break;
    } catch {
      if (Date.now() > until) throw new SetupError(`Another set-up holds ${lock}; if none is running, delete that file.`);
      if (!holderLives(lock)) rmSync(lock, { force: true });
      else Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 250);
    }
  }
  try {
    return body();
  } finally {
    rmSync(lock, { force: true });
  }
}

function holderLives(lock) {
  try {
    const pid = Number(readFileSync(lock, 'utf8'));
    // A lock that was just created may still be empty.
    if (!pid) return Date.now() - statSync(lock).mtimeMs < 2000;
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === 'EPERM';
  }
}

try {
  checkNode();
  withLock(() => {
    installPackages();
    installAddon();
    compileTypeScript();
  });
} catch (error) {
  if (!(error instanceof SetupError)) throw error;
  process.stderr.write(`\nsetup failed: ${error.message}\n`);
  process.exitCode = 1;
}
