import assert from 'node:assert/strict';
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { after, test } from 'node:test';
import { namedRewards } from './named-rewards.ts';
import { closePools, openPools } from './process-pool.ts';
import type { Pools } from './process-pool.ts';
import type { ScoreResult, UnscoredSample } from './reward-call.ts';
import { loaderFlags } from './reward-process.ts';
import { scoreGroup } from './score.ts';
import type { ScoredGroup, ScoreOptions } from './score.ts';
import type { RewardSettings } from './reward.ts';

const folder = mkdtempSync(join(tmpdir(), 'tsrl-isolated-'));
after(() => rmSync(folder, { recursive: true, force: true }));

/** A reward file: what stands here is done to the sample with `i` 1; all others earn `i`. */
function rewardFile(name: string, onOne: string, head = ''): string {
  const file = join(folder, `${name}.ts`);
  writeFileSync(file, `${head}
import type { RewardSample } from 'tsrl';
export default async (sample: RewardSample): Promise<number> => {
  const i = sample.row.i as number;
  if (i === 1) { ${onOne} }
  return i;
};
`);
  return file;
}

function samples(count: number): UnscoredSample[] {
  return Array.from({ length: count }, (_, i) => ({ prompt: 'p', completion: { text: 'x'.repeat(i), ids: [i], finishReason: 'stop' }, row: { i, big: 2n ** 60n }, step: 3, progress: 0.5 }));
}

/** Scores samples with the reward of a file, and ends its processes. */
async function score(file: string, count: number, settings: RewardSettings = {}, options: ScoreOptions = {}, look?: (pools: Pools) => void): Promise<ScoredGroup> {
  const specs = namedRewards({ own: { file, isolate: true, processes: 2, timeoutMs: 5_000, ...settings } });
  const pools = await openPools(specs);
  try {
    return await scoreGroup(specs, samples(count), { ...options, pools });
  } finally {
    look?.(pools);
    closePools(pools);
  }
}

const resultsOf = ({ samples: scored }: ScoredGroup): ScoreResult[] => scored.map(({ results }) => results.own!);
const kindsOf = (group: ScoredGroup): string[] => resultsOf(group).map((result) => (result.kind === 'score' ? String(result.value) : result.kind));
const messageOf = (result: ScoreResult): string => ('message' in result ? result.message : '');

/** What happens to one sample must be told of it alone; the samples after it find a process that works. */
const crashes: Record<string, [onOne: string, kind: 'error' | 'timeout', message: RegExp, settings?: RewardSettings]> = {
  'a throw': [`throw new TypeError('no such answer');`, 'error', /^no such answer$/],
  'no number': [`return 'seven' as unknown as number;`, 'error', /finite number or null, got "seven"/],
  'process.exit': ['process.exit(7);', 'error', /The process of reward `own` ended with exit code 7/],
  'its own SIGKILL': [`process.kill(process.pid, 'SIGKILL');`, 'error', /was ended by SIGKILL/],
  'an error thrown in a timer': [`setTimeout(() => { throw new Error('late'); }); await new Promise(() => {});`, 'error', /ended with exit code 1/],
  'a closed channel': ['process.disconnect();', 'error', /was ended by SIGKILL/],
  'a heap without end': ['const all: object[] = []; while (true) all.push(new Array(1e5).fill(0).map(() => ({})));', 'error', /\(`memoryMb` 50\)/, { memoryMb: 50, timeoutMs: 60_000 }],
  'buffers without end': ['const all: Buffer[] = []; while (true) { all.push(Buffer.alloc(1e7, 1)); await new Promise((go) => setTimeout(go, 5)); }', 'error', /it took \d+ MB \(`memoryMb` 100\)/, { memoryMb: 100, timeoutMs: 60_000 }],
  'a loop without end': ['while (true) {}', 'timeout', /took longer than 1500 ms/, { timeoutMs: 1500 }],
  'a promise that never settles': ['await new Promise(() => {});', 'timeout', /took longer than 1500 ms/, { timeoutMs: 1500 }],
};
for (const [name, [onOne, kind, message, settings]] of Object.entries(crashes)) {
  test(`${name}: only that sample is lost`, async () => {
    const group = await score(rewardFile(name.replaceAll(/\W/g, '-'), onOne), 5, settings);
    assert.deepEqual(kindsOf(group), ['0', kind, '2', '3', '4']);
    assert.match(messageOf(resultsOf(group)[1]!), message);
  });
}

test('the error carries the stack from inside the process', async () => {
  const group = await score(rewardFile('stack', `deep();`, `function deep(): never { throw new Error('from below'); }`), 2);
  const failed = resultsOf(group)[1]!;
  assert.ok(failed.kind === 'error' && failed.error instanceof Error);
  assert.match(failed.error.stack!, /from below[\s\S]*deep[\s\S]*stack\.ts/);
});

test('the sample arrives whole, what is logged comes back, and the file may import tsrl', async () => {
  const file = join(folder, 'whole.ts');
  writeFileSync(file, `import { rewards } from 'tsrl';
const length = rewards.length({ target: 2 });
export default (sample) => {
  sample.log('step', sample.step + sample.progress + Number(sample.row.big === 2n ** 60n));
  return sample.signal.aborted ? null : length(sample);
};
`);
  const group = await score(file, 3);
  assert.deepEqual(kindsOf(group), ['-2', '-1', '0']);
  assert.deepEqual(group.samples.map(({ logged }) => logged), [{ step: 4.5 }, { step: 4.5 }, { step: 4.5 }]);
});

