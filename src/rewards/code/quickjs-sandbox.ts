/**
 * Runs tests of JavaScript in QuickJS. Every test gets two fresh engines, each an instance of WebAssembly with memory of its
 * own: the candidate's code runs in one, the test in the other, and only texts cross (`border-script.ts`). Nothing of the
 * host is in either. This file blocks its thread while code runs, so it is meant for a worker thread.
 */
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { EvalFlags, JSException, MAX_STACK_SIZE, QuickJS, type JSValueHandle, type QuickJSOptions } from 'quickjs-wasi';
import { borderScript, candidateScript } from './border-script.ts';
import { checkerScript } from './checker-script.ts';
import { runInTurn, type CodeLimits, type CodeTest, type TestResult, type Verdict } from './verdict.ts';

type Compiled = QuickJSOptions['wasm'];

let compiled: Promise<Compiled> | null = null;

/** Compiles QuickJS, once. */
export function prepare(): Promise<Compiled> {
  // Node has WebAssembly, its types do not.
  const { WebAssembly } = globalThis as unknown as { WebAssembly: { compile(bytes: Uint8Array): Promise<Compiled> } };
  compiled ??= readFile(fileURLToPath(import.meta.resolve('quickjs-wasi/quickjs.wasm'))).then((bytes) => WebAssembly.compile(bytes));
  return compiled;
}

/** The first test that is no JavaScript, and why: the dataset's fault, not the candidate's. */
export interface BrokenTest {
  test: number;
  reason: string;
}

/**
 * Runs all tests on one candidate.
 *
 * @returns a result for each test; or, when one of them is no JavaScript, which
 */
export async function runJavaScriptTests(code: string, tests: readonly CodeTest[], limits: CodeLimits): Promise<TestResult[] | BrokenTest> {
  const wasm = await prepare();
  const sources = tests.map((test) => (test.kind === 'assertion' ? test.source : ''));
  using vm = await QuickJS.create({ wasm, timezoneOffset: 0 });
  for (const [test, source] of sources.entries()) {
    const reason = syntaxError(vm, wrapAssertion(vm, source));
    if (reason !== null) return { test, reason };
  }
  return runInTurn(tests, (test) => runTest(wasm, code, test, limits));
}

/** A test as the source of a function of the scope in which the candidate's names are found. */
function wrapAssertion(vm: QuickJS, source: string): string {
  const expression = `(async function (scope) { with (scope) { return (${source.trim().replace(/;$/, '')}\n); } })`;
  return syntaxError(vm, expression) === null ? expression : `(async function (scope) { with (scope) { ${source}\n } })`;
}

function syntaxError(vm: QuickJS, source: string): string | null {
  try {
    vm.evalCode(source, 'test', EvalFlags.COMPILE_ONLY).dispose();
    return null;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/** Both engines of one test, and what stopped them. */
class Pair {
  /** The limit that ended the test. The test's own code cannot catch it away: it is asked first. */
  stopped: Verdict | null = null;
  readonly #deadline: number;
  readonly #engines: { vm: QuickJS; serve: JSValueHandle }[] = [];

  constructor(timeoutMs: number) {
    this.#deadline = performance.now() + timeoutMs;
  }

  /** Makes an engine whose requests go to the other one. */
  async add(wasm: Compiled, memoryMb: number | null, isChecker: boolean): Promise<{ vm: QuickJS; border: JSValueHandle }> {
    const vm = await QuickJS.create({
      wasm,
      timezoneOffset: 0,
      // Below the end of its stack, so that code which recurses too deep gets an error that it can catch.
      maxStackSize: MAX_STACK_SIZE,
      ...(memoryMb === null ? {} : { memoryLimit: memoryMb * 2 ** 20 }),
      interruptHandler: () => {
        if (performance.now() <= this.#deadline) return false;
        this.stopped ??= 'timeout';
        return true;
      },
    });
    const other = isChecker ? 0 : 1;
    const peer = vm.newFunction('peer', (text) => vm.newString(this.#serve(other, text.toString())));
    const border = vm.callFunction(vm.evalCode(borderScript, 'border'), vm.undefined, peer, isChecker ? vm.true : vm.false);
    this.#engines.push({ vm, serve: border.getProp('serve') });
    return { vm, border };
  }

  #serve(index: number, text: string): string {
    const { vm, serve } = this.#engines[index]!;
    try {
      const answer = vm.callFunction(serve, vm.undefined, vm.newString(text));
      vm.executePendingJobs();
      return answer.toString();
    } catch (error) {
      this.stopped ??= outOfMemory(error) ?? 'failed';
      return JSON.stringify({ thrown: { e: ['Error', describe(error)] } });
    }
  }

  dispose(): void {
    for (const { vm } of this.#engines) {
      try {
        vm.dispose();
      } catch {
        // An engine that a limit ended in the middle of its work cannot tidy up; its memory goes with the instance.
      }
    }
  }
}

async function runTest(wasm: Compiled, code: string, test: CodeTest, { timeoutMs, memoryMb }: CodeLimits): Promise<TestResult> {
  const pair = new Pair(timeoutMs);
  try {
    const { vm: candidate } = await pair.add(wasm, memoryMb, false);
    try {
      candidate.evalCode(candidateScript, 'scope').dispose();
      candidate.evalCode(code, 'candidate.js').dispose();
      candidate.executePendingJobs();
    } catch (error) {
      return { verdict: pair.stopped ?? outOfMemory(error) ?? 'doesNotRun', reason: describe(error) };
    }
    const { vm: checker, border } = await pair.add(wasm, memoryMb, true);
    return check(pair, checker, border, test);
  } finally {
    pair.dispose();
  }
}

/** Runs the test itself. Passed is: the test came to its end, and no limit was met on the way. */
function check(pair: Pair, checker: QuickJS, border: JSValueHandle, test: CodeTest): TestResult {
  try {
    const tester = checker.callFunction(checker.evalCode(checkerScript, 'checker'), checker.undefined, border);
    const end =
      test.kind === 'assertion'
        ? checker.callFunction(tester.getProp('assertion'), checker.undefined, checker.evalCode(wrapAssertion(checker, test.source), 'test'))
        : checker.callFunction(tester.getProp('call'), checker.undefined, checker.newString(JSON.stringify(test)));
    checker.executePendingJobs();
    if (pair.stopped) return { verdict: pair.stopped, reason: 'a limit was met' };
    // 1 = fulfilled; read from the engine, not from a property.
    if (end.promiseState === 1) return { verdict: 'passed', reason: '' };
    if (end.promiseState === 0) return { verdict: 'failed', reason: 'the test does not end: there are no timers' };
    const reason = rejection(checker, end);
    return { verdict: outOfMemory(reason) ?? 'failed', reason };
  } catch (error) {
    return { verdict: pair.stopped ?? outOfMemory(error) ?? 'failed', reason: describe(error) };
  }
}

function rejection(checker: QuickJS, end: JSValueHandle): string {
  checker.setProp(checker.global, 'end', end);
  checker.evalCode('end.catch((error) => { globalThis.reason = String(error); })');
  checker.executePendingJobs();
  return checker.global.getProp('reason').toString();
}

function outOfMemory(error: unknown): Verdict | null {
  return /out of memory/.test(describe(error)) ? 'outOfMemory' : null;
}

function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error instanceof JSException ? `${String(error.name)}: ${String(error.message)}` : `${error.name}: ${error.message}`;
}
