/** Tests of programs: the input goes in, the output is compared here. The expected output is never where the code runs. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runLimited, type LimitedEnd } from './limited-process.ts';
import type { CodeLimits, TestResult } from './verdict.ts';

/** How a candidate's file is run. */
export interface ProgramCommand {
  /** Absolute path of the program, and its first arguments. */
  argv: readonly string[];
  fileName: string;
  environment: Readonly<Record<string, string>>;
}

/** Runs `work` in a fresh folder for temporary files, which is gone afterwards. */
export async function inTemporaryFolder<T>(work: (folder: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'tsrl-code-'));
  try {
    return await work(folder);
  } finally {
    await rm(folder, { recursive: true, force: true, maxRetries: 3 });
  }
}

/** One run of the candidate's program on one input. */
export function runProgramTest(command: ProgramCommand, code: string, { input, output }: { input: string; output: string }, limits: CodeLimits, signal: AbortSignal): Promise<TestResult> {
  return inTemporaryFolder(async (folder) => {
    const file = join(folder, command.fileName);
    await writeFile(file, code);
    const end = await runLimited({ argv: [...command.argv, file], folder, environment: command.environment, input, ...limits, signal });
    const stopped = stoppedBy(end);
    if (stopped) return stopped;
    if (end.exitCode !== 0) return { verdict: 'doesNotRun', reason: end.stderr };
    return sameText(end.stdout, output) ? { verdict: 'passed', reason: '' } : { verdict: 'failed', reason: `printed ${JSON.stringify(end.stdout.slice(0, 200))}` };
  });
}

/** The verdict when a limit ended a process; null when none did. */
export function stoppedBy({ limit, exitCode, stderr }: LimitedEnd): TestResult | null {
  if (limit === 'time') return { verdict: 'timeout', reason: 'the time limit' };
  if (limit === 'output') return { verdict: 'failed', reason: 'printed without end' };
  const outOfMemory = exitCode !== 0 && /MemoryError|out of memory|bad_alloc|cannot allocate|failed to allocate/i.test(stderr);
  return outOfMemory ? { verdict: 'outOfMemory', reason: stderr } : null;
}

/** Equal lines; white space at the ends of lines and at the end of the text does not count. */
function sameText(actual: string, wanted: string): boolean {
  const lines = (text: string): string => text.replace(/[^\S\n]+$/gm, '').trimEnd();
  return lines(actual) === lines(wanted);
}