test('a batch reward by file gets the whole group', async () => {
  const file = join(folder, 'batch.ts');
  writeFileSync(file, `import { batch } from 'tsrl';\nexport default batch((samples) => samples.map((_, i) => samples.length * 10 + i));\n`);
  assert.deepEqual(kindsOf(await score(file, 3)), ['30', '31', '32']);
});

test('at its deadline a reward hears of it; one that then ends keeps its process', async () => {
  const file = rewardFile('polite', `await new Promise((resolve) => sample.signal.addEventListener('abort', resolve)); writeFileSync(${JSON.stringify(join(folder, 'heard'))}, String(sample.signal.reason.message));`, `import { writeFileSync } from 'node:fs';`);
  let before: number[] = [];
  const specs = namedRewards({ own: { file, isolate: true, processes: 1, timeoutMs: 300 } });
  const pools = await openPools(specs);
  try {
    before = pools.get('own')!.pids;
    assert.deepEqual(kindsOf(await scoreGroup(specs, samples(3), { pools })), ['0', 'timeout', '2']);
    assert.deepEqual(pools.get('own')!.pids, before);
  } finally {
    closePools(pools);
  }
  assert.match(readFileSync(join(folder, 'heard'), 'utf8'), /`own` took longer than 300 ms/);
});

test('as many run at once as there are processes, each with one call', async () => {
  const file = join(folder, 'busy.ts');
  writeFileSync(file, `let running = 0;
export default async ({ log }) => {
  running++;
  log('at', Date.now());
  await new Promise((done) => setTimeout(done, 200));
  log('until', Date.now());
  return running--;
};
`);
  const group = await score(file, 8, { processes: 4 });
  assert.deepEqual(kindsOf(group), Array.from({ length: 8 }, () => '1'));
  const spans = group.samples.map(({ logged }) => [logged.at!, logged.until!] as const);
  const most = Math.max(...spans.map(([at]) => spans.filter(([from, to]) => from <= at && at < to).length));
  assert.ok(most >= 2 && most <= 4, String(most));
});

test('an interruption ends scoring also where every process is stuck', { timeout: 40_000 }, async () => {
  const controller = new AbortController();
  setTimeout(() => controller.abort(new Error('interrupted')), 500);
  await assert.rejects(score(rewardFile('stuck', '', 'setTimeout(() => { while (true) {} }, 100);'), 6, { timeoutMs: 60_000 }, { signal: controller.signal }), /interrupted/);
});

test('a file that cannot be used is refused before anything is scored', async () => {
  const cases: Record<string, [text: string, message: RegExp]> = {
    'throws': [`throw new Error('no dictionary');`, /to load, got an error \(no dictionary\)/],
    'number': ['export default 3;', /a reward function as its default export, got 3/],
    'leaves': ['process.exit(4);', /to load, got none: The process of reward `own` ended with exit code 4/],
  };
  for (const [name, [text, message]] of Object.entries(cases)) {
    const file = join(folder, `${name}.ts`);
    writeFileSync(file, text);
    await assert.rejects(openPools(namedRewards({ own: { file, isolate: true, processes: 1 } })), { name: 'InputError', message });
  }
});

/** Waits until none of these processes is there. */
async function gone(pids: readonly number[]): Promise<boolean> {
  for (let tries = 0; tries < 100; tries++) {
    if (!pids.some(lives)) return true;
    await sleep(100);
  }
  return false;
}

function lives(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return !/^State:\s+Z/m.test(existsSync(`/proc/${pid}/status`) ? readFileSync(`/proc/${pid}/status`, 'utf8') : '');
  } catch {
    return false;
  }
}

test('no process outlives a run that was killed, also one that is stuck in a loop', async () => {
  const file = rewardFile('orphan', '', 'setTimeout(() => { while (true) {} }, 200);');
  const program = join(folder, 'run.mts');
  writeFileSync(program, `import { ProcessPool } from ${JSON.stringify(new URL('./process-pool.ts', import.meta.url).href)};
const pool = new ProcessPool('own', { file: ${JSON.stringify(file)}, processes: 1, memoryMb: 256 });
await pool.open();
process.send!(pool.pids);
setInterval(() => undefined, 1000);
`);
  const run = fork(program, { execArgv: loaderFlags(process.execArgv), stdio: 'inherit' });
  const [pids] = (await once(run, 'message')) as [number[]];
  await sleep(500);
  assert.ok(pids.length === 1 && pids.every(lives));
  run.kill('SIGKILL');
  assert.ok(await gone(pids));
});

test('what a reward started ends with it', async () => {
  const pidFile = join(folder, 'pid');
  const file = rewardFile('starts', `writeFileSync(${JSON.stringify(pidFile)}, String(spawn('sleep', ['600']).pid)); while (true) {}`, `import { spawn } from 'node:child_process';\nimport { writeFileSync } from 'node:fs';`);
  assert.deepEqual(kindsOf(await score(file, 2, { timeoutMs: 1_500 })), ['0', 'timeout']);
  assert.ok(await gone([Number(readFileSync(pidFile, 'utf8'))]));
});

test('closing the pools leaves no process', async () => {
  let pids: number[] = [];
  await score(rewardFile('plain', ''), 2, {}, {}, (pools) => (pids = pools.get('own')!.pids));
  assert.equal(pids.length, 2);
  assert.ok(await gone(pids));
});

test('of the flags of this process only those that load modules are handed on', () => {
  assert.deepEqual(loaderFlags(['--inspect=9229', '--import', 'tsx', '-e', 'x()', '--loader=./l.mjs', '--test']), ['--import', 'tsx', '--loader=./l.mjs']);
});
