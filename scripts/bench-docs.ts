/**
 * Writes the newest complete record of the bench into the README: `npx tsx scripts/bench-docs.ts`. With `--check` it
 * writes nothing and fails when the two differ.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { newestComplete, resultText } from '../bench/results.ts';
import type { BenchResult } from '../bench/results.ts';
import { TsrlError } from '../src/errors.ts';

/** The file this script writes a part of. */
const readme = new URL('../README.md', import.meta.url);
const [begin, end] = ['<!-- bench: written by scripts/bench-docs.ts -->', '<!-- /bench -->'];

/**
 * A README with the record between its two marks.
 *
 * @param record null while there is none
 * @throws TsrlError without the marks
 */
export function withBenchTable(text: string, record: BenchResult | null): string {
  const [start, stop] = [text.indexOf(begin), text.indexOf(end)];
  if (start < 0 || stop < start) throw new TsrlError(`Expected README.md to hold "${begin}" and behind it "${end}", got a text without; put them back.`);
  const body = record ? resultText(record) : '`npm run bench` measures whole steps, sampling and training beside TRL on your machine.';
  return `${text.slice(0, start)}${begin}\n\n${body}\n\n${text.slice(stop)}`;
}

/** Brings the README up to date. */
export function writeBenchTable(): void {
  writeFileSync(readme, withBenchTable(readFileSync(readme, 'utf8'), newestComplete()));
}

function check(): void {
  const text = readFileSync(readme, 'utf8');
  if (text === withBenchTable(text, newestComplete())) return;
  process.stderr.write('Expected the table of README.md to match the newest complete record in bench/results/, got another; run `npx tsx scripts/bench-docs.ts`.\n');
  process.exitCode = 1;
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  if (process.argv.includes('--check')) check();
  else writeBenchTable();
}
