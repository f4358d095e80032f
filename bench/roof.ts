/** The machine's roof, measured in a process of its own. */
import type { Roof } from '../src/training/flops.ts';
import { runOurs } from './run-program.ts';

/** The roof at some numbers of threads. */
export async function measureRoof(threads: readonly number[], say: (line: string) => void): Promise<Record<number, Roof>> {
  const { result } = await runOurs<Record<number, Roof>>(new URL('programs/roof.ts', import.meta.url), [...new Set(threads)]);
  for (const [count, { gemmGflops, memoryGbs }] of Object.entries(result)) {
    say(`roof with ${count} ${count === '1' ? 'thread' : 'threads'}: ${gemmGflops.toFixed(0)} GFLOP/s in float32 products, ${memoryGbs.toFixed(1)} GB/s of memory`);
  }
  return result;
}
