/** What this machine reaches in float32, measured with our own tensor layer: `{ [threads]: Roof }` for the threads in the argument. */
import type { Roof } from '../../src/training/flops.ts';
import { native } from '../../src/tensor/binding.ts';
import * as ops from '../../src/tensor/ops.ts';
import { scope } from '../../src/tensor/scope.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';

const counts = JSON.parse(process.argv[2]!) as number[];
/** Sides of the square products. Which is fastest differs between machines; the peak is the best of all. */
const sides = [1024, 1536, 2048];
/** Numbers in a block that no cache holds: 256 MB. */
const big = 1 << 26;

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
function gemmGflops(): number {
  const rates = sides.map((side) =>
    scope(() => {
      const a = ops.full([side, side], 0.5);
      const packed = ops.packLinearWeight(a, side);
      const seconds = Math.min(
        fastest(5, () => ops.linear(a, a)),
        fastest(5, () => ops.packedLinear(a, packed, null)),
      );
      return (2 * side ** 3) / seconds / 1e9;
    }),
  );
  return Math.max(...rates);
}

/** Reading one block, or reading one and writing another, whichever moves more. */
function memoryGbs(): number {
  return scope(() => {
    const [a, b] = [ops.full([big], 1), ops.zeros([big])];
    const read = (4 * big) / fastest(5, () => ops.sum(a));
    const copy = (8 * big) / fastest(5, () => ops.copy_(b, a));
    return Math.max(read, copy) / 1e9;
  });
}

const roofs: Record<number, Roof> = {};
for (const count of counts) {
  native().setThreads(count);
  roofs[count] = { gemmGflops: gemmGflops(), memoryGbs: memoryGbs() };
}
process.stdout.write(`${JSON.stringify(roofs)}\n`);
