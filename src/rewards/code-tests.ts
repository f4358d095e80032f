/** Rewards code that passes tests. What protects the host and the verdict, and what does not: `docs/code-rewards.md`. */
import { availableParallelism } from 'node:os';
import { expected, InputError, show } from '../errors.ts';
import { lastCodeBlock } from './code/code-block.ts';
import { findCommand, requireMemoryLimit } from './code/limited-process.ts';
import { runProgramTest, type ProgramCommand } from './code/program-tests.ts';
import { probePython, runPythonTest } from './code/python-tests.ts';
import { testsOf, type TestsColumn } from './code/tests-column.ts';
import { runInTurn, type CodeLimits, type CodeTest, type TestResult, type Verdict } from './code/verdict.ts';
import { recorded } from './definition.ts';
import type { RewardFunction } from './reward.ts';
import { Slots } from './slots.ts';

/** Options of `codeTests`. */
export interface CodeTestsOptions {
  /**
   * `javascript` runs in QuickJS, inside this process but out of its reach. `python` runs the interpreter in `command`.
   * Without a language, `command` runs programs that read and print.
   */
  language?: 'javascript' | 'python';
  /**
   * The program that runs a file of code, and its first arguments: `['ruby']`, `['node', '--no-warnings']`. No shell reads it;
   * the file comes last. For Python the interpreter alone; `['python3']` if left out.
   */
  command?: readonly string[];
  /** Name of the file with the code, where the command looks at it (`main.rb`). */
  fileName?: string;
  /** The column with the tests. */
  column?: string;
  /** The function that pairs `{ input, output }` are about. Without it they are a program's input and output. */
  functionName?: string | null;
  /** Milliseconds of the clock for one test. */
  timeoutMs?: number;
  /** MiB for one test. 128 for JavaScript, 1024 for a command; null sets no limit. */
  memoryMb?: number | null;
  /** The share of passed tests; else 1 when all pass and 0 when one does not. */
  partial?: boolean;
  /** Names of environment variables that the command gets; it gets no others. */
  environment?: readonly string[];
  /** Finds the code in a completion; null when there is none. The last fenced block, if left out. */
  extract?: (text: string) => string | null;
}

/** Runs the tests of one candidate. */
type Runner = (code: string, tests: readonly CodeTest[], signal: AbortSignal) => Promise<TestResult[]>;

/** Name in the log → verdict that it counts. */
const logged: Readonly<Record<string, Verdict>> = {
  code_passed: 'passed',
  code_failed: 'failed',
  code_does_not_run: 'doesNotRun',
  code_timeout: 'timeout',
  code_out_of_memory: 'outOfMemory',
};

/**
 * 1 for code that passes the tests of its row, else 0; or the share that it passes. A completion without code earns 0 like
 * code that does not run. The shares of each verdict are logged as `code_passed`, `code_failed`, `code_does_not_run`,
 * `code_timeout` and `code_out_of_memory`; they add up to 1.
 *
 * A row without usable tests, or a command that does not start, is an error and not a 0.
 *
 * @throws InputError when the options contradict each other, or the command cannot be found
 */
export function codeTests(options: CodeTestsOptions): RewardFunction {
  const { column = 'tests', functionName = null, partial = false, extract = lastCodeBlock, timeoutMs = 5_000 } = options;
  const memoryMb = options.memoryMb === undefined ? (options.language === 'javascript' ? 128 : 1_024) : options.memoryMb;
  const rules: TestsColumn = {
    column,
    functionName,
    takesAssertions: options.language !== undefined,
    takesPrograms: options.language !== 'javascript',
  };
  const run = runnerOf(options, { timeoutMs, memoryMb });
  const reward: RewardFunction = async function codeTests({ completion, row, signal, log }) {
    const tests = testsOf(row, rules);
    const code = extract(completion.text);
    const results = code === null ? tests.map((): TestResult => ({ verdict: 'doesNotRun', reason: 'no code' })) : await run(code, tests, signal);
    const share = (verdict: Verdict): number => results.filter((result) => result.verdict === verdict).length / results.length;
    for (const [name, verdict] of Object.entries(logged)) log(name, share(verdict));
    return partial ? share('passed') : Number(share('passed') === 1);
  };
  return recorded(reward, 'codeTests', { ...options, column, functionName, partial, timeoutMs, memoryMb });
}

