/** Estimators of the KL from the policy to the reference, per token (Schulman 2020, "Approximating KL divergence"). */
import { addScalar, exp, mulScalar, neg, square, sub } from '../../tensor/ops.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import type { KlEstimator } from './options.ts';

/** Each takes x = ℓref − ℓθ of any shape. */
export const klEstimators: Record<KlEstimator, (x: Tensor) => Tensor> = {
  /** −x: unbiased, may be negative. */
  k1: (x) => neg(x),
  /** ½x²: low variance, biased. */
  k2: (x) => mulScalar(square(x), 0.5),
  /** eˣ − x − 1: unbiased and never negative. */
  k3: (x) => addScalar(sub(exp(x), x), -1),
};
