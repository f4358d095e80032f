/** What a candidate's tests came to; shared by all languages. */

/**
 * How one test ended. `failed`: the code runs, and its answer is wrong or is an error.
 * `doesNotRun`: the code does not load, or as a program it ends with an error.
 * `timeout`, `outOfMemory`: a limit ended it.
 */
export type Verdict = 'passed' | 'failed' | 'doesNotRun' | 'timeout' | 'outOfMemory';

/** A test as a dataset row has it. */
export type CodeTest =
  | { kind: 'assertion'; source: string }
  /** A call of a function with `input` as its arguments must give `output`. */
  | { kind: 'call'; function: string; input: readonly unknown[]; output: unknown }
  /** A program that reads `input` must print `output`. */
  | { kind: 'program'; input: string; output: string };

/** What one candidate may use. */
export interface CodeLimits {
  /** Milliseconds of the clock for one test, loading the code included. */
  timeoutMs: number;
  /** MiB for one test; null = as much as it takes. */
  memoryMb: number | null;
}

/** The result of one test. */
export interface TestResult {
  verdict: Verdict;
  /** Why it did not pass, in the words of the language; empty for `passed`. */
  reason: string;
}

/**
 * Runs the tests one after the other. After the first one that meets a limit the rest is not run and gets the same verdict:
 * one candidate must not take a whole time limit for every test.
 */
export async function runInTurn(tests: readonly CodeTest[], run: (test: CodeTest) => Promise<TestResult>): Promise<TestResult[]> {
  const results: TestResult[] = [];
  for (const test of tests) {
    const last = results.at(-1);
    const metLimit = last?.verdict === 'timeout' || last?.verdict === 'outOfMemory';
    results.push(metLimit ? last : await run(test));
  }
  return results;
}
