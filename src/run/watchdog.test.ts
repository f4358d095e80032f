import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';

const folder = mkdtempSync(join(tmpdir(), 'tsrl-watchdog-'));
after(() => rmSync(folder, { recursive: true, force: true }));
let number = 0;

interface Watched {
  code: number | null;
  stderr: string;
  files: string[];
  reason: string | null;
}

/** Runs a program under a watchdog that allows 600 ms without a turn of the event loop, and 1 s of grace; `watchdog` and `call` are there for it. */
async function watched(program: string, flags: string[] = []): Promise<Watched> {
  const own = mkdtempSync(join(folder, 'run-'));
  const file = join(folder, `program-${++number}.mts`);
  writeFileSync(join(own, 'run.lock'), '');
  writeFileSync(join(own, 'state.json'), '{ "status": "running", "reason": null }');
  writeFileSync(file, `import { setTimeout as sleep } from 'node:timers/promises';
import { Watchdog } from ${JSON.stringify(new URL('./watchdog.ts', import.meta.url).href)};
const run = { stateFile: ${JSON.stringify(join(own, 'state.json'))}, lockFile: ${JSON.stringify(join(own, 'run.lock'))}, checkpointsFolder: ${JSON.stringify(join(own, 'checkpoints'))}, startedAt: 'then' };
const watchdog = new Watchdog({ run, model: {}, onFault: (reason) => console.error(reason), stallMs: 600, graceMs: 1000 });
const call = (reward, timeoutMs) => ({ reward, samples: [{ group: 1, sample: 2, step: 1 }], timeoutMs });
const busy = (ms) => { const end = performance.now() + ms; while (performance.now() < end); };
// The thread needs a moment to start.
await sleep(1500);
${program}
`);
  const { code, stderr } = await new Promise<{ code: number | null; stderr: string }>((resolve) => {
    const child = execFile(process.execPath, [...flags, '--import', 'tsx', file], { timeout: 60_000 }, (_, __, text) => resolve({ code: child.exitCode, stderr: text }));
  });
  const state = JSON.parse(readFileSync(join(own, 'state.json'), 'utf8')) as { reason: string | null };
  return { code, stderr, files: readdirSync(own).sort(), reason: state.reason };
}

const fine: Record<string, string> = {
  'a reward that waits for long, while the event loop turns': `const { returned, over } = watchdog.begin(call('waits', 100)); returned(); await sleep(3000); over();`,
  'a function that returns within its time and the grace': `const { returned, over } = watchdog.begin(call('slow', 1000)); busy(1300); returned(); over();`,
  'many functions, one after the other': `for (let i = 0; i < 8; i++) { const { returned, over } = watchdog.begin(call('many', 200)); busy(400); returned(); over(); }`,
  'a busy thread while no reward runs': `const { returned, over } = watchdog.begin(call('done', 100)); returned(); over(); busy(3000);`,
  'an operation that keeps the thread for a while, with a reward that waits': `const { returned, over } = watchdog.begin(call('waits', 100)); returned(); busy(1200); over();`,
  'a watch that is over': `watchdog.begin(call('late', 100)); await watchdog.close(); busy(2500);`,
};

// Most of each is waiting, so they run side by side.
describe('the watchdog', { concurrency: 4 }, () => {
  test('a function that does not return is named, and the folder given back', async () => {
    const { code, stderr, files, reason } = await watched(`watchdog.begin(call('other', 100)).returned(); watchdog.begin(call('endless', 300)); (function spin() { while (true) {} })();`);
    assert.equal(code, 1, stderr);
    assert.deepEqual(files, ['state.json']);
    assert.match(reason!, /^reward: Expected reward `endless` to return within 300 ms, got no return for sample 2 of group 1 in step 1 \(at spin, program-\d+\.mts:\d+\); .*`isolate: true`.* No update was made\.$/);
    assert.match(stderr, /at spin, program/);
  });

  test('a reward that keeps the thread after it has waited is found among those that run', async () => {
    const { code, stderr, reason } = await watched(`for (const name of ['a', 'b']) watchdog.begin(call(name, 300)).returned(); setTimeout(function later() { while (true) {} }, 200); await sleep(60_000);`);
    assert.equal(code, 1, stderr);
    assert.match(reason!, /got one that keeps it \(at later, .*\), among `a` with sample 2 of group 1 in step 1, `b` with sample 2/);
  });

  test('weights that cannot be saved: the state says so, and the run ends all the same', async () => {
    const { code, reason } = await watched(`watchdog.step = 7; watchdog.begin({ ...call('endless', 100), samples: [0, 1, 2].map((sample) => ({ group: 4, sample, step: 8 })) }); while (true) {}`);
    assert.equal(code, 1);
    assert.match(reason!, /no return for samples 0 to 2 of group 4 in step 8/);
    assert.match(reason!, /The weights after update 7 could not be saved \(.*\); there is no checkpoint\.$/);
  });

  for (const [what, program] of Object.entries(fine)) {
    test(`is left alone: ${what}`, async () => {
      const { code, stderr, files } = await watched(`${program}\nprocess.exit(0);`);
      assert.deepEqual([code, stderr, files], [0, '', ['run.lock', 'state.json']]);
    });
  }

  test('under a debugger nothing is ended: a breakpoint looks like a loop', async () => {
    const { code } = await watched(`watchdog.begin(call('stepped', 100)); busy(2500); process.exit(0);`, ['--inspect=127.0.0.1:0']);
    assert.equal(code, 0);
  });
});
