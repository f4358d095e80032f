/** What the optimizers share: what each remembers of a parameter, allocated once, and the walk over all elements. */
import { expected } from '../../errors.ts';
import { noGrad } from '../../tensor/autograd.ts';
import { narrow, reshape, view } from '../../tensor/ops.ts';
import { keep, scope } from '../../tensor/scope.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import { inSlices } from '../slices.ts';
import type { Optimizer } from './optimizer.ts';

/** One parameter and what is remembered of its gradients. */
export interface State<M extends readonly Tensor[]> {
  parameter: Tensor;
  /** Freed with the optimizer. */
  memory: M;
  /** Updates of this parameter; one without a gradient is not updated. */
  steps: number;
  /** Weight decay is for matrices; norms and biases (one axis or none) never decay. */
  decays: boolean;
}

/** Part of one parameter: elements `start` to `start + length` of its flat view. */
export interface Piece<M extends readonly Tensor[]> {
  state: State<M>;
  start: number;
  length: number;
}

/** How the elements of all parameters are gone through. */
export interface Walk {
  /** Passed on for the parameters that decay; 0 for the others. */
  weightDecay: number;
  /** Elements updated between two turns of the event loop. */
  sliceElements: number;
}

/** An optimizer with the same kind of memory, `M`, of every parameter. */
export abstract class StatefulOptimizer<M extends readonly Tensor[]> implements Optimizer {
  protected readonly states: readonly State<M>[];

  /**
   * @param parameters contiguous leaf tensors; their memory is updated in place
   * @param remember makes the memory of one of them
   */
  constructor(parameters: readonly Tensor[], remember: (parameter: Tensor) => M) {
    this.states = parameters.map((parameter) => ({ parameter, memory: keep(scope(() => remember(parameter))), steps: 0, decays: parameter.shape.length > 1 }));
  }

  abstract step(learningRate: number): Promise<void>;

  zeroGrad(): void {
    for (const { parameter } of this.states) parameter.grad = null;
  }

  dispose(): void {
    for (const tensor of this.states.flatMap(({ memory }) => memory)) tensor.dispose();
  }

  get stateBytes(): number {
    return this.states.flatMap(({ memory }) => memory).reduce((total, { length, dtype }) => total + length * bytesOf[dtype], 0);
  }

  /** The parameters of this update: those with a gradient. Counts it in `steps`. */
  protected beginUpdate(): State<M>[] {
    const updated = this.states.filter(({ parameter }) => scope(() => parameter.grad !== null));
    for (const state of updated) state.steps += 1;
    return updated;
  }

  /** Begins an update and does `work`, in which every element stands for itself, on all its elements, slice by slice. */
  protected async updateElements({ weightDecay, sliceElements }: Walk, work: (slice: Piece<M>[], weightDecay: number) => void): Promise<void> {
    const pieces = this.beginUpdate().flatMap((state) => piecesOf(state, sliceElements));
    for (const decays of [true, false]) {
      const group = pieces.filter(({ state }) => state.decays === decays);
      await inPlace(group, (slice) => work(slice, decays ? weightDecay : 0), sliceElements);
    }
  }
}

const bytesOf = { float64: 8, float32: 4, bfloat16: 2, float16: 2, int64: 8, int32: 4, uint8: 1, bool: 1 } as const;

/** Changes tensors in place, slice by slice; what `work` makes is freed. */
export async function inPlace<T extends { length: number }>(parts: readonly T[], work: (slice: T[]) => void, sliceElements: number): Promise<void> {
  await inSlices(parts, (slice) => scope(() => noGrad(() => work(slice))), sliceElements);
}

/** The elements of a piece in a tensor as long as its parameter: [length]. */
export function part<M extends readonly Tensor[]>({ start, length }: Piece<M>, whole: Tensor): Tensor {
  return narrow(view(whole, [-1]), 0, start, length);
}

/** The gradient of a piece: [length]. */
export function gradientOf<M extends readonly Tensor[]>({ state, start, length }: Piece<M>): Tensor {
  return narrow(reshape(state.parameter.grad!, [-1]), 0, start, length);
}

/** A parameter bigger than a slice goes in several steps: every element is updated by itself. */
function piecesOf<M extends readonly Tensor[]>(state: State<M>, elements: number): Piece<M>[] {
  const total = state.parameter.length;
  return Array.from({ length: Math.ceil(total / elements) }, (_, i) => ({ state, start: i * elements, length: Math.min(elements, total - i * elements) }));
}

/** Checks numbers that are shares of what is kept from one update to the next: 0 or more and below 1. */
export function assertDecays(values: Readonly<Record<string, number>>): void {
  for (const [name, value] of Object.entries(values)) {
    if (!(value >= 0 && value < 1)) throw expected(name, 'to be 0 or more and below 1', value, 'correct it');
  }
}

/** Checks numbers that may not be negative. */
export function assertNotNegative(values: Readonly<Record<string, number>>): void {
  for (const [name, value] of Object.entries(values)) {
    if (!(value >= 0 && Number.isFinite(value))) throw expected(name, 'to be a finite number, 0 or more', value, 'correct it');
  }
}

/** Checks the size of slices. */
export function assertSlices(sliceElements: number): void {
  if (!(sliceElements >= 1)) throw expected('sliceElements', 'to be 1 or more', sliceElements, 'leave it out');
}
