/** Memory that ends in the middle of a step, for real: a hard limit on the data of the process. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { writeTinyModel } from '../scripts/tiny-model.ts';
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
  metrics: Record<string, number>[];
  said: string;
}

function run(name: string, megabytes?: number): { outcome: Outcome | null; error: string } {
  const args = ['--import', 'tsx', program, model, join(folder, name), ...(megabytes ? [String(megabytes)] : [])];
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8', env: { ...process.env, OMP_NUM_THREADS: '1' } });
  return { outcome: status === 0 ? (JSON.parse(stdout) as Outcome) : null, error: stderr };
}

test('an update that does not fit is repeated in smaller parts on the same rollout: the same gradient to 1e-5', { skip: hasLimits ? false : 'needs Linux and prlimit' }, () => {
  const [free, limited] = [run('free'), run('limited', 450)];
  assert.ok(free.outcome, free.error);
  assert.ok(limited.outcome, limited.error);
  const [whole, parts] = [free.outcome.metrics, limited.outcome.metrics];
  assert.ok(!('memory_retries' in whole[0]!));
  assert.ok(parts[0]!.memory_retries! >= 1, JSON.stringify(parts[0]));
  assert.match(limited.outcome.said, /Warning: memory ended in the update .*; it is repeated with micro-batches of at most \d+ tokens/);
  assert.ok(!('memory_retries' in parts[1]!), 'the smaller plan stays');
  for (const step of [0, 1]) {
    for (const name of ['loss', 'grad_norm', 'kl', 'entropy', 'reward', 'num_tokens']) {
      const [a, b] = [whole[step]![name]!, parts[step]![name]!];
      assert.ok(Math.abs(a - b) <= 1e-5 * Math.max(1, Math.abs(a)), `step ${step + 1}: ${name} ${b} is not ${a}`);
    }
  }
});

test('what cannot fit ends with a sentence that says what to change', { skip: hasLimits ? false : 'needs Linux and prlimit' }, () => {
  const { outcome, error } = run('hopeless', 25);
  assert.equal(outcome, null);
  assert.match(error, /ResourceError: Expected memory for .* in its smallest parts/);
});
