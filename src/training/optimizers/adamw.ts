/** AdamW (Loshchilov & Hutter 2019, arXiv 1711.05101) with libtorch's fused kernel, as torch.optim.AdamW steps. */
import { full, fusedAdamW_, zerosLike } from '../../tensor/ops.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import { SLICE_ELEMENTS } from '../slices.ts';
import { assertDecays, assertNotNegative, assertSlices, gradientOf, part, StatefulOptimizer } from './stateful-optimizer.ts';
import type { Piece } from './stateful-optimizer.ts';

/** Settings of AdamW; the defaults are those of a run. */
export interface AdamWOptions {
  /** Decay of the mean gradient; default 0.9. */
  beta1?: number;
  /** Decay of the mean squared gradient; default 0.999. */
  beta2?: number;
  /** Default 1e-8. */
  epsilon?: number;
  /** Share of a weight that a step at rate 1 takes away; default 0. Norms and biases (one axis or none) never decay. */
  weightDecay?: number;
  /** Elements updated between two turns of the event loop. */
  sliceElements?: number;
}

/** Of one parameter, in its shape and dtype. */
type Moments = readonly [firstMoment: Tensor, secondMoment: Tensor];

/** The everyday optimizer. Remembers two numbers per parameter element; they are allocated once, here. */
export class AdamW extends StatefulOptimizer<Moments> {
  readonly #options: Required<AdamWOptions>;

  /** @param parameters contiguous leaf tensors; their memory is updated in place */
  constructor(parameters: readonly Tensor[], options: AdamWOptions = {}) {
    const all = resolveAdamW(options, SLICE_ELEMENTS);
    super(parameters, (parameter) => [zerosLike(parameter), zerosLike(parameter)]);
    this.#options = all;
  }

  /** @param learningRate of this step */
  async step(learningRate: number): Promise<void> {
    await this.updateElements(this.#options, (slice, weightDecay) => this.#update(slice, learningRate, weightDecay));
  }

  #update(slice: Piece<Moments>[], learningRate: number, weightDecay: number): void {
    fusedAdamW_(
      slice.map((piece) => part(piece, piece.state.parameter)),
      slice.map((piece) => gradientOf(piece)),
      slice.map((piece) => part(piece, piece.state.memory[0])),
      slice.map((piece) => part(piece, piece.state.memory[1])),
      slice.map(({ state }) => stepsOf(state)),
      { ...this.#options, learningRate, weightDecay },
    );
  }
}

/** @internal The count of updates as the fused kernel takes it: [] */
export function stepsOf(state: { parameter: Tensor; steps: number }): Tensor {
  return full([], state.steps, 'float32', state.parameter.device);
}

/** @internal Every setting with its value, checked. */
export function resolveAdamW(options: AdamWOptions, sliceElements: number): Required<AdamWOptions> {
  const all = { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0, sliceElements, ...options };
  assertDecays({ beta1: all.beta1, beta2: all.beta2 });
  assertNotNegative({ epsilon: all.epsilon, weightDecay: all.weightDecay });
  assertSlices(all.sliceElements);
  return all;
}
