#!/usr/bin/env node
/**
 * The checks of the repository: types, lint, docs, then every test; with `--real` the tests of the real model alone.
 * Prints what failed and ends with one plain line of counts, in which each of the checks before the tests is one.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));

/** Name → program in node_modules and its arguments. */
const checks = {
  types: ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.json'],
  lint: ['node_modules/oxlint/bin/oxlint', '--deny-warnings'],
  'code in documents': ['--import', 'tsx', 'scripts/docs-code.ts'],
  'docs/options.md': ['--import', 'tsx', 'scripts/options-docs.ts', '--check'],
  'README.md (bench)': ['--import', 'tsx', 'scripts/bench-docs.ts', '--check'],
};

/** Runs a check; says nothing while it passes. */
function check(name, args) {
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { cwd: root, encoding: 'utf8' });
  const passed = status === 0;
  console.log(`${passed ? 'ok  ' : 'FAIL'} ${name}`);
  if (!passed) console.log(`${stdout}${stderr}`.trim());
  return { passed: passed ? 1 : 0, failed: passed ? 0 : 1, skipped: 0 };
}

function testFiles(folder) {
  return readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.test.ts'))
    .map((entry) => relative(root, join(entry.parentPath, entry.name)))
    .sort();
}

/** Runs test files, and counts by the events of the runner. */
function runTests(files, { concurrency, timeoutMs }) {
  const folder = mkdtempSync(join(tmpdir(), 'tsrl-test-'));
  const countsFile = join(folder, 'counts.json');
  const reporter = './scripts/test-reporter.js';
  const { status } = spawnSync(
    process.execPath,
    ['--import', 'tsx', '--test', `--test-concurrency=${concurrency}`, `--test-timeout=${timeoutMs}`, `--test-reporter=${reporter}`, '--test-reporter-destination=stdout', ...files],
    { cwd: root, stdio: 'inherit', env: { ...process.env, TSRL_TEST_COUNTS: countsFile } },
  );
  try {
    const counts = JSON.parse(readFileSync(countsFile, 'utf8'));
    // A runner that fails without a failed test died on its own.
    return status !== 0 && counts.failed === 0 ? { ...counts, failed: 1 } : counts;
  } catch {
    console.log('FAIL the test runner ended without a count');
    return { passed: 0, failed: 1, skipped: 0 };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const realTests = join('test', 'real') + sep;
const minute = 60_000;
const results = process.argv.includes('--real')
  ? [runTests(testFiles('test').filter((file) => file.startsWith(realTests)), { concurrency: 1, timeoutMs: 10 * minute })]
  : [
      ...Object.entries(checks).map(([name, args]) => check(name, args)),
      // Three side by side on two cores: some files mostly wait for deadlines.
      runTests([...testFiles('src'), ...testFiles('bench'), ...testFiles('test').filter((file) => !file.startsWith(realTests))], { concurrency: 3, timeoutMs: 2 * minute }),
    ];

const sum = (name) => results.reduce((total, result) => total + result[name], 0);
const skipped = sum('skipped');
console.log(`${sum('passed')} passed, ${sum('failed')} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`);
process.exitCode = sum('failed') > 0 ? 1 : 0;
