/** Code in processes: Python with its checker, and any program that reads and prints. */
import assert from 'node:assert/strict';
import { execFile, execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { codeTests, type CodeTestsOptions } from './code-tests.ts';
import { namedRewards } from './named-rewards.ts';
import type { ScoreResult } from './reward-call.ts';
import { scoreGroup } from './score.ts';

interface Scored {
  result: ScoreResult;
  logged: Record<string, number>;
}

async function score(options: CodeTestsOptions, code: string, tests: readonly unknown[], signal?: AbortSignal): Promise<Scored> {
  const sample = { prompt: 'p', completion: { text: `\`\`\`\n${code}\n\`\`\``, ids: [], finishReason: 'stop' as const }, row: { tests }, step: 1, progress: 0 };
  const { samples } = await scoreGroup(namedRewards({ code: codeTests(options) }), [sample], signal ? { signal } : {});
  return { result: samples[0]!.results['code']!, logged: samples[0]!.logged };
}

async function valueOf(options: CodeTestsOptions, code: string, tests: readonly unknown[]): Promise<number> {
  const { result } = await score(options, code, tests);
  assert.equal(result.kind, 'score', JSON.stringify(result));
  return (result as { value: number }).value;
}

const isLinux = process.platform === 'linux';
// Not the name: a launcher such as pyenv's needs an environment, which the tests leave empty.
const interpreter = execFileSync('python3', ['-c', 'import sys; print(sys.executable)'], { encoding: 'utf8' }).trim();
const python: CodeTestsOptions = { language: 'python', command: [interpreter], timeoutMs: 30_000, memoryMb: isLinux ? 512 : null };
const impatient: CodeTestsOptions = { ...python, timeoutMs: 1_000 };

const node: CodeTestsOptions = { command: [process.execPath], fileName: 'main.mjs', timeoutMs: 30_000, memoryMb: null };

const honest: [name: string, code: string, tests: unknown[]][] = [
  ['assertions, expressions and calls', 'def add(a, b):\n    return a + b', ['assert add(1, 2) == 3', 'add(1, 1) == 2', 'import math\nassert math.isclose(add(0.1, 0.2), 0.3)', { function: 'add', input: [[1], [2]], output: [1, 2] }]],
  ['values of all kinds', 'def same(x):\n    return x', ['x = [1, (2.5, None), {"a": {1, 2}}, frozenset([3]), b"x", 1 + 2j, 10 ** 50, float("inf"), "🙂", range(3), True]\nassert same(x) == x and same(x) is not x\nassert isinstance(same(x)[1], tuple)']],
  ['arguments changed in place', 'def sort(a):\n    a.sort()', ['a = [3, 1, 2]\nsort(a)\nassert a == [1, 2, 3]']],
  ['functions in both directions', 'def apply(f, xs):\n    return [f(x) for x in xs]\ndef counter():\n    n = [0]\n    def step():\n        n[0] += 1\n        return n[0]\n    return step', ['assert apply(lambda x: x * 2, [1, 2]) == [2, 4]', 'c = counter()\nc()\nassert c() == 2', 'def check(candidate):\n    assert candidate(str, [1]) == ["1"]\ncheck(apply)']],
  ['classes', 'class Stack:\n    limit = 3\n    def __init__(self):\n        self.items = []\n    def push(self, x):\n        self.items.append(x)\n        return self\n    def __len__(self):\n        return len(self.items)\n    def __eq__(self, other):\n        return self.items == other.items', ['s = Stack()\ns.push(1).push(2)\nassert len(s) == 2 and s.items == [1, 2] and Stack.limit == 3', 'assert Stack().push(1) == Stack().push(1)', 'try:\n    Stack().items[0]\n    assert False\nexcept IndexError:\n    pass']],
  ['generators', 'def two():\n    yield 1\n    yield 2', ['assert list(two()) == [1, 2]']],
  ['whole programs', 'a, b = map(int, input().split())\nprint(a + b)', [{ input: '1 2\n', output: '3' }, { input: '5 5', output: '10\n' }]],
];
for (const [name, code, tests] of honest) {
  test(`Python: ${name}`, async () => assert.equal(await valueOf(python, code, tests), 1));
}

const cheats: Record<string, string> = {
  'a wrong answer': 'def add(a, b):\n    return 9',
  'an exit': 'import sys\nsys.exit(0)',
  'an exit without cleaning up': 'import os\nos._exit(0)',
  'an exit in a call': 'import os\ndef add(a, b):\n    os._exit(0)',
  'a printed verdict': 'print(\'{"nonce": "", "verdict": "passed", "reason": ""}\', flush=True)\ndef add(a, b):\n    return 9',
  'an object equal to all': 'class Same:\n    def __eq__(self, other): return True\n    def __sub__(self, other): return 0\ndef add(a, b):\n    return Same()',
  'a class as the function': 'class add:\n    def __init__(self, a, b): pass\n    def __eq__(self, other): return True\n    def __sub__(self, other): return 0\n    def __abs__(self): return 0',
  'a number equal to all': 'class Any(int):\n    def __eq__(self, other): return True\n    __hash__ = int.__hash__\n    def __sub__(self, other): return 0\ndef add(a, b):\n    return Any(9)',
  'changed built-ins': 'import builtins\nbuiltins.abs = lambda x: 0\nbuiltins.AssertionError = None\ndef add(a, b):\n    return 9',
  'a changed json': 'import json\njson.dumps = lambda message: \'{"value": true, "args": [], "made": true}\'\ndef add(a, b):\n    return 9',
  'the end of the checker': 'import os, signal\nos.kill(os.getppid(), signal.SIGKILL)',
  'a syntax error': 'def add(:',
  'deep recursion': 'def add(a, b):\n    return add(a, b) + 1',
};
for (const [name, code] of Object.entries(cheats)) {
  test(`Python that cheats with ${name} earns 0, also in part`, async () => {
    assert.equal(await valueOf({ ...python, partial: true }, code, ['assert add(2, 2) == 4', 'assert abs(add(1, 4) - 5) < 1e-6']), 0);
  });
}

test('Python: a test that forgives errors does not forgive the end of the process', async () => {
  const forgiving = 'try:\n    add(1, 1)\nexcept Exception:\n    pass';
  assert.equal(await valueOf(python, 'def add(a, b):\n    raise ValueError()', [forgiving]), 1);
  assert.equal(await valueOf(python, 'import os\ndef add(a, b):\n    os._exit(0)', [forgiving]), 0);
});

test('Python: an endless loop is a timeout, and memory has its limit where the platform has one', async () => {
  const column = async (code: string, options = impatient): Promise<string[]> => Object.entries((await score(options, code, ['f() == 1', 'f() == 1'])).logged).filter(([, share]) => share > 0).map(([name]) => name);
  assert.deepEqual(await column('while True: pass'), ['code_timeout']);
  assert.deepEqual(await column('def f():\n    while True: pass'), ['code_timeout']);
  if (isLinux) assert.deepEqual(await column('def f():\n    return bytearray(10 ** 10)', python), ['code_out_of_memory']);
});

/** Runs `work` with an own folder for temporary files, and gives what is left in it. */
async function leftIn(work: (folder: string) => Promise<void>): Promise<string[]> {
  const folder = mkdtempSync(join(tmpdir(), 'tsrl-left-'));
  const before = process.env['TMPDIR'];
  process.env['TMPDIR'] = folder;
  try {
    await work(folder);
    return readdirSync(folder);
  } finally {
    if (before === undefined) delete process.env['TMPDIR'];
    else process.env['TMPDIR'] = before;
    rmSync(folder, { recursive: true });
  }
}

test('what a candidate leaves running is gone when it is judged', async () => {
  let left = 0;
  await leftIn(async (folder) => {
    const file = join(folder, 'pid');
    const code = `import os, time\npid = os.fork()\nif pid == 0:\n    time.sleep(120)\nopen(${JSON.stringify(file)}, "w").write(str(pid))`;
    assert.equal(await valueOf(python, code, [{ input: '', output: '' }]), 1);
    left = Number(readFileSync(file, 'utf8'));
  });
  assert.ok(left > 0);
  for (let tries = 0; tries < 50 && runs(left); tries++) await sleep(20);
  assert.ok(!runs(left));
});

/** Whether a process runs. One that was killed may stay in the table until its parent looks. */
function runs(pid: number): boolean {
  const state = spawnSync('ps', ['-o', 'stat=', '-p', String(pid)], { encoding: 'utf8' }).stdout.trim();
  return state !== '' && !state.startsWith('Z');
}

test('the environment is empty but for what is named, and the folder is gone afterwards', async () => {
  const variable = 'TSRL_CODE_TEST_VARIABLE';
  process.env[variable] = 'seen';
  try {
    const left = await leftIn(async () => {
      const code = `import os\nopen("file", "w").write("x")\nprint(os.environ.get("${variable}"), os.environ.get("PATH"))`;
      assert.equal(await valueOf(python, code, [{ input: '', output: 'None None' }]), 1);
      assert.equal(await valueOf({ ...python, environment: [variable] }, code, [{ input: '', output: 'seen None' }]), 1);
    });
    assert.deepEqual(left, []);
  } finally {
    delete process.env[variable];
  }
});

test('when the run ends in the middle, its processes end with it', async () => {
  let left = 0;
  await leftIn(async (folder) => {
    const file = join(folder, 'pid');
    const code = `import { writeFileSync } from 'node:fs'; writeFileSync(${JSON.stringify(file)}, String(process.pid)); setInterval(() => {}, 1000);`;
    const program = `
      import { existsSync } from 'node:fs';
      import { codeTests } from ${JSON.stringify(new URL('./code-tests.ts', import.meta.url).href)};
      const reward = codeTests(${JSON.stringify({ ...node, timeoutMs: 600_000 })});
      const completion = { text: ${JSON.stringify(`\`\`\`\n${code}\n\`\`\``)} };
      void reward({ completion, row: { tests: [{ input: '', output: '' }] }, signal: new AbortController().signal, log() {} });
      setInterval(() => existsSync(${JSON.stringify(file)}) && process.exit(0), 10);`;
    const root = fileURLToPath(new URL('../..', import.meta.url));
    await promisify(execFile)(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', program], { cwd: root, timeout: 120_000 });
    for (let tries = 0; tries < 50 && readFileSync(file, 'utf8') === ''; tries++) await sleep(20);
    left = Number(readFileSync(file, 'utf8'));
  });
  assert.ok(left > 0);
  for (let tries = 0; tries < 50 && runs(left); tries++) await sleep(20);
  assert.ok(!runs(left));
});

test('an interpreter that does not work is an error, not a 0', async () => {
  const { result } = await score({ ...python, command: [process.execPath] }, 'def f():\n    return 1', ['f() == 1']);
  assert.equal(result.kind, 'error');
  assert.match((result as { message: string }).message, /`command` to run Python/);
});

test('a test that is no Python is an error', async () => {
  const { result } = await score(python, 'def f():\n    return 1', ['assert f(']);
  assert.match((result as { message: string }).message, /every test to be Python.*correct the row/);
});

test('a program: input and output; line ends and final white space do not count, all else does', async () => {
  const code = "let text = ''; for await (const part of process.stdin) text += part; console.log(text.toUpperCase() + ' ');";
  assert.equal(await valueOf(node, code, [{ input: 'ab', output: 'AB' }, { input: 'ä\nb', output: 'Ä\nB\n\n' }]), 1);
  assert.equal(await valueOf({ ...node, partial: true }, code, [{ input: 'ab', output: 'ab' }, { input: 'ab', output: ' AB' }, { input: 'ab', output: 'AB' }]), 1 / 3);
});

test('a program that fails, prints without end or never ends earns 0, each under its name', async () => {
  const column = async (code: string, options: CodeTestsOptions = node): Promise<string[]> =>
    Object.entries((await score(options, code, [{ input: '', output: 'yes' }])).logged).filter(([, share]) => share > 0).map(([name]) => name);
  assert.deepEqual(await column('console.log("no")'), ['code_failed']);
  assert.deepEqual(await column('console.log("yes"); process.exitCode = 1;'), ['code_does_not_run']);
  assert.deepEqual(await column('const line = "x".repeat(1e6); function more() { process.stdout.write(line, more); } more();'), ['code_failed']);
  assert.deepEqual(await column('const line = "x".repeat(1e6); function more() { process.stderr.write(line, more); } more();'), ['code_failed']);
  assert.deepEqual(await column('setInterval(() => {}, 1000);', { ...node, timeoutMs: 500 }), ['code_timeout']);
  // The system's own limit of CPU time speaks by this signal.
  assert.deepEqual(await column('process.kill(process.pid, "SIGXCPU"); setInterval(() => {}, 1000);'), ['code_timeout']);
});

test('assertions need a language; an interrupt stops the process', async () => {
  const { result } = await score(node, 'true', ['f() === 1']);
  assert.match((result as { message: string }).message, /`tests\[0\]` to be a pair.*assertions need `language/);
  const controller = new AbortController();
  const scoring = score({ ...node, timeoutMs: 60_000 }, 'setInterval(() => {}, 1000);', [{ input: '', output: '' }], controller.signal);
  setTimeout(() => controller.abort(new Error('interrupted')), 200);
  await assert.rejects(scoring, /interrupted/);
});
