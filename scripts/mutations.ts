/**
 * Builds that are broken on purpose must fail a test: each fault of scripts/mutants/ is put into a copy of the
 * repository, where the tests that it names must fail on an assertion. Before that the same tests must pass as they are.
 * Ends with one plain line of counts.
 *
 * Usage: node --import tsx scripts/mutations.ts [PART OF A NAME]
 */
import { spawn } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { mutants } from './mutants/index.ts';
import type { Mutant } from './mutants/mutant.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
/** Used where they are: they hold no source of ours. */
const linked = ['node_modules', 'build'];
const leftOut = ['.git', 'dist', 'runs', '.cache', ...linked];

/** Copies the sources and links what was installed and built. */
function copyRepository(folder: string): void {
  cpSync(root, folder, { recursive: true, filter: (source) => !leftOut.includes(relative(root, source).split(sep)[0]!) });
  for (const name of linked) symlinkSync(join(root, name), join(folder, name), 'dir');
}

/** How a few test files ended. */
interface TestRun {
  tests: number;
  failed: number;
  /** A test failed because a number or a text was not the expected one. */
  asserted: boolean;
  output: string;
}

/** Runs test files in a copy. One thread: two copies work at a time. */
function runTests(folder: string, { tests, only }: Pick<Mutant, 'tests' | 'only'>): Promise<TestRun> {
  const names = only === undefined ? [] : [`--test-name-pattern=${only}`];
  const child = spawn(process.execPath, ['--import', 'tsx', '--test', '--test-reporter=tap', '--test-timeout=120000', '--test-concurrency=1', ...names, ...tests], {
    cwd: folder,
    env: { ...process.env, OMP_NUM_THREADS: '1', NODE_TEST_CONTEXT: undefined },
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (data: Buffer) => (output += data.toString()));
  return new Promise((resolve) => {
    child.on('close', () => {
      const count = (what: string) => Number(new RegExp(`^# ${what} (\\d+)$`, 'm').exec(output)?.[1] ?? 0);
      resolve({ tests: count('pass') + count('fail'), failed: count('fail'), asserted: output.includes("code: 'ERR_ASSERTION'"), output });
    });
  });
}

/** What is wrong with the tests as they are; null when they pass. */
async function checkUnmutated(folder: string, chosen: readonly Mutant[]): Promise<string | null> {
  const selections = new Map(chosen.flatMap(({ tests, only }) => tests.map((file) => [`${file} ${only ?? ''}`, { tests: [file], ...(only === undefined ? {} : { only }) }])));
  for (const [name, selection] of selections) {
    const { tests, failed, output } = await runTests(folder, selection);
    if (tests === 0 || failed > 0) return `${name}: ${failed} of ${tests} tests fail without a fault\n${output}`;
  }
  return null;
}

/** What is wrong with a fault: it cannot be put in, or no test notices it; null when one does. */
async function checkMutant(folder: string, mutant: Mutant): Promise<string | null> {
  const path = join(folder, mutant.file);
  const source = readFileSync(path, 'utf8');
  const found = source.split(mutant.find).length - 1;
  if (found !== 1) return `Expected \`find\` to stand once in ${mutant.file}, got ${found} times; give the piece as it is now.`;
  // A function, because $ in a replacement text has a meaning.
  writeFileSync(path, source.replace(mutant.find, () => mutant.replace));
  try {
    const { tests, failed, asserted, output } = await runTests(folder, mutant);
    if (failed === 0) return `survives ${tests} tests of ${mutant.tests.join(', ')}; write the test that is missing.`;
    return asserted ? null : `breaks the run before an assertion fails; mend the fault.\n${output}`;
  } finally {
    writeFileSync(path, source);
  }
}

async function main(part: string): Promise<void> {
  const chosen = mutants.filter(({ name }) => name.includes(part));
  const home = mkdtempSync(join(tmpdir(), 'tsrl-mutations-'));
  let [passed, failed] = [0, 0];
  const report = (name: string, problem: string | null, start: number) => {
    if (problem === null) passed += 1;
    else failed += 1;
    process.stdout.write(`${problem === null ? 'ok  ' : 'FAIL'} ${name}  ${((performance.now() - start) / 1000).toFixed(1)} s\n${problem === null ? '' : `     ${problem}\n`}`);
  };
  const waiting = [...chosen];
  const work = async (folder: string) => {
    for (let mutant = waiting.shift(); mutant; mutant = waiting.shift()) {
      const start = performance.now();
      report(mutant.name, await checkMutant(folder, mutant), start);
    }
  };
  try {
    const folders = Array.from({ length: Math.min(2, availableParallelism()) }, (_, i) => join(home, `copy-${i}`));
    folders.forEach(copyRepository);
    const start = performance.now();
    const [first, second] = [chosen.filter((_, i) => i % 2 === 0), chosen.filter((_, i) => i % 2 === 1)];
    const problems = await Promise.all([checkUnmutated(folders[0]!, first), checkUnmutated(folders.at(-1)!, second)]);
    report('the tests pass without a fault', problems.find((problem) => problem !== null) ?? null, start);
    if (failed === 0) await Promise.all(folders.map(work));
  } finally {
    rmSync(home, { recursive: true, force: true });
  }
  process.stdout.write(`${passed} passed, ${failed} failed\n`);
  process.exitCode = failed > 0 || chosen.length === 0 ? 1 : 0;
}

await main(process.argv[2] ?? '');
