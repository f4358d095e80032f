/** Tests of Python: a checker process asks a candidate process (`python-script.ts`), both in one group with one deadline. */
import { randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expected, InputError, show } from '../../errors.ts';
import { runLimited } from './limited-process.ts';
import { inTemporaryFolder, stoppedBy } from './program-tests.ts';
import { pythonScript } from './python-script.ts';
import type { CodeLimits, CodeTest, TestResult, Verdict } from './verdict.ts';

/** Which interpreter, and what it finds in its environment. */
export interface PythonCommand {
  argv: readonly string[];
  environment: Readonly<Record<string, string>>;
}

/** A test that does not go through a program's input and output. */
type CheckedTest = Exclude<CodeTest, { kind: 'program' }>;

/**
 * Runs one test on one candidate.
 *
 * @throws InputError for a test that is no Python
 */
export async function runPythonTest(command: PythonCommand, code: string, test: CheckedTest, limits: CodeLimits, signal: AbortSignal): Promise<TestResult> {
  const nonce = randomBytes(16).toString('hex');
  // The code and the test go in by the pipe: what stands in a file or on the command line, the candidate can read.
  const input = `${JSON.stringify({ nonce, code, test })}\n`;
  const end = await inTemporaryFolder(async (folder) => {
    const script = join(folder, 'border.py');
    await writeFile(script, pythonScript);
    return runLimited({ argv: [...command.argv, '-I', script], folder, environment: command.environment, input, ...limits, signal });
  });
  const stopped = stoppedBy(end);
  if (stopped) return stopped;
  const { verdict, reason } = answer(end.stdout, nonce) ?? { verdict: 'failed', reason: `the checker gave no verdict: ${end.stderr.slice(-300)}` };
  if (verdict === 'broken') throw new InputError(`Expected every test to be Python, got ${show(test)} (${reason}); correct the row.`, { test });
  return { verdict, reason };
}

/** The checker's answer: the one that knows the nonce, which the candidate never sees. */
function answer(stdout: string, nonce: string): { verdict: Verdict | 'broken'; reason: string } | null {
  for (const line of stdout.split('\n').filter((line) => line.includes(nonce))) {
    return JSON.parse(line) as { verdict: Verdict; reason: string };
  }
  return null;
}

/**
 * Finds out once whether the interpreter works under these limits, so that a broken one is not taken for bad code.
 *
 * @throws InputError when it does not
 */
export async function probePython(command: PythonCommand, limits: CodeLimits, signal: AbortSignal): Promise<void> {
  const test: CheckedTest = { kind: 'assertion', source: 'assert probe() == 1' };
  const patient = { ...limits, timeoutMs: Math.max(limits.timeoutMs, 20_000) };
  const { verdict, reason } = await runPythonTest(command, 'def probe():\n    return 1\n', test, patient, signal);
  if (verdict !== 'passed') {
    throw expected('command', 'to run Python 3.10 or newer', `${command.argv.join(' ')}: ${reason}`, 'give the whole path of the interpreter, raise `memoryMb`, or name the variables that it needs in `environment`');
  }
}
