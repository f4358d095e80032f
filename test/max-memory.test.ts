/** A run under `maxMemory`: the program chooses a plan that stays below it, and the gradient stays what it was. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { writeTinyModel } from '../scripts/tiny-model.ts';
import type { Plan } from '../src/grpo/plan.ts';
import { openSafetensors } from '../src/weights/safetensors.ts';
import { ownFolder } from './toy.ts';

const folder = ownFolder();
const program = fileURLToPath(new URL('programs/max-memory.ts', import.meta.url));

const hasLimits = process.platform === 'linux' && spawnSync('prlimit', ['--version']).status === 0;

let model: string;
before(async () => {
  // 10 M weights in the layers; a group of 1,926 tokens keeps 0.6 GB for the way back.
  model = await writeTinyModel(join(folder, 'model'), { hidden: 256, layers: 16, std: 0.03 });
});

interface Outcome {
  metrics: Record<string, number>;
  said: string;
  peak: number;
}

function run(name: string, maxMemory?: number): { failed: string } | Outcome {
  const args = ['--import', 'tsx', program, model, join(folder, name), ...(maxMemory === undefined ? [] : [String(Math.round(maxMemory))])];
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8', env: { ...process.env, OMP_NUM_THREADS: '1' } });
  return status === 0 ? (JSON.parse(stdout) as Outcome) : { failed: stderr };
}

const config = (name: string) => JSON.parse(readFileSync(join(folder, name, 'config.json'), 'utf8')) as { plan: Plan; estimatedPeakBytes: number; maxMemory: number | null };

/** Reads every weight of a model in turn. */
function weightsOf(path: string): Map<string, Float32Array> {
  const file = openSafetensors(path);
  const weights = new Map(file.names().map((name) => [name, new Float32Array(Uint8Array.from(file.read(name).bytes).buffer)]));
  file.close();
  return weights;
}

test('at 60% of what a run takes by itself it finishes below that, with the same gradient to 1e-5', () => {
  const free = run('free');
  assert.ok('peak' in free, 'failed' in free ? free.failed : '');
  const most = Math.round(0.6 * free.peak);
  const bound = run('bound', most);
  assert.ok('peak' in bound, 'failed' in bound ? bound.failed : '');
  assert.ok(bound.peak < most, `${bound.peak} of ${most}`);
  assert.ok(!('memory_retries' in bound.metrics));

  const [before, after] = [config('free'), config('bound')];
  assert.ok('tokens' in before.plan.limit && 'tokens' in after.plan.limit && (after.plan.limit.tokens < before.plan.limit.tokens || after.plan.checkpoint));
  assert.equal(after.maxMemory, most);
  assert.ok(after.estimatedPeakBytes <= most);
  for (const { estimatedPeakBytes, peak } of [{ ...before, ...free }, { ...after, ...bound }]) assert.ok(Math.abs(estimatedPeakBytes / peak - 1) < 0.15, `${estimatedPeakBytes} for ${peak}`);
  assert.match(bound.said, /planned: micro-batches of at most \d+ tokens.*; about 0\.\d+ GB at the peak, to stay below `maxMemory`/);

  for (const name of ['loss', 'grad_norm', 'entropy', 'reward', 'num_tokens']) {
    const [a, b] = [free.metrics[name]!, bound.metrics[name]!];
    assert.ok(Math.abs(a - b) <= 1e-5 * Math.max(1, Math.abs(a)), `${name} ${b} is not ${a}`);
  }
  const [start, whole, parts] = [model, join(folder, 'free', 'final'), join(folder, 'bound', 'final')].map(weightsOf);
  for (const [name, first] of start!) {
    const [a, b] = [whole!.get(name)!, parts!.get(name)!];
    const moved = first.reduce((largest, x, i) => Math.max(largest, Math.abs(a[i]! - x)), 0);
    const apart = a.reduce((largest, x, i) => Math.max(largest, Math.abs(b[i]! - x)), 0);
    assert.ok(moved > 0, name);
    assert.ok(apart <= 1e-5 * moved, `${name}: ${apart} of ${moved}`);
  }
});

test('a run that the limits of its process cannot hold is refused at its start', { skip: hasLimits ? false : 'needs Linux and prlimit' }, () => {
  const args = ['--data=350000000', process.execPath, '--import', 'tsx', program, model, join(folder, 'limited')];
  const { status, stderr } = spawnSync('prlimit', args, { encoding: 'utf8', env: { ...process.env, OMP_NUM_THREADS: '1' } });
  assert.notEqual(status, 0);
  assert.match(stderr, /Expected the limit on the data of the process \(ulimit -d\) to hold the run, got 0\.[23]\d+ GB for an estimated 0\.4\d+ GB in its smallest parts/);
});

test('what cannot stay below is refused before a weight is read', () => {
  const refused = run('refused', 3e8);
  assert.ok('failed' in refused);
  assert.match(refused.failed, /Expected `maxMemory` to hold the run, got 0\.300 GB for an estimated 0\.\d+ GB in its smallest parts; .*give it a limit of 0\.\d+ GB or a smaller model\./);
});
