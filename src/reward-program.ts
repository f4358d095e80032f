/**
 * The program of an isolated reward's process: loads one reward file, and answers one call at a time. It stands above the
 * rooms, because the file may import all of tsrl. Started by rewards/reward-process.ts; not part of the public API.
 */
import { writeFile } from 'node:fs/promises';
import { Worker } from 'node:worker_threads';
import { loadReward } from './cli/module-file.ts';
import { show } from './errors.ts';
import type { FromProcess, ToProcess } from './rewards/process-messages.ts';
import { batchFunction } from './rewards/reward.ts';
import type { BatchReward, RewardFunction, RewardSample } from './rewards/reward.ts';

/** The controllers of the calls that run, by number. */
const running = new Map<number, AbortController>();

/** A copy that stays ours, whatever the reward does to `process`. */
const send = process.send!.bind(process);

await beginProcess();
try {
  const fn = await loadReward(process.argv[2]!);
  process.on('message', (message) => void hear(fn, message as ToProcess));
  say({ kind: 'ready', many: batchFunction(fn) !== null, rss: process.memoryUsage.rss() });
} catch (error) {
  // The run ends this process when it has read that.
  say({ kind: 'refused', message: messageOf(error) });
}

/** What must hold before code that is not ours runs. */
async function beginProcess(): Promise<void> {
  process.on('disconnect', () => process.kill(-process.pid, 'SIGKILL'));
  // The same from a thread, which sees the run end also while the reward keeps this one busy.
  const watch = new Worker(`const parent = process.ppid; setInterval(() => { if (process.ppid !== parent) process.kill(-process.pid, 'SIGKILL'); }, 500);`, { eval: true, execArgv: [] });
  watch.unref();
  // When memory ends on a Linux machine, this process goes first and not the run; elsewhere there is no such file.
  await writeFile('/proc/self/oom_score_adj', '1000').catch(() => undefined);
}

async function hear(fn: RewardFunction | BatchReward, message: ToProcess): Promise<void> {
  if (message.kind === 'abort') return running.get(message.call)?.abort(new Error(message.reason));
  const { call, samples } = message;
  const controller = new AbortController();
  const { signal } = controller;
  const logged = samples.map((): Record<string, number> => ({}));
  const inputs = samples.map((sample, i): RewardSample => ({ ...sample, signal, log: (name, value) => void (logged[i]![name] = value) }));
  running.set(call, controller);
  try {
    const many = batchFunction(fn);
    const value: unknown = await (many ? many(inputs) : (fn as RewardFunction)(inputs[0]!));
    say({ kind: 'answer', call, value: sendable(value), logged });
  } catch (error) {
    say({ kind: 'failure', call, error: { name: error instanceof Error ? error.name : 'Error', message: messageOf(error), stack: error instanceof Error ? (error.stack ?? '') : '' } });
  } finally {
    running.delete(call);
  }
}

/** A list and plain values cross the border as they are; an object, which is no reward, as the text that names it. */
function sendable(value: unknown): unknown {
  if (Array.isArray(value)) return Array.from(value as unknown[], sendable);
  const isPlain = value === null || ['number', 'string', 'boolean', 'bigint', 'undefined'].includes(typeof value);
  return isPlain ? value : show(value);
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : show(error);
}

function say(message: FromProcess): void {
  send(message);
}
