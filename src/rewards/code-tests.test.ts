import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { fileURLToPath } from 'node:url';
import { InputError } from '../errors.ts';
import { configDocument } from '../run/config.ts';
import { codeTests, type CodeTestsOptions } from './code-tests.ts';
import { namedRewards } from './named-rewards.ts';
import type { ScoreResult } from './reward-call.ts';
import { scoreGroup } from './score.ts';

interface Scored {
  result: ScoreResult;
  logged: Record<string, number>;
}

/** Scores one completion as a run does. */
async function score(options: CodeTestsOptions, text: string, row: Record<string, unknown>, signal?: AbortSignal): Promise<Scored> {
  const sample = { prompt: 'p', completion: { text, ids: [], finishReason: 'stop' as const }, row, step: 1, progress: 0 };
  const { samples } = await scoreGroup(namedRewards({ code: codeTests(options) }), [sample], signal ? { signal } : {});
  return { result: samples[0]!.results['code']!, logged: samples[0]!.logged };
}

const fenced = (code: string): string => `Here it is:\n\`\`\`\n${code}\n\`\`\``;

async function valueOf(options: CodeTestsOptions, code: string, tests: readonly unknown[]): Promise<number> {
  const { result } = await score(options, fenced(code), { tests });
  assert.equal(result.kind, 'score', JSON.stringify(result));
  return (result as { value: number }).value;
}

const javascript: CodeTestsOptions = { language: 'javascript', timeoutMs: 20_000, memoryMb: 32 };
/** For code that never ends. */
const hasty: CodeTestsOptions = { ...javascript, timeoutMs: 300 };

const honest: [name: string, code: string, tests: unknown[]][] = [
  ['assertions in several words', 'function add(a, b) { return a + b; }', ['assert.equal(add(1, 2), 3)', 'assert(add(1, 2) === 3);', 'add(2, 2) === 4', 'console.assert(add(0, 0) === 0)', "const assert2 = require('node:assert');\nassert2.deepStrictEqual(add('a', 'b'), 'ab');"]],
  ['names of let, const, class and module.exports', 'const f = () => 1; class C {} let g = 2; module.exports.h = () => 3;', ['f() === 1', 'new C() instanceof C', 'g === 2', 'h() === 3']],
  ['calls with arguments and result', 'const pair = (a, b) => ({ a, b: [b, null] });', [{ function: 'pair', input: [1, 'x'], output: { b: ['x', null], a: 1 } }]],
  ['values of all kinds cross as copies', 'const same = (x) => x;', [
    'assert.deepStrictEqual(same([1, [undefined, null, NaN, -0, 2n, "🙂"]]), [1, [undefined, null, NaN, -0, 2n, "🙂"]])',
    'assert.deepStrictEqual(same(new Map([[{ a: 1 }, new Set([1, 2])]])), new Map([[{ a: 1 }, new Set([2, 1])]]))',
    'assert.deepStrictEqual(same(new Date(5)), new Date(5)); assert.deepStrictEqual(same(/a+/g), /a+/g)',
    'assert.deepStrictEqual(same(new Uint8Array([1, 300])), new Uint8Array([1, 44]))',
  ]],
  ['arguments changed in place', 'function sort(list) { list.sort((a, b) => a - b); } function put(o) { o.x = 1; }', ['const list = [10, 9, 1]; sort(list); assert.deepEqual(list, [1, 9, 10])', 'const o = {}; put(o); assert.deepEqual(o, { x: 1 })']],
  ['functions in both directions', 'const compose = (...fs) => (x) => fs.reduceRight((y, f) => f(y), x); function counter() { let n = 0; return () => ++n; }', ['compose((x) => x + 1, (x) => x * 2)(5) === 11', 'const next = counter(); next(); assert.equal(next(), 2)']],
  ['instances of a class', 'class Stack { #items = []; push(x) { this.#items.push(x); return this; } pop() { return this.#items.pop(); } get size() { return this.#items.length; } *[Symbol.iterator]() { yield* this.#items; } static of(x) { return x; } }', ['const s = new Stack(); s.push(1).push(2); assert.equal(s.pop(), 2); assert.equal(s.size, 1); assert.deepEqual([...s], [1]); assert.equal(Stack.of(7), 7)']],
  ['generators and promises', 'function* two() { yield 1; yield 2; } async function twice(x) { await null; return x * 2; } async function no() { throw new TypeError("no"); }', ['assert.deepEqual([...two()], [1, 2])', 'await twice(2) === 4', 'assert.deepEqual(await Promise.all([1, 2].map(twice)), [2, 4])', 'await assert.rejects(no(), TypeError)']],
  ['recursion a thousand deep, and an error that it can catch where it is too deep', 'const depth = (n) => (n === 0 ? 0 : 1 + depth(n - 1)); function tooDeep() { try { return depth(1e6); } catch (error) { return error.name; } }', ['depth(1000) === 1000', "tooDeep() === 'RangeError'"]],
  ['errors that a test waits for', 'function f() { throw new RangeError("too far"); }', ['assert.throws(() => f(), RangeError)', 'assert.throws(f, /too far/)']],
];
for (const [name, code, tests] of honest) {
  test(`JavaScript: ${name}`, async () => assert.equal(await valueOf(javascript, code, tests), 1));
}

