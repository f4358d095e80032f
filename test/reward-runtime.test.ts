/** Rewards that hang, crash, take long or never return, in real runs: what is lost, what is counted, how the run ends. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { grpo } from '../src/grpo/trainer.ts';
import type { GrpoOptions } from '../src/grpo/option-schema.ts';
import { readMetrics } from '../src/run/run-facts.ts';
import { liveTensors } from '../src/tensor/scope.ts';
import { letters, ownFolder, rows, silent, toyModel, toyOptions } from './toy.ts';

const folder = ownFolder();
const tsrl = fileURLToPath(new URL('../bin/tsrl.js', import.meta.url));
const dataset = join(folder, 'rows.jsonl');
let model: string;
before(async () => {
  model = await toyModel(folder);
  writeFileSync(dataset, rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
});

/** A reward file. */
function file(name: string, text: string): string {
  const path = join(folder, `${name}.ts`);
  writeFileSync(path, text);
  return path;
}

interface Ended {
  code: number | null;
  state: { status: string; reason: string | null; step: number };
  stderr: string;
}

/** `tsrl grpo` in a process of its own. `look` sees what it writes to standard error. */
async function command(outputDir: string, args: string[], look: (kill: (signal: NodeJS.Signals) => void, stderr: string) => void = () => undefined): Promise<Ended> {
  const given = ['--model', model, '--dataset', dataset, '--output-dir', outputDir, '--threads', '1', '--max-completion-length', '8', '--num-train-epochs', 'null', ...args];
  const child = spawn(process.execPath, [tsrl, 'grpo', ...given], { stdio: ['ignore', 'ignore', 'pipe'], env: { ...process.env, OMP_NUM_THREADS: '1' } });
  let stderr = '';
  child.stderr.on('data', (text: Buffer) => {
    stderr += String(text);
    look((signal) => void child.kill(signal), stderr);
  });
  const [code] = (await once(child, 'exit')) as [number | null];
  assert.ok(existsSync(join(outputDir, 'state.json')), stderr);
  const state = JSON.parse(readFileSync(join(outputDir, 'state.json'), 'utf8')) as Ended['state'];
  return { code, state, stderr };
}

const stuck: Record<string, [text: string, place: RegExp]> = {
  'a loop without end': ['while (true) {}', /\(at reward, loop\.ts:\d+\)/],
  'a blocked thread': ['Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);', /\(at reward, blocked\.ts:\d+\)/],
  'a program that is waited for': [`execFileSync('sleep', ['600']);`, /in step 3;/],
};
const names = ['loop', 'blocked', 'program'];
for (const [i, [what, [text, place]]] of Object.entries(stuck).entries()) {
  test(`${what} in our thread: the run ends by itself, names the reward, and keeps the weights`, { timeout: 120_000 }, async () => {
    const reward = file(names[i]!, `import { execFileSync } from 'node:child_process';
export default function reward({ step, completion }): number {
  if (step === 3) { ${text} }
  return [...completion.text].filter((letter) => letter === 'a').length + 0 * execFileSync.length;
}
`);
    const outputDir = join(folder, `stuck-${names[i]}`);
    const { code, state, stderr } = await command(outputDir, ['--reward', reward, '--reward-timeout-ms', '500', '--max-steps', '9']);
    assert.equal(code, 1, stderr);
    assert.deepEqual([state.status, state.step], ['failed', 2]);
    assert.match(state.reason!, new RegExp(`^reward: Expected reward \`${names[i]}\` to return within 500 ms, got no return for sample \\d+ of group \\d+ in step 3`));
    assert.match(state.reason!, place);
    assert.match(state.reason!, /set `isolate: true`.*The weights after update 2 are saved in checkpoints\/step-000002\.$/);
    assert.ok(stderr.includes('Expected reward'), stderr);
    assert.deepEqual(readdirSync(outputDir).sort(), ['checkpoints', 'config.json', 'metrics.jsonl', 'samples', 'state.json'], 'the lock is given back');
    assert.deepEqual((await readMetrics(join(outputDir, 'metrics.jsonl'))).map(({ step }) => step), [1, 2]);
    // Samples are written in the background: those of the last update may not have their name yet when the thread is lost.
    assert.deepEqual(readdirSync(join(outputDir, 'samples')).map((name) => name.replace(/^\.(.*)\.tmp$/, '$1')).sort(), ['step-000001.jsonl', 'step-000002.jsonl']);
    assert.deepEqual(readdirSync(join(outputDir, 'checkpoints')), ['step-000002']);
    // The same run without the hang, two updates long: what was saved by the other thread is that model, bit by bit.
    const twin = join(folder, `twin-${names[i]}`);
    const options = toyOptions(model, twin, { dataset, learningRate: 1e-6, lrSchedulerType: 'linear', maxSteps: 9, saveSteps: 2, rewards: { letter: ({ completion }) => letters(completion.text) } });
    for await (const { step } of grpo(options, silent)) if (step === 2) break;
    for (const name of readdirSync(join(twin, 'checkpoints', 'step-000002'))) {
      assert.deepEqual(readFileSync(join(outputDir, 'checkpoints', 'step-000002', name)), readFileSync(join(twin, 'checkpoints', 'step-000002', name)), name);
    }
  });
}

