/**
 * Compares what we read in Parquet files with what Python reads: random nested columns, values, compressions and page sizes.
 * Prints the files that differ, and a count.
 *
 * Usage: node --import tsx scripts/fuzz-parquet.ts [--count 200] [--seed 1] [--python python3]
 *        (Python needs the package `pyarrow`)
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { isDeepStrictEqual, parseArgs } from 'node:util';
import { loadDataset } from '../src/data/source.ts';

const { values } = parseArgs({ options: { count: { type: 'string', default: '200' }, seed: { type: 'string', default: '1' }, python: { type: 'string', default: 'python3' } } });
const folder = mkdtempSync(join(tmpdir(), 'tsrl-parquet-'));
try {
  const program = fileURLToPath(new URL('fuzz_parquet.py', import.meta.url));
  const { status } = spawnSync(values.python, [program, folder, values.count, values.seed], { stdio: 'inherit' });
  if (status !== 0) throw new Error(`${values.python} ended with ${status}`);
  let [rows, different] = [0, 0];
  for (let number = 0; number < Number(values.count); number++) {
    const wanted = JSON.parse(readFileSync(join(folder, `${number}.json`), 'utf8')) as object[];
    rows += wanted.length;
    const fault = await faultOf(join(folder, `${number}.parquet`), wanted);
    if (fault === null) continue;
    different += 1;
    console.log(`seed ${values.seed}, file ${number}: ${fault}`);
  }
  console.log(`${values.count} files with ${rows} rows, ${different} read differently`);
  process.exitCode = different === 0 ? 0 : 1;
} finally {
  rmSync(folder, { recursive: true });
}

/** How our rows differ; null when they do not. */
async function faultOf(path: string, wanted: readonly object[]): Promise<string | null> {
  try {
    const dataset = await loadDataset({ path, streaming: true });
    if (dataset.kind !== 'stream') throw new Error('not streamed');
    const got: object[] = [];
    for await (const row of dataset.open()) got.push(row);
    const at = wanted.findIndex((row, i) => !isDeepStrictEqual(got[i], row));
    if (at !== -1) return `row ${at} is ${JSON.stringify(got[at])}, in Python ${JSON.stringify(wanted[at])}`;
    return got.length === wanted.length ? null : `${got.length} rows, in Python ${wanted.length}`;
  } catch (error) {
    return (error as Error).message;
  }
}
