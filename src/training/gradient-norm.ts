/** The size of a gradient, and its limit. */
import { expected } from '../errors.ts';
import { noGrad } from '../tensor/autograd.ts';
import { mulScalar_, normIn, stack } from '../tensor/ops.ts';
import { scope } from '../tensor/scope.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { inSlices } from './slices.ts';

/** Keeps a zero gradient from being divided by; the value of torch.nn.utils.clip_grad_norm_. */
const EPSILON = 1e-6;

/**
 * Scales all gradients by one factor so that their common Euclidean norm is at most `maxNorm`. Parameters without a
 * gradient are passed over. A norm that is not finite is reported and nothing is scaled: the caller decides.
 *
 * @param maxNorm null = no limit
 * @param scale times what they stand for the gradients are; it is taken out, of the norm too
 * @returns the norm before clipping
 */
export async function clipGradNorm(parameters: readonly Tensor[], maxNorm: number | null, scale = 1): Promise<number> {
  if (maxNorm !== null && !(maxNorm > 0)) throw expected('maxGradNorm', 'to be above 0, or null for no clipping', maxNorm, 'correct it');
  let squares = 0;
  await inSlices(parameters, (slice) => {
    squares += scope(() => sumOfSquares(slice.flatMap(({ grad }) => grad ?? [])));
  });
  const norm = Math.sqrt(squares) / scale;
  if (!Number.isFinite(norm)) return norm;
  const factor = (maxNorm === null ? 1 : Math.min(1, maxNorm / (norm + EPSILON))) / scale;
  if (factor === 1) return norm;
  await inSlices(parameters, (slice) => {
    scope(() => noGrad(() => slice.forEach(({ grad }) => grad && mulScalar_(grad, factor))));
  });
  return norm;
}

/** Of all elements of all tensors. Half precision is accumulated in float32. */
function sumOfSquares(gradients: readonly Tensor[]): number {
  if (gradients.length === 0) return 0;
  const norms = gradients.map((gradient) => normIn(gradient, gradient.dtype === 'float64' ? 'float64' : 'float32'));
  return [...stack(norms, 0).toArray()].reduce<number>((total, norm) => total + Number(norm) ** 2, 0);
}