test('stuck in the first round there is nothing to save, and the state says so', { timeout: 120_000 }, async () => {
  const outputDir = join(folder, 'stuck-first');
  const reward = file('first', 'export default () => { while (true) {} };');
  const { code, state } = await command(outputDir, ['--reward', reward, '--reward-timeout-ms', '300', '--max-steps', '3']);
  assert.deepEqual([code, state.status, state.step], [1, 'failed', 0]);
  assert.match(state.reason!, /No update was made\.$/);
  assert.ok(!existsSync(join(outputDir, 'checkpoints')));
});

/** Trains with one isolated reward; what `ill` does happens to the completions of row 5. */
async function isolatedRun(name: string, ill: string, more: Partial<GrpoOptions> = {}): Promise<{ metrics: Record<string, number>[]; records: { reward: number | null; row: { id: number } }[] }> {
  const path = file(name, `export default ({ row, completion }) => { if (row.id === 5) { ${ill} } return [...completion.text].length; };`);
  const outputDir = join(folder, name);
  const rewards = { own: { file: path, isolate: true, processes: 2, timeoutMs: 700 } };
  // Eight rounds of four prompts: every row once, row 5 in one of them.
  await grpo(toyOptions(model, outputDir, { rewards, maxSteps: 8, numGenerations: 4, logCompletions: true, maxRewardErrorRate: 0.5, ...more }), silent).run();
  const metrics = (await readMetrics(join(outputDir, 'metrics.jsonl'))) as Record<string, number>[];
  const records = readdirSync(join(outputDir, 'samples')).flatMap((one) =>
    readFileSync(join(outputDir, 'samples', one), 'utf8').trim().split('\n').map((line) => JSON.parse(line) as { reward: number | null; row: { id: number } }),
  );
  return { metrics, records };
}

const ills: Record<string, [ill: string, errors: number, timeouts: number]> = {
  'loops for ever': ['while (true) {}', 0, 4],
  'calls process.exit': ['process.exit(3);', 4, 0],
  'kills its process': [`process.kill(process.pid, 'SIGKILL');`, 4, 0],
  'throws': [`throw new Error('no');`, 4, 0],
  'gives NaN': ['return NaN;', 4, 0],
};
for (const [what, [ill, errors, timeouts]] of Object.entries(ills)) {
  test(`an isolated reward that ${what} loses those samples, and nothing else`, { timeout: 120_000 }, async () => {
    const alive = liveTensors();
    const { metrics, records } = await isolatedRun(what.replaceAll(/\W/g, '-'), ill);
    const total = (name: string): number => metrics.reduce((sum, row) => sum + row[name]!, 0);
    assert.deepEqual([total('rewards/own/errors'), total('rewards/own/timeouts'), total('reward_errors')], [errors, timeouts, 4]);
    assert.equal(records.length, 8 * 16);
    for (const { reward, row } of records) assert.equal(reward === null, row.id === 5, `row ${row.id}: ${reward}`);
    assert.equal(liveTensors(), alive);
  });
}

test('one that fails on every sample stops the run, with the reward and the stack', async () => {
  await assert.rejects(isolatedRun('always', '', { rewards: { own: { file: file('always-bad', `export default function bad() { throw new Error('always'); }`), isolate: true, processes: 1 } } }), (error: Error) => {
    assert.equal(error.name, 'RewardError');
    assert.match(error.message, /mend reward `own`, which failed on sample \d+: always[\s\S]*at .*bad.*always-bad\.ts/);
    return true;
  });
});