/** Each must earn 0 on tests whose answers are 4, 5 and 42, whatever it does. */
const javascriptCheats: Record<string, string> = {
  nothing: '',
  'a wrong answer': 'function add() { return 9; }',
  'an exit': 'process.exit(0);',
  'an exit through a constructor': 'this.constructor.constructor("return process")().exit(0)',
  'a printed PASS': 'console.log("PASS"); function add() { return "PASS"; }',
  'an assert of its own': 'globalThis.assert = () => {}; assert.equal = () => {}; function add() { return 9; }',
  'a declared assert': 'function assert() {} assert.equal = () => {}; function add() { return 9; }',
  'changed built-ins': 'Object.is = Array.prototype.every = Array.isArray = () => true; Number.prototype.valueOf = () => 4; function add() { return {}; }',
  'prototype pollution': 'Object.prototype.equal = () => {}; Object.prototype.then = (f) => f(4); Object.prototype.value = 4; function add() { return {}; }',
  'an object equal to all': 'function add() { const f = () => 4; return { valueOf: f, toString: f, [Symbol.toPrimitive]: f }; }',
  'a proxy': 'function add() { return new Proxy({}, { get: () => () => true, has: () => true }); }',
  'a class as the function': 'class add { valueOf() { return 4; } [Symbol.toPrimitive]() { return 4; } }',
  'a forged answer over the border': 'const s = JSON.stringify; JSON.stringify = () => s({ value: { f: 1 } }); function add() { return 9; }',
  'changed tools of the border': 'Map.prototype.has = () => true; Map.prototype.get = () => 1; function add() { return {}; }',
  'a second changed tool': 'Array.prototype.map = () => [["F", 1]]; Object.keys = () => ["f"]; function add() { return {}; }',
  'the constructor of a callback': 'function add(f) { return f.constructor("return assert.equal = () => {}")(); }',
  'a thrown pass': 'function add() { throw Object.assign(new Error("passed"), { verdict: "passed" }); }',
  'an endless loop at the start': 'for (;;) {}',
  'an endless loop in a call': 'function add() { for (;;) {} }',
  'a loop that catches': 'function add() { for (;;) { try { for (;;) {} } catch {} finally { continue; } } }',
  'an endless chain of promises': '(function next() { Promise.resolve().then(next); })();',
  'a regular expression without end': 'function add() { return /^(a+)+$/.test("a".repeat(50) + "b"); }',
  'an error that loops when read': 'function add() { throw new Proxy(new Error("x"), { get() { for (;;) {} } }); }',
  'a result that loops when read': 'function add() { return { get a() { for (;;) {} } }; }',
  'an allocation bomb': 'const all = []; for (;;) all.push(new Array(1e5).fill(1));',
  'an allocation bomb in a call': 'function add() { const all = []; for (;;) all.push(new Uint8Array(1e6)); }',
  'doubling a text': 'function add() { let s = "x"; for (;;) s += s; }',
  'deep recursion': 'function add() { return add() + 1; }',
  'a value nested a hundred thousand deep': 'function add() { let a = []; for (let i = 0; i < 1e5; i++) a = [a]; return a; }',
  'an import': 'import("node:fs").then((fs) => fs.writeFileSync("cheat", ""));',
  'a syntax error': 'function add( {',
};
for (const [name, code] of Object.entries(javascriptCheats)) {
  test(`JavaScript that cheats with ${name} earns 0, also in part`, async () => {
    const tests = ['assert.equal(add(2, 2), 4)', 'assert(add(1, 4) === 5)', 'add((x) => x + 1, 41) === 42'];
    assert.equal(await valueOf({ ...hasty, partial: true }, code, tests), 0);
  });
}

