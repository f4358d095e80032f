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

/** Multiplications of a matrix product that takes long beside the call of an op, and beside waking another thread. */
const enoughWork = 2 ** 26;

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
  const rounds = (count: number, rows: number): Timing =>
    steady(Array.from({ length: count }, () => ({ float32: milliseconds({ ...sizes, rows }, 'float32'), bfloat16: milliseconds({ ...sizes, rows }, 'bfloat16') })));
  // Without units for it bfloat16 is a hundred times slower: a few rows show that.
  const few = 8;
  const many = Math.max(128, Math.ceil(enoughWork / (sizes.hidden * sizes.intermediate)));
  const first = rounds(3, few);
  return first.bfloat16 > 4 * first.float32 ? first : rounds(9, many);
}

/**
 * Of rounds that alternate, float32's least time and bfloat16's median: on a busy machine other programs lengthen some of
 * either, and a run that is repeated must not find bfloat16 the faster by such an accident.
 */
export function steady(rounds: readonly Timing[]): Timing {
  const bfloat16 = rounds.map((round) => round.bfloat16).sort((a, b) => a - b);
  return { float32: Math.min(...rounds.map(({ float32 }) => float32)), bfloat16: bfloat16[rounds.length >> 1]! };
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
