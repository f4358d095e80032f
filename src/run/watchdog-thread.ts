/** The watchdog's thread: waits for beats, and ends a run whose own thread is stuck in a reward. Started by watchdog.ts. */
import { rmSync, writeFileSync, writeSync, renameSync } from 'node:fs';
import { Session } from 'node:inspector';
import type { Debugger } from 'node:inspector';
import { basename } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { workerData } from 'node:worker_threads';
import { checkpointName, listCheckpoints } from './checkpoints.ts';
import { place } from './watchdog-signals.ts';
import type { RunningRewards, WatchdogData, WatchedCall } from './watchdog-signals.ts';

const POLL_MS = 100;
/** The stuck thread says where it is when it is in JavaScript; in native code it says nothing. */
const LOCATE_MS = 2_000;

const { signals: memory, text, run, graceMs, model } = workerData as WatchdogData;
const signals = new Int32Array(memory);

await untilStuck();
await endRun();

/** Returns once rewards have run for longer than they may without a beat. */
async function untilStuck(): Promise<void> {
  let [beat, silent, last] = [-1, 0, performance.now()];
  for (;;) {
    await sleep(POLL_MS);
    const now = performance.now();
    // After a sleep of the whole machine the other thread has had no more time than this one.
    const passed = Math.min(now - last, 3 * POLL_MS);
    last = now;
    const limit = Atomics.load(signals, place.limit);
    const seen = Atomics.load(signals, place.beat);
    silent = limit > 0 && seen === beat ? silent + passed : 0;
    beat = seen;
    if (silent > limit + graceMs) return;
  }
}

/** Saves what can be saved, says why in state.json, gives the folder back, and ends the process with exit code 1, whatever fails on the way. */
async function endRun(): Promise<void> {
  try {
    const step = Atomics.load(signals, place.step);
    const frames = await locate();
    const saved = await save(step);
    const reason = `${fault(running(), frames)}; put the reward in a file and set \`isolate: true\`, so that only such samples run out of time. ${saved}`;
    // Not process.stderr: in a thread it goes through the thread that is stuck.
    writeSync(2, `\ntsrl: ${reason}\n${frames.map((frame) => `    at ${frame}\n`).join('')}`);
    const state = { status: 'failed', reason: `reward: ${reason}`, step, startedAt: run.startedAt, updatedAt: new Date().toISOString() };
    writeFileSync(`${run.stateFile}.watchdog.tmp`, `${JSON.stringify(state, null, 2)}\n`);
    renameSync(`${run.stateFile}.watchdog.tmp`, run.stateFile);
  } finally {
    rmSync(run.lockFile, { force: true });
    await leave();
  }
}

/** The rewards that run; none where their names are too long to be told. */
function running(): RunningRewards {
  try {
    return JSON.parse(Buffer.from(new Uint8Array(text, 0, Atomics.load(signals, place.textBytes))).toString()) as RunningRewards;
  } catch {
    return { called: null, waiting: [] };
  }
}

/** Saves the weights, and says where. */
async function save(step: number): Promise<string> {
  if (step === 0) return 'No update was made.';
  try {
    const { rescueWeights } = await import('./checkpoint-rescue.ts');
    await rescueWeights(run.checkpointsFolder, step, Buffer.from(new Uint8Array(model)).toString());
    return `The weights after update ${step} are saved in checkpoints/${checkpointName(step)}.`;
  } catch (error) {
    return `The weights after update ${step} could not be saved (${(error as Error).message}); ${await newest()}.`;
  }
}

async function leave(): Promise<void> {
  try {
    const { endProcess } = await import('./checkpoint-rescue.ts');
    endProcess(1);
  } finally {
    // Without the addon there is no exit code from a thread, but an end.
    process.kill(process.pid, 'SIGKILL');
  }
}

async function newest(): Promise<string> {
  const last = (await listCheckpoints(run.checkpointsFolder)).at(-1);
  return last === undefined ? 'there is no checkpoint' : `the newest checkpoint is checkpoints/${checkpointName(last)}`;
}

/** *Expected … to return*, with the reward, the sample and the place in the source. */
function fault({ called, waiting }: RunningRewards, frames: readonly string[]): string {
  const at = frames.length > 0 ? ` (at ${frames[0]})` : '';
  if (called) return `Expected reward \`${called.reward}\` to return within ${called.timeoutMs} ms, got no return for ${sampleText(called)}${at}`;
  const names = waiting.map((call) => `\`${call.reward}\` with ${sampleText(call)}`).join(', ');
  return `Expected rewards to leave the program's thread to others, got one that keeps it${at}, among ${names || 'those that run'}`;
}

function sampleText({ samples: [first, last] }: WatchedCall): string {
  if (!first) return 'no sample';
  return `${last ? `samples ${first.sample} to ${last.sample}` : `sample ${first.sample}`} of group ${first.group} in step ${first.step}`;
}

/** Where the stuck thread is, innermost first; none where it is in native code. It stays paused, so that nothing moves while weights are saved. */
async function locate(): Promise<string[]> {
  const session = new Session();
  const urls = new Map<string, string>();
  try {
    session.connectToMainThread();
    session.on('Debugger.scriptParsed', ({ params }) => urls.set(params.scriptId, params.url));
    const paused = new Promise<Debugger.CallFrame[]>((resolve) => session.on('Debugger.paused', ({ params }) => resolve(params.callFrames)));
    session.post('Debugger.enable');
    session.post('Debugger.pause');
    const frames = await Promise.race([paused, sleep(LOCATE_MS, [] as Debugger.CallFrame[])]);
    return frames.slice(0, 10).map(({ functionName, location }) => {
      const file = urls.get(location.scriptId) ?? '';
      return `${functionName || 'a function without a name'}, ${basename(file) || 'a program given as text'}:${location.lineNumber + 1}`;
    });
  } catch {
    // Without the inspector the reward and the sample are named all the same.
    return [];
  }
}