test('a native loop that no limit reaches ends with its worker, and the next candidate is judged', async () => {
  const join = 'function add() { return new Array(3e8).join("xxxxxxxx"); }';
  assert.deepEqual((await score(hasty, fenced(join), { tests: ['add(2, 2) === 4'] })).logged['code_timeout'], 1);
  assert.equal(await valueOf(javascript, 'const add = (a, b) => a + b;', ['add(2, 2) === 4']), 1);
});

test('a result cannot answer a test with methods of its own, nor by a forged message', async () => {
  const test = ['assert(find(1).includes(5))'];
  assert.equal(await valueOf(javascript, 'const find = () => ({ includes() { return true; } });', test), 0);
  // The function of the candidate that is asked for first has the number 1.
  const forged = 'const { map } = Array.prototype; Array.prototype.map = function (f) { return this.length > 0 ? map.call(this, f) : [["includes", { f: 1 }]]; }; function find() { return {}; }';
  assert.equal(await valueOf(javascript, forged, test), 0);
  assert.equal(await valueOf(javascript, 'const find = () => [5];', test), 1);
});

test('a test that forgives errors does not forgive a limit that was met', async () => {
  const forgiving = ['try { f(); } catch {} assert(true)'];
  assert.equal(await valueOf(javascript, 'function f() { throw new Error(); }', forgiving), 1);
  assert.equal(await valueOf(hasty, 'function f() { for (;;) {} }', forgiving), 0);
});

test('a test finds nothing of the test before it', async () => {
  const code = 'let calls = 0; function first() { return ++calls; }';
  assert.equal(await valueOf(javascript, code, ['first() === 1', 'first() === 1']), 1);
});

const verdicts: [column: string, code: string][] = [
  ['code_passed', 'const f = () => 1;'],
  ['code_failed', 'const f = () => 2;'],
  ['code_failed', 'const f = () => { throw new Error(); };'],
  ['code_does_not_run', 'const f = ;'],
  ['code_does_not_run', 'throw new Error("at the start");'],
  ['code_timeout', 'const f = () => { for (;;) {} };'],
  ['code_out_of_memory', 'const f = () => { const a = []; for (;;) a.push(new Array(1e5).fill(1)); };'],
];
for (const [column, code] of verdicts) {
  test(`the log says ${column} of ${code}`, async () => {
    const { logged } = await score(column === 'code_timeout' ? hasty : javascript, fenced(code), { tests: ['f() === 1'] });
    assert.deepEqual(Object.entries(logged).filter(([, share]) => share > 0), [[column, 1]]);
    assert.equal(Object.keys(logged).length, 5);
  });
}

test('all or nothing, or the share that passes; the shares of the log add up', async () => {
  const code = 'const half = (x) => Math.floor(x / 2);';
  const tests = ['half(4) === 2', 'half(3) === 1.5', 'half(0) === 0', 'half(1) === 0.5'];
  assert.equal(await valueOf(javascript, code, tests), 0);
  assert.equal(await valueOf({ ...javascript, partial: true }, code, tests), 0.5);
  const { logged } = await score(javascript, fenced(code), { tests });
  assert.deepEqual(logged, { code_passed: 0.5, code_failed: 0.5, code_does_not_run: 0, code_timeout: 0, code_out_of_memory: 0 });
});

test('no code block is code that does not run; the last block counts; extract decides otherwise', async () => {
  const row = { tests: ['f() === 1'] };
  const bare = 'const f = () => 1;';
  assert.deepEqual((await score(javascript, bare, row)).logged['code_does_not_run'], 1);
  assert.deepEqual((await score(javascript, `${fenced('broken(')}\n${fenced(bare)}`, row)).result, { kind: 'score', value: 1 });
  assert.deepEqual((await score({ ...javascript, extract: (text) => text }, bare, row)).result, { kind: 'score', value: 1 });
});

