/** Lion (Chen et al. 2023, arXiv 2302.06675, algorithm 2): steps of one size, in the direction of the sign of a momentum. */
import { add_, lerp, lerp_, mulScalar_, sign_, zerosLike } from '../../tensor/ops.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import { assertDecays, assertNotNegative, assertSlices, gradientOf, part, StatefulOptimizer } from './stateful-optimizer.ts';
import type { Piece } from './stateful-optimizer.ts';

/** Settings of Lion; the defaults are the paper's. */
export interface LionOptions {
  /** Share of the momentum in the direction of a step; default 0.9. */
  beta1?: number;
  /** Share of the momentum that is kept; default 0.99. */
  beta2?: number;
  /** Share of a weight that a step at rate 1 takes away; default 0. Norms and biases (one axis or none) never decay. */
  weightDecay?: number;
  /** Elements updated between two turns of the event loop; a slice needs one temporary of this length. */
  sliceElements?: number;
}

/** Remembers one number per parameter element. Wants a rate 3 to 10 times smaller than AdamW's, and a decay as much larger. */
export class Lion extends StatefulOptimizer<readonly [momentum: Tensor]> {
  readonly #options: Required<LionOptions>;

  /** @param parameters contiguous leaf tensors; their memory is updated in place */
  constructor(parameters: readonly Tensor[], options: LionOptions = {}) {
    const all = { beta1: 0.9, beta2: 0.99, weightDecay: 0, sliceElements: 4_000_000, ...options };
    assertDecays({ beta1: all.beta1, beta2: all.beta2 });
    assertNotNegative({ weightDecay: all.weightDecay });
    assertSlices(all.sliceElements);
    super(parameters, (parameter) => [zerosLike(parameter)]);
    this.#options = all;
  }

  /** @param learningRate of this step */
  async step(learningRate: number): Promise<void> {
    await this.updateElements(this.#options, (slice, weightDecay) => {
      for (const piece of slice) this.#update(piece, learningRate, weightDecay);
    });
  }

  #update(piece: Piece<readonly [momentum: Tensor]>, learningRate: number, weightDecay: number): void {
    const { beta1, beta2 } = this.#options;
    const [parameter, momentum, gradient] = [part(piece, piece.state.parameter), part(piece, piece.state.memory[0]), gradientOf(piece)];
    if (weightDecay > 0) mulScalar_(parameter, 1 - learningRate * weightDecay);
    add_(parameter, sign_(lerp(momentum, gradient, 1 - beta1)), -learningRate);
    lerp_(momentum, gradient, 1 - beta2);
  }
}
