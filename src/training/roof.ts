/** What this machine reaches in float32, measured with our own tensor layer. */
import { native } from '../tensor/binding.ts';
import * as ops from '../tensor/ops.ts';
import { scope } from '../tensor/scope.ts';
import type { Tensor } from '../tensor/tensor.ts';
import type { Roof } from './flops.ts';

/** How much is measured. */
export interface Probe {
  /** Sides of the square products. Which is fastest differs between machines; the peak is the best of all. */
  sides: readonly number[];
  /** Numbers in a block that no cache holds. */
  block: number;
  repetitions: number;
}

/** Half a second on two cores, for an estimate. */
export const shortProbe: Probe = { sides: [1024, 1536], block: 1 << 24, repetitions: 3 };

/** The peak of matrix products and of memory with this many threads, which stay set. */
export function measureRoof(threads: number, { sides, block, repetitions }: Probe): Roof {
  native().setThreads(threads);
  return { gemmGflops: gemmGflops(sides, repetitions), memoryGbs: memoryGbs(block, repetitions) };
}

/** Fewest seconds of some repetitions, after one that warms up. */
function fastest(repetitions: number, work: () => Tensor): number {
  scope(work);
  return Math.min(
    ...Array.from({ length: repetitions }, () => {
      const began = performance.now();
      scope(() => void work());
      return (performance.now() - began) / 1000;
    }),
  );
}

/** Through MKL, and through oneDNN with a packed weight where there is one. */
function gemmGflops(sides: readonly number[], repetitions: number): number {
  const rates = sides.map((side) =>
    scope(() => {
      const a = ops.full([side, side], 0.5);
      const packed = ops.packLinearWeight(a, side);
      const seconds = Math.min(
        fastest(repetitions, () => ops.linear(a, a)),
        fastest(repetitions, () => ops.packedLinear(a, packed, null)),
      );
      return (2 * side ** 3) / seconds / 1e9;
    }),
  );
  return Math.max(...rates);
}

/** Reading one block, or reading one and writing another, whichever moves more. */
function memoryGbs(block: number, repetitions: number): number {
  return scope(() => {
    const [a, b] = [ops.full([block], 1), ops.zeros([block])];
    const read = (4 * block) / fastest(repetitions, () => ops.sum(a));
    const copy = (8 * block) / fastest(repetitions, () => ops.copy_(b, a));
    return Math.max(read, copy) / 1e9;
  });
}