function runnerOf(options: CodeTestsOptions, limits: CodeLimits): Runner {
  const { language, command } = options;
  const { timeoutMs, memoryMb } = limits;
  if (!Number.isFinite(timeoutMs) || timeoutMs <= 0) throw expected('timeoutMs', 'to be a time in milliseconds', timeoutMs, 'give more than 0');
  if (memoryMb !== null && !(Number.isInteger(memoryMb) && memoryMb >= 8)) throw expected('memoryMb', 'to be a whole number of 8 or more, or null', memoryMb, 'correct it');
  if (language === 'javascript') return javaScript(options, limits);
  requireMemoryLimit(memoryMb);
  if (language === 'python') return python(options, limits);
  if (language !== undefined) throw expected('language', "to be 'javascript' or 'python'", language, 'leave it out and give a `command` for any other');
  if (!command?.length) throw expected('command', 'to be the program that runs the code, and its first arguments', command, "write it as in `command: ['ruby']`, or give a `language`");
  return program(commandOf(command, options), limits);
}

/** The command with its program found and its environment read. */
function commandOf([name, ...args]: readonly string[], { fileName = 'main', environment = [] }: CodeTestsOptions): ProgramCommand {
  if (!/^[\w.-]+$/.test(fileName) || /^\.+$/.test(fileName)) throw expected('fileName', 'to be the name of a file', fileName, 'write it without folders');
  const variables = environment.map((variable) => {
    const value = process.env[variable];
    if (value === undefined) throw expected('environment', 'to name variables that are set', variable, 'set it, or leave it out');
    return [variable, value] as const;
  });
  return { argv: [findCommand(name!), ...args], fileName, environment: Object.fromEntries(variables) };
}

function javaScript(options: CodeTestsOptions, limits: CodeLimits): Runner {
  for (const name of ['command', 'fileName', 'environment'] as const) {
    if (options[name] !== undefined) throw expected(name, "to be left out with `language: 'javascript'`", options[name], 'leave it out: the code runs in QuickJS, without a process');
  }
  return async (code, tests, signal) => {
    const { runInWorker } = await import('./code/quickjs-pool.ts');
    const results = await runInWorker({ code, tests, limits }, signal);
    if (Array.isArray(results)) return results;
    throw new InputError(`Expected every test to be JavaScript, got ${show(tests[results.test])} (${results.reason}); correct the row.`, { test: tests[results.test] });
  };
}

/** Processes at once, for all rewards that run commands. */
const slots = new Slots(availableParallelism());

function program(command: ProgramCommand, limits: CodeLimits): Runner {
  return (code, tests, signal) =>
    runInTurn(tests, (test) => slots.run(() => runProgramTest(command, code, test as Extract<CodeTest, { kind: 'program' }>, limits, signal)));
}

function python(options: CodeTestsOptions, limits: CodeLimits): Runner {
  const command = commandOf(options.command ?? ['python3'], options);
  let probed: Promise<void> | null = null;
  return async (code, tests, signal) => {
    // Not under one sample's signal: all samples wait for it.
    probed ??= probePython(command, limits, new AbortController().signal).catch((error: unknown) => {
      // The next sample tries again: the machine may only have been short of something.
      probed = null;
      throw error;
    });
    await probed;
    return runInTurn(tests, (test) =>
      slots.run(() => (test.kind === 'program' ? runProgramTest(command, code, test, limits, signal) : runPythonTest(command, code, test, limits, signal))),
    );
  };
}
