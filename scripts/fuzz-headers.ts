/**
 * Damages small safetensors and GGUF files, and opens each: it must open, or be refused with a FileFormatError, in little
 * time and memory. Prints the figures; exit status 1 when anything else happened.
 *
 * Usage: node --import tsx scripts/fuzz-headers.ts [--mutations 100000] [--seed 0]      (mutations of each format)
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { FORMATS, fuzzWeightFiles } from '../test/fuzz/weight-files.ts';

const { values } = parseArgs({ options: { mutations: { type: 'string', default: '100000' }, seed: { type: 'string', default: '0' } } });
const folder = mkdtempSync(join(tmpdir(), 'tsrl-fuzz-'));
const startPeak = process.resourceUsage().maxRSS;
try {
  for (const format of FORMATS) {
    const start = performance.now();
    const { opened, refused, missing, sentences, faults, slowest, mostAllocated } = await fuzzWeightFiles(format, Number(values.mutations), join(folder, format), Number(values.seed));
    const seconds = ((performance.now() - start) / 1000).toFixed(1);
    console.log(
      `${format}: ${opened} opened, ${refused} refused in ${sentences} sentences, ${missing} without a shard, ${faults.length} faults; ` +
        `${seconds} s, slowest ${slowest.toFixed(1)} ms, most memory ${(mostAllocated / 1e6).toFixed(2)} MB`,
    );
    for (const { seed, what } of faults.slice(0, 20)) console.log(`  --seed ${seed} --mutations 1: ${what}`);
    if (faults.length > 0) process.exitCode = 1;
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
console.log(`peak memory of the process: ${(process.resourceUsage().maxRSS / 1e3).toFixed(0)} MB, ${(startPeak / 1e3).toFixed(0)} MB of it before the first file`);
