/** Which dtype a training run computes in on `'auto'`: measured, because what a processor has units for does not say how fast libtorch uses them. */
import { noGrad } from '../tensor/autograd.ts';
import * as ops from '../tensor/ops.ts';
import { scope } from '../tensor/scope.ts';
import type { DType } from '../tensor/tensor.ts';
import type { DecoderConfig } from './decoder-config.ts';
import { gatedUnit, rmsNorm } from './layers.ts';
import type { DTypeChoice } from './load.ts';

/** How many times as fast bfloat16 must be: it holds 8 bits where float32 holds 24. */
export const WORTHWHILE = 3;

/** Largest sizes that are measured: a larger layer would only take longer. */
const [mostHidden, mostIntermediate] = [1024, 4096];

/** Milliseconds of the same work in both dtypes. */
export interface Timing {
  float32: number;
  bfloat16: number;
}

/** What a run trains in on `'auto'`, and why. */
export function fastDType(timing: Timing): DTypeChoice {
  const ratio = timing.float32 / timing.bfloat16;
  const measured = `the feed-forward part of a layer takes ${timing.float32.toPrecision(2)} ms in float32 and ${timing.bfloat16.toPrecision(2)} ms in bfloat16`;
  const dtype = ratio >= WORTHWHILE ? 'bfloat16' : 'float32';
  const rule = dtype === 'bfloat16' ? `at least ${WORTHWHILE} times as fast` : `its 8 bits would have to be ${WORTHWHILE} times as fast`;
  return { dtype, reason: `${measured}: ${rule}` };
}

/** Times the feed-forward part of a layer of these sizes, in well under a second also where bfloat16 is slow. */
export function timeDTypes({ hiddenSize, intermediateSize }: Pick<DecoderConfig, 'hiddenSize' | 'intermediateSize'>): Timing {
  const sizes = { hidden: Math.min(hiddenSize, mostHidden), intermediate: Math.min(intermediateSize, mostIntermediate) };
  const time = (rows: number, dtype: DType) => milliseconds({ ...sizes, rows }, dtype);
  // Without units for it bfloat16 is a hundred times slower: a few rows show that.
  const [few, many] = [8, 128];
  const first = best(() => ({ float32: time(few, 'float32'), bfloat16: time(few, 'bfloat16') }), 2);
  return first.bfloat16 > 4 * first.float32 ? first : best(() => ({ float32: time(many, 'float32'), bfloat16: time(many, 'bfloat16') }), 5);
}

/** The least of several alternating measurements: what is in the way of one is not in the way of all. */
function best(measure: () => Timing, times: number): Timing {
  const found = Array.from({ length: times }, measure);
  return { float32: Math.min(...found.map(({ float32 }) => float32)), bfloat16: Math.min(...found.map(({ bfloat16 }) => bfloat16)) };
}

function milliseconds({ rows, hidden, intermediate }: { rows: number; hidden: number; intermediate: number }, dtype: DType): number {
  return scope(() =>
    noGrad(() => {
      const filled = (...shape: number[]) => ops.full(shape, 0.01, dtype);
      const [x, norm, gate, up, down] = [filled(rows, hidden), filled(hidden), filled(intermediate, hidden), filled(intermediate, hidden), filled(hidden, intermediate)];
      const started = performance.now();
      const normed = rmsNorm(x, norm, 1e-5);
      ops.linear(gatedUnit(ops.linear(normed, gate), ops.linear(normed, up), 'silu'), down);
      return performance.now() - started;
    }),
  );
}
