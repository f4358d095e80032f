/**
 * Muon (Jordan 2024, https://kellerjordan.github.io/posts/muon/) for the matrices between embedding and head, as
 * torch.optim.Muon steps with `adjust_lr_fn="match_rms_adamw"` (Liu et al. 2025, arXiv 2502.16982): its steps are then as
 * large as AdamW's, so that one learning rate serves both. torch iterates in bfloat16; here in the dtype of the weights.
 */
import { add_, addmm, clamp, div, lerp, lerp_, matmul, mulScalar_, norm, transpose, zerosLike } from '../../tensor/ops.ts';
import { expected } from '../../errors.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import { assertDecays, assertNotNegative, inPlace, StatefulOptimizer } from './stateful-optimizer.ts';
import type { State } from './stateful-optimizer.ts';

/** Settings of Muon. */
export interface MuonOptions {
  /** Share of the mean gradient that is kept; default 0.95. */
  momentum?: number;
  /** Share of a weight that a step at rate 1 takes away; default 0. */
  weightDecay?: number;
}

/** Coefficients of x ← a·x + b·x³ + c·x⁵, which drives singular values in (0, 1] to about 1. */
const [A, B, C] = [3.4445, -4.775, 2.0315];
/** Times it is applied. */
const ITERATIONS = 5;
/** Smallest norm that a direction is divided by. */
const EPSILON = 1e-7;
/** Root mean square of AdamW's usual step at rate 1. */
const ADAMW_STEP = 0.2;

type Memory = readonly [momentum: Tensor];

/** Steps along the nearest orthogonal matrix of the momentum (Nesterov's). Remembers one number per parameter element. */
export class Muon extends StatefulOptimizer<Memory> {
  readonly #options: Required<MuonOptions>;

  /** @param matrices contiguous leaf tensors of two axes; their memory is updated in place */
  constructor(matrices: readonly Tensor[], options: MuonOptions = {}) {
    const all = { momentum: 0.95, weightDecay: 0, ...options };
    assertDecays({ momentum: all.momentum });
    assertNotNegative({ weightDecay: all.weightDecay });
    const other = matrices.find(({ shape }) => shape.length !== 2);
    if (other) throw expected('matrices', 'to have two axes each', other.shape, 'give the others to another optimizer');
    super(matrices, (matrix) => [zerosLike(matrix)]);
    this.#options = all;
  }

  /** @param learningRate of this step; a matrix steps as a whole, and the event loop turns after each */
  async step(learningRate: number): Promise<void> {
    const work = this.beginUpdate().map((state) => ({ state, length: state.parameter.length }));
    await inPlace(work, (some) => some.forEach(({ state }) => this.#update(state, learningRate)), 1);
  }

  #update({ parameter, memory: [mean] }: State<Memory>, learningRate: number): void {
    const { momentum, weightDecay } = this.#options;
    const gradient = parameter.grad!;
    lerp_(mean, gradient, 1 - momentum);
    const direction = orthogonalised(lerp(gradient, mean, momentum));
    if (weightDecay > 0) mulScalar_(parameter, 1 - learningRate * weightDecay);
    add_(parameter, direction, -learningRate * ADAMW_STEP * Math.sqrt(Math.max(...parameter.shape)));
  }
}

/** U·Vᵀ of a matrix U·S·Vᵀ, roughly: its singular values end between 0.68 and 1.13. By Newton and Schulz's iteration. */
export function orthogonalised(matrix: Tensor): Tensor {
  const [rows, columns] = matrix.shape as [number, number];
  // On the side where its square is smaller.
  let x = rows > columns ? transpose(matrix, 0, 1) : matrix;
  x = div(x, clamp(norm(x), EPSILON, null));
  for (let i = 0; i < ITERATIONS; i++) {
    const square = matmul(x, transpose(x, 0, 1));
    x = addmm(x, addmm(square, square, square, B, C), x, A, 1);
  }
  return rows > columns ? transpose(x, 0, 1) : x;
}
