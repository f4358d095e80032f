/** Stochastic gradient descent with momentum, as torch.optim.SGD steps (dampening 0, not Nesterov's), with its fused kernel. */
import { fusedSgd_, zerosLike } from '../../tensor/ops.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import { SLICE_ELEMENTS } from '../slices.ts';
import { assertDecays, assertNotNegative, assertSlices, gradientOf, part, StatefulOptimizer } from './stateful-optimizer.ts';
import type { Piece } from './stateful-optimizer.ts';

/** Settings of SGD; the defaults are those of a run. */
export interface SgdOptions {
  /** Share of the last direction that is kept; default 0.9. With 0 nothing is remembered. */
  momentum?: number;
  /** Times the weight is added to its gradient; default 0. Norms and biases (one axis or none) never decay. */
  weightDecay?: number;
  /** Elements updated between two turns of the event loop. */
  sliceElements?: number;
}

/** buf ← momentum·buf + g; p ← p − rate·buf. Remembers one number per parameter element. */
export class Sgd extends StatefulOptimizer<readonly Tensor[]> {
  readonly #options: Required<SgdOptions>;

  /** @param parameters contiguous leaf tensors; their memory is updated in place */
  constructor(parameters: readonly Tensor[], options: SgdOptions = {}) {
    const all = { momentum: 0.9, weightDecay: 0, sliceElements: SLICE_ELEMENTS, ...options };
    assertDecays({ momentum: all.momentum });
    assertNotNegative({ weightDecay: all.weightDecay });
    assertSlices(all.sliceElements);
    super(parameters, (parameter) => (all.momentum === 0 ? [] : [zerosLike(parameter)]));
    this.#options = all;
  }

  /** @param learningRate of this step */
  async step(learningRate: number): Promise<void> {
    await this.updateElements(this.#options, (slice, weightDecay) => this.#update(slice, learningRate, weightDecay));
  }

  #update(slice: Piece<readonly Tensor[]>[], learningRate: number, weightDecay: number): void {
    fusedSgd_(
      slice.map((piece) => part(piece, piece.state.parameter)),
      slice.map((piece) => gradientOf(piece)),
      slice.flatMap((piece) => piece.state.memory.map((buffer) => part(piece, buffer))),
      { learningRate, momentum: this.#options.momentum, weightDecay },
    );
  }
}