test('timeouts stop the run as errors do', async () => {
  const rewards = { slow: { fn: () => new Promise<number>(() => {}), timeoutMs: 20 } };
  await assert.rejects(async () => grpo(toyOptions(model, join(folder, 'timeouts'), { rewards, maxSteps: 2 }), silent).run(), { name: 'RewardError', message: /at most 10% .*mend reward `slow`.*took longer than 20 ms/ });
});

test('64 samples that take their time overlap, up to the limit', async () => {
  let [running, most] = [0, 0];
  const slow = async (): Promise<number> => {
    most = Math.max(most, ++running);
    await sleep(100);
    return running--;
  };
  const outputDir = join(folder, 'overlap');
  await grpo(toyOptions(model, outputDir, { rewards: { slow }, numGenerations: 16, maxSteps: 1, rewardConcurrency: 64 }), silent).run();
  assert.equal(running, 0);
  assert.ok(most >= 16, `at most ${most} of 64 ran together`);
  const [{ 'time/reward/slow/latency': latency, 'time/reward/slow': busy }] = (await readMetrics(join(outputDir, 'metrics.jsonl'))) as [Record<string, number>];
  assert.ok(latency! >= 0.09, String(latency));
  assert.ok(busy! < 64 * latency!, `${busy} s in which a call ran, ${latency} s each`);
});

test('retries of a remote reward are counted, and leave no error', async () => {
  const seen = new Set<string>();
  const judge = ({ row, completion }: { row: { id?: unknown }; completion: { ids: readonly number[] } }): number => {
    const key = `${String(row.id)}:${completion.ids.join()}`;
    if (!seen.has(key)) {
      seen.add(key);
      throw new Error('503');
    }
    return completion.ids.length;
  };
  const outputDir = join(folder, 'remote');
  await grpo(toyOptions(model, outputDir, { rewards: { judge: { fn: judge, remote: true, backoffMs: 5 } }, maxSteps: 1 }), silent).run();
  const [row] = (await readMetrics(join(outputDir, 'metrics.jsonl'))) as [Record<string, number>];
  assert.equal(row['rewards/judge/retries'], seen.size);
  assert.deepEqual([row['rewards/judge/errors'], row['rewards/judge/timeouts'], row.reward_errors], [0, 0, 0]);
});

const hanging: Record<string, [text: string, flags: string[]]> = {
  'a promise that never settles, and a timer that never ends': [`export default () => { started(); setInterval(() => {}, 1000); return new Promise(() => {}); };`, []],
  'an isolated loop': ['export default () => { started(); while (true) {} };', ['--isolate']],
};
for (const [i, [what, [text, flags]]] of Object.entries(hanging).entries()) {
  test(`Ctrl-C ends a run in ${what}`, { timeout: 120_000 }, async () => {
    const outputDir = join(folder, `interrupted-${i}`);
    const reward = file(`hanging-${i}`, `const started = () => { console.error('reward started'); };\n${text}`);
    let sent = false;
    const { code, state } = await command(outputDir, ['--reward', reward, '--max-steps', '3', ...flags], (kill, stderr) => {
      if (sent || !stderr.includes('reward started')) return;
      sent = true;
      kill('SIGINT');
    });
    assert.deepEqual([code, state.status, state.reason], [130, 'interrupted', 'SIGINT']);
  });
}

test('`--isolate` runs the rewards of the command line by file in processes of their own, and hashes the files', { timeout: 120_000 }, async () => {
  const outputDir = join(folder, 'flag');
  const reward = file('flagged', `export default ({ log }) => { log('pid', process.pid); return 1; };`);
  const { code, stderr } = await command(outputDir, ['--reward', reward, '--reward', 'length:5', '--isolate', '--max-steps', '1']);
  assert.equal(code, 0, stderr);
  const config = JSON.parse(readFileSync(join(outputDir, 'config.json'), 'utf8')) as { rewards: { name: string; fn: { file?: string } }[]; files: { path: string }[] };
  assert.deepEqual(config.rewards.map(({ name, fn }) => [name, fn.file]), [['flagged', reward], ['length', undefined]]);
  assert.deepEqual(config.files.map(({ path }) => path), [reward]);
});
