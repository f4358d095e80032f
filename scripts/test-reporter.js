/**
 * A reporter for node's test runner: one line per file, failures with their cause, and the counts as JSON in the file
 * that `TSRL_TEST_COUNTS` names. A test that holds tests is not counted beside them.
 */
import { writeFileSync } from 'node:fs';
import { relative } from 'node:path';
import { inspect } from 'node:util';

const place = ({ file }) => (file ? relative(process.cwd(), file) : '');

/** The innermost cause: the runner wraps what a test threw. */
function causeOf({ details }) {
  const error = details?.error?.cause ?? details?.error;
  const text = error instanceof Error ? (error.stack ?? error.message) : typeof error === 'string' ? error : inspect(error); // anything may be thrown
  return text.split('\n').map((line) => `     ${line}`).join('\n');
}

export default async function* report(source) {
  const counts = { passed: 0, failed: 0, skipped: 0 };
  const files = new Map();
  for await (const { type, data } of source) {
    if (type === 'test:stderr' || type === 'test:stdout') {
      if (data.message.trim() !== '') yield `  ${data.message.trimEnd()}\n`;
    }
    if (type !== 'test:pass' && type !== 'test:fail') continue;
    const tally = files.get(data.file) ?? { passed: 0, failed: 0, skipped: 0, ms: 0 };
    files.set(data.file, tally);
    if (data.nesting === 0) tally.ms += data.details?.duration_ms ?? 0;
    // Suites, and a file whose tests failed, fail because of what they hold.
    const holder = data.details?.type === 'suite' || data.details?.error?.failureType === 'subtestsFailed';
    if (holder) continue;
    const kind = data.skip !== undefined ? 'skipped' : type === 'test:pass' ? 'passed' : 'failed';
    tally[kind] += 1;
    counts[kind] += 1;
    if (kind === 'failed') yield `FAIL ${data.name} (${place(data)})\n${causeOf(data)}\n`;
  }
  for (const [file, { passed, failed, skipped, ms }] of files) {
    yield `${failed > 0 ? 'FAIL' : 'ok  '} ${place({ file })}  ${passed + failed + skipped} tests, ${(ms / 1000).toFixed(1)} s\n`;
  }
  writeFileSync(process.env.TSRL_TEST_COUNTS, JSON.stringify(counts));
}
