/** Builds native/ against a libtorch into a cache keyed by sources and libtorch, and checks that the result loads. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { cacheFolder, digest, filesUnder, SetupError } from './place.js';

/** Changes whenever the addon would: our C++ sources, the libtorch, the headers of Node-API. */
export function addonKey(root, libtorch, version) {
  const sources = filesUnder(join(root, 'native'), () => true);
  const headers = ['node-addon-api', 'node-api-headers'].map((name) => join(root, 'node_modules', name, 'package.json'));
  const contents = [...sources, ...headers].flatMap((path) => [path.slice(root.length), readFileSync(path)]);
  return digest([libtorch, version, process.platform, process.arch, ...contents]);
}

/** Returns the addon's path, and the seconds it took when it had to be built. */
export function buildAddon(root, libtorch, key, force) {
  const home = join(cacheFolder(), 'addon', key.slice(0, 16));
  const addon = join(home, 'tsrl_native.node');
  if (!force && existsSync(addon)) return { addon, built: null };
  const start = Date.now();
  requireTools();
  mkdirSync(join(cacheFolder(), 'addon'), { recursive: true });
  const work = mkdtempSync(join(cacheFolder(), 'addon', 'build-'));
  try {
    step('configure', 'cmake', [
      '-S', join(root, 'native'), '-B', work, '-DCMAKE_BUILD_TYPE=Release',
      `-DTSRL_LIBTORCH=${libtorch.folder}`,
      `-DNODE_ADDON_API=${join(root, 'node_modules', 'node-addon-api')}`,
      `-DNODE_API_HEADERS=${join(root, 'node_modules', 'node-api-headers', 'include')}`,
    ]);
    step('compile', 'cmake', ['--build', work, '--parallel', '2']);
    mkdirSync(home, { recursive: true });
    renameSync(join(work, 'tsrl_native.node'), addon);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
  return { addon, built: (Date.now() - start) / 1000 };
}

/** Loads the addon in a process of its own and adds two numbers; null when that works, else the reason. */
export function probeAddon(addon) {
  const code = `
    const native = require(${JSON.stringify(addon)});
    const one = native.fromBytes(new Uint8Array(new Float32Array([1]).buffer), [1], 'float32', 'float32');
    const op = native.lookup('aten::add', 'Tensor');
    const sum = new Float32Array(native.toBytes(native.call(op.index, [one, one]), 'float32'));
    if (sum[0] !== 2) throw new Error('1 + 1 gave ' + sum[0]);
    console.log('works');`;
  const probe = spawnSync(process.execPath, ['-e', code], { encoding: 'utf8' });
  if (probe.status === 0 && probe.stdout.includes('works')) return null;
  const lines = (probe.stderr || '').split('\n').filter((line) => /Error|error/.test(line));
  return lines[0]?.trim() || `the probe ended with ${probe.signal ?? probe.status}`;
}

function requireTools() {
  if (spawnSync('cmake', ['--version']).status !== 0) {
    throw new SetupError('CMake is missing. Install it: `apt-get install cmake`, `brew install cmake`, or `python3 -m pip install cmake`.');
  }
  const compilers = [process.env.CXX, 'c++', 'g++', 'clang++'].filter(Boolean);
  if (!compilers.some((name) => spawnSync(name, ['--version']).status === 0)) {
    throw new SetupError('A C++20 compiler is missing. Install one: `apt-get install g++`, or `xcode-select --install` on macOS.');
  }
}

function step(name, command, args) {
  const result = spawnSync(command, args, { encoding: 'utf8' });
  if (result.status === 0) return;
  const output = `${result.stdout}\n${result.stderr}`.split('\n').filter((line) => /error|Error/.test(line));
  throw new SetupError(
    `The addon did not ${name}:\n${output.slice(0, 8).join('\n') || result.stderr}\n` +
      'Needed: a compiler with C++20 (g++ 11 or clang 14 and newer) and CMake 3.18; then run `npm run setup`.',
  );
}
