/** Memory that ends in the middle of a step, for real: a hard limit on the data of the process. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { writeTinyModel } from '../scripts/tiny-model.ts';
import { openSafetensors } from '../src/weights/safetensors.ts';
import { ownFolder } from './toy.ts';

const folder = ownFolder();
const program = fileURLToPath(new URL('programs/out-of-memory.ts', import.meta.url));
const hasLimits = process.platform === 'linux' && spawnSync('prlimit', ['--version']).status === 0;

let model: string;
before(async () => {
  // 5 M weights in the layers; all tokens of an update at once keep 1 GB for the way back.
  model = await writeTinyModel(join(folder, 'model'), { hidden: 256, layers: 8, std: 0.03 });
});

interface Outcome {
  metrics: Record<string, number>;
  said: string;
}

/** Null when the run failed. */
function run(name: string, megabytes?: number): Outcome | null {
  const args = ['--import', 'tsx', program, model, join(folder, name), ...(megabytes ? [String(megabytes)] : [])];
  const { status, stdout } = spawnSync(process.execPath, args, { encoding: 'utf8', env: { ...process.env, OMP_NUM_THREADS: '1' } });
  return status === 0 ? (JSON.parse(stdout) as Outcome) : null;
}

/** Reads every weight of a model in turn. */
function* weightsOf(path: string): Generator<[name: string, values: Float32Array]> {
  const file = openSafetensors(path);
  for (const name of file.names()) yield [name, new Float32Array(Uint8Array.from(file.read(name).bytes).buffer)];
  file.close();
}

test('an update that does not fit is repeated in smaller parts on the same rollout: the same gradient to 1e-5', { skip: hasLimits ? false : 'needs Linux and prlimit' }, () => {
  const free = run('free');
  assert.ok(free && !('memory_retries' in free.metrics));
  // How much a kernel takes for itself differs from processor to processor: the first limit that is felt will do.
  const limits = [420, 340, 260, 180];
  let limited: Outcome | null = null;
  while (!limited?.metrics.memory_retries && limits.length > 0) limited = run('limited', limits.shift());
  assert.ok(limited?.metrics.memory_retries, JSON.stringify(limited));
  assert.match(limited.said, /Warning: memory ended in the update .*; it is repeated with micro-batches of at most \d+ tokens/);
  for (const name of ['loss', 'grad_norm', 'kl', 'entropy', 'reward', 'num_tokens']) {
    const [a, b] = [free.metrics[name]!, limited.metrics[name]!];
    assert.ok(Math.abs(a - b) <= 1e-5 * Math.max(1, Math.abs(a)), `${name} ${b} is not ${a}`);
  }
  const [before, whole, parts] = [model, join(folder, 'free', 'final'), join(folder, 'limited', 'final')].map((path) => new Map(weightsOf(path)));
  for (const [name, start] of before!) {
    const [a, b] = [whole!.get(name)!, parts!.get(name)!];
    const moved = start.reduce((most, x, i) => Math.max(most, Math.abs(a[i]! - x)), 0);
    const apart = a.reduce((most, x, i) => Math.max(most, Math.abs(b[i]! - x)), 0);
    assert.ok(moved > 0, name);
    assert.ok(apart <= 1e-5 * moved, `${name}: ${apart} of ${moved}`);
  }
});