const wrongRows: [name: string, row: Record<string, unknown>, message: RegExp][] = [
  ['a missing column', { test: [] }, /`tests` to be a list of tests.*the row has test.*name the column/],
  ['an empty list', { tests: [] }, /to be a list of tests/],
  ['a number', { tests: [1] }, /`tests\[0\]` to be an assertion or a pair/],
  ['a pair without a function', { tests: ['1 === 1', { input: '1', output: '2' }] }, /`tests\[1\]` to name a function.*functionName/],
  ['arguments that are no list', { tests: [{ function: 'f', input: 1, output: 2 }] }, /`tests\[0\]\.input` to be the list of arguments/],
  ['a test that is no JavaScript', { tests: ['f() === 1', 'assert(f('] }, /every test to be JavaScript, got .*assert\(f\(.*correct the row/],
];
for (const [name, row, message] of wrongRows) {
  test(`a row with ${name} is an error, not a 0`, async () => {
    const { result } = await score(javascript, fenced('const f = () => 1;'), row);
    assert.equal(result.kind, 'error');
    assert.match((result as { message: string }).message, message);
  });
}

test('tests as JSON text, and one function for all pairs', async () => {
  const tests = JSON.stringify([{ input: [1, 2], output: 3 }, { input: ['a', 'b'], output: 'ab' }]);
  const { result } = await score({ ...javascript, column: 'cases', functionName: 'add' }, fenced('const add = (a, b) => a + b;'), { cases: tests });
  assert.deepEqual(result, { kind: 'score', value: 1 });
});

const wrongOptions: [options: CodeTestsOptions, message: RegExp][] = [
  [{}, /`command` to be the program/],
  [{ language: 'ruby' as 'python' }, /`language` to be 'javascript' or 'python', got "ruby"/],
  [{ language: 'javascript', command: ['node'] }, /`command` to be left out/],
  [{ command: ['no-such-program-anywhere'], memoryMb: null }, /`command` to name a program.*not found/],
  [{ command: [process.execPath], memoryMb: null, environment: ['NO_SUCH_VARIABLE_ANYWHERE'] }, /`environment` to name variables that are set/],
  [{ command: [process.execPath], memoryMb: null, fileName: '../x.js' }, /`fileName` to be the name of a file/],
  [{ language: 'javascript', timeoutMs: 0 }, /`timeoutMs` to be a time/],
  [{ language: 'javascript', memoryMb: 0.5 }, /`memoryMb` to be a whole number/],
];
for (const [options, message] of wrongOptions) {
  test(`options that cannot be: ${JSON.stringify(options)}`, () => {
    assert.throws(() => codeTests(options), (error) => error instanceof InputError && message.test(error.message));
  });
}

test('config.json says what the reward was made of, defaults included', () => {
  assert.deepEqual(configDocument({ reward: codeTests({ language: 'javascript' }) }, {}), {
    reward: { builtin: 'codeTests', parameters: { language: 'javascript', column: 'tests', functionName: null, partial: false, timeoutMs: 5_000, memoryMb: 128 } },
  });
});

test('an interrupted run stops its code', async () => {
  const controller = new AbortController();
  const scoring = score({ language: 'javascript', timeoutMs: 60_000 }, fenced('for (;;) {}'), { tests: ['true'] }, controller.signal);
  setTimeout(() => controller.abort(new Error('interrupted')), 200);
  await assert.rejects(scoring, /interrupted/);
});

test('a process that has used it ends by itself', async () => {
  const program = `
    import { codeTests } from ${JSON.stringify(new URL('./code-tests.ts', import.meta.url).href)};
    const reward = codeTests({ language: 'javascript' });
    const completion = { text: '\`\`\`\\nconst f = () => 1;\\n\`\`\`' };
    console.log(await reward({ completion, row: { tests: ['f() === 1'] }, signal: new AbortController().signal, log() {} }));`;
  const root = fileURLToPath(new URL('../..', import.meta.url));
  const { stdout } = await promisify(execFile)(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', program], { cwd: root, timeout: 60_000 });
  assert.equal(stdout, '1\n');
});
