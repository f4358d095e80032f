/** Runs a program of the bench as a process of its own: its last line is its result, and its peak memory is watched. */
import { spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { TsrlError } from '../src/errors.ts';

/** A program's result and its peak memory. */
export interface ProgramResult<T> {
  result: T;
  /** 10⁹ bytes, of the process and the processes it started; null where the system does not say. */
  peakGb: number | null;
}

/** Milliseconds between two looks at a program's memory. The system keeps the peak, so that none between them is lost. */
const lookEvery = 250;

/** Runs a TypeScript program of the bench. Its only argument is a record as JSON. */
export function runOurs<T>(file: URL, task: unknown): Promise<ProgramResult<T>> {
  return runProgram(process.execPath, ['--import', 'tsx', file.pathname, JSON.stringify(task)]);
}

/**
 * Runs a program to its end.
 *
 * @throws TsrlError with the end of its error output when it fails or prints no result
 */
export function runProgram<T>(command: string, args: readonly string[]): Promise<ProgramResult<T>> {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let [out, err] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (text: string) => void (out += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => void (err = (err + text).slice(-20_000)));
  const peaks = new Map<number, number>();
  const timer = setInterval(() => lookAtMemory(child.pid!, peaks), lookEvery);
  return new Promise((resolve, reject) => {
    const fail = (what: string) => reject(new TsrlError(`Expected ${command} ${args.slice(0, 3).join(' ').slice(0, 200)} … to end with a result, got ${what}; its last words:\n${lastLines(err, 12)}`));
    child.on('error', ({ message }) => fail(message)).on('exit', () => clearInterval(timer));
    child.on('close', (code, signal) => {
      if (code !== 0) return fail(signal ? `the signal ${signal}` : `exit code ${code}`);
      try {
        resolve({ result: JSON.parse(lastLines(out, 1)) as T, peakGb: peaks.size === 0 ? null : sum(peaks.values()) / 1e9 });
      } catch {
        fail(`"${lastLines(out, 1)}"`);
      }
    });
  });
}

/** Notes the peak of a process and of those it started. */
function lookAtMemory(root: number, peaks: Map<number, number>): void {
  for (const pid of withChildren(root)) {
    const bytes = peakBytes(pid);
    if (bytes !== null) peaks.set(pid, bytes);
  }
}

/** Most memory that a process ever held, from Linux; null elsewhere and when it is gone. */
export function peakBytes(pid: number | 'self'): number | null {
  try {
    const [, kilobytes] = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
    return kilobytes === undefined ? null : Number(kilobytes) * 1024;
  } catch {
    return null;
  }
}

function withChildren(pid: number): number[] {
  try {
    const threads = readdirSync(`/proc/${pid}/task`);
    const children = threads.flatMap((thread) => readFileSync(`/proc/${pid}/task/${thread}/children`, 'utf8').split(' ').filter(Boolean).map(Number));
    return [pid, ...children.flatMap(withChildren)];
  } catch {
    return [pid];
  }
}

function sum(values: Iterable<number>): number {
  return [...values].reduce((total, value) => total + value, 0);
}

function lastLines(text: string, count: number): string {
  return text.trimEnd().split('\n').slice(-count).join('\n');
}
