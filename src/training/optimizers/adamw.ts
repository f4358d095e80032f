/** AdamW (Loshchilov & Hutter 2019, arXiv 1711.05101) with libtorch's fused kernel, as torch.optim.AdamW steps. */
import { expected } from '../../errors.ts';
import { noGrad } from '../../tensor/autograd.ts';
import { full, fusedAdamW_, narrow, reshape, view, zeros } from '../../tensor/ops.ts';
import { keep, scope } from '../../tensor/scope.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import { inSlices, SLICE_ELEMENTS } from '../slices.ts';
import type { Optimizer } from './optimizer.ts';

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

/** One parameter and what is remembered of its gradients. */
interface State {
  parameter: Tensor;
  /** Same shape, dtype and device as the parameter. */
  firstMoment: Tensor;
  secondMoment: Tensor;
  /** Updates of this parameter; one without a gradient is not updated. */
  steps: number;
  decays: boolean;
}

/** Part of one parameter: elements `start` to `start + length` of its flat view. */
interface Piece {
  state: State;
  start: number;
  length: number;
}

/** The everyday optimizer. Remembers two numbers per parameter element; they are allocated once, here. */
export class AdamW implements Optimizer {
  readonly #states: State[];
  readonly #options: Required<AdamWOptions>;

  /** @param parameters contiguous leaf tensors; their memory is updated in place */
  constructor(parameters: readonly Tensor[], options: AdamWOptions = {}) {
    this.#options = { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0, sliceElements: SLICE_ELEMENTS, ...options };
    assertOptions(this.#options);
    this.#states = parameters.map((parameter) => {
      const { shape, dtype, device } = parameter;
      return { parameter, firstMoment: keep(zeros(shape, dtype, device)), secondMoment: keep(zeros(shape, dtype, device)), steps: 0, decays: shape.length > 1 };
    });
  }

  /** @param learningRate of this step */
  async step(learningRate: number): Promise<void> {
    const { sliceElements } = this.#options;
    const pieces = this.#states.filter(({ parameter }) => scope(() => parameter.grad !== null)).flatMap((state) => {
      state.steps++;
      return piecesOf(state, sliceElements);
    });
    for (const decays of [true, false]) {
      const group = pieces.filter(({ state }) => state.decays === decays);
      await inSlices(group, (slice) => this.#update(slice, learningRate, decays ? this.#options.weightDecay : 0), sliceElements);
    }
  }

  zeroGrad(): void {
    for (const { parameter } of this.#states) parameter.grad = null;
  }

  dispose(): void {
    for (const { firstMoment, secondMoment } of this.#states) {
      firstMoment.dispose();
      secondMoment.dispose();
    }
  }

  get stateBytes(): number {
    return this.#states.reduce((total, { parameter }) => total + 2 * parameter.length * bytesOf[parameter.dtype], 0);
  }

  #update(slice: Piece[], learningRate: number, weightDecay: number): void {
    scope(() =>
      noGrad(() => {
        fusedAdamW_(
          slice.map((piece) => part(piece, view(piece.state.parameter, [-1]))),
          slice.map((piece) => part(piece, reshape(piece.state.parameter.grad!, [-1]))),
          slice.map((piece) => part(piece, view(piece.state.firstMoment, [-1]))),
          slice.map((piece) => part(piece, view(piece.state.secondMoment, [-1]))),
          slice.map(({ state }) => full([], state.steps, 'float32', state.parameter.device)),
          { ...this.#options, learningRate, weightDecay },
        );
      }),
    );
  }
}

const bytesOf = { float64: 8, float32: 4, bfloat16: 2, float16: 2, int64: 8, int32: 4, uint8: 1, bool: 1 } as const;

/** The elements of a piece: [length]. */
function part({ start, length }: Piece, flat: Tensor): Tensor {
  return narrow(flat, 0, start, length);
}

/** A parameter bigger than a slice goes in several steps: every element is updated by itself. */
function piecesOf(state: State, elements: number): Piece[] {
  const total = state.parameter.length;
  return Array.from({ length: Math.ceil(total / elements) }, (_, i) => ({ state, start: i * elements, length: Math.min(elements, total - i * elements) }));
}

function assertOptions({ beta1, beta2, epsilon, weightDecay, sliceElements }: Required<AdamWOptions>): void {
  for (const [name, beta] of Object.entries({ beta1, beta2 })) {
    if (!(beta >= 0 && beta < 1)) throw expected(name, 'to be 0 or more and below 1', beta, 'correct it');
  }
  for (const [name, value] of Object.entries({ epsilon, weightDecay })) {
    if (!(value >= 0 && Number.isFinite(value))) throw expected(name, 'to be a finite number, 0 or more', value, 'correct it');
  }
  if (!(sliceElements >= 1)) throw expected('sliceElements', 'to be 1 or more', sliceElements, 'leave it out');
}
