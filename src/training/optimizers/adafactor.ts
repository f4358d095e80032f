/**
 * Adafactor (Shazeer & Stern 2018, arXiv 1804.04235, algorithms 4 and 5) at the rate it is given, without momentum: as
 * transformers' Adafactor steps with `scale_parameter=False, relative_step=False`.
 */
import { noGrad } from '../../tensor/autograd.ts';
import { add_, addScalar, divScalar, lerp_, mean, mul, mulScalar_, narrow, reshape, rsqrt, square, sum, sumOver, unsqueeze, zero_, zeros } from '../../tensor/ops.ts';
import { scope } from '../../tensor/scope.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import { assertNotNegative, assertSlices, inPlace, StatefulOptimizer } from './stateful-optimizer.ts';
import type { State } from './stateful-optimizer.ts';

/** Settings of Adafactor. */
export interface AdafactorOptions {
  /** Share of a weight that a step at rate 1 takes away; default 0. Norms and biases (one axis or none) never decay. */
  weightDecay?: number;
  /** Elements handled between two turns of the event loop; a slice needs three temporaries of this length. */
  sliceElements?: number;
}

/** ε₁ of the paper: added to squared gradients. */
const EPSILON = 1e-30;
/** d of the paper: largest root mean square of an update at rate 1. */
const CLIP = 1;
/** The second moment is kept to 1 − t^this at step t. */
const DECAY_EXPONENT = -0.8;

/** What is remembered: Σ u² of the update u at hand, and mean squared gradients, of a vector one per element. */
type Moments = readonly [squares: Tensor, elements: Tensor] | readonly [squares: Tensor, rows: Tensor, columns: Tensor];

/** Rows `start` to `start + count` of a matrix (what has more axes is a matrix of its last one), or as many elements of a vector. */
interface Rows {
  state: State<Moments>;
  start: number;
  count: number;
  /** Elements in them. */
  length: number;
}

/** Remembers one number per row and column. */
export class Adafactor extends StatefulOptimizer<Moments> {
  readonly #options: Required<AdafactorOptions>;

  /** @param parameters contiguous leaf tensors; their memory is updated in place */
  constructor(parameters: readonly Tensor[], options: AdafactorOptions = {}) {
    const all = { weightDecay: 0, sliceElements: 4_000_000, ...options };
    assertNotNegative({ weightDecay: all.weightDecay });
    assertSlices(all.sliceElements);
    super(parameters, ({ shape, length, dtype, device }) => {
      const [squares, width] = [zeros([], dtype, device), widthOf(shape)];
      return width === null ? [squares, zeros([length], dtype, device)] : [squares, zeros([length / width], dtype, device), zeros([width], dtype, device)];
    });
    this.#options = all;
  }

  /**
   * How far an update goes is known only when the whole of it is, so the gradient is gone through three times.
   *
   * @param learningRate of this step
   */
  async step(learningRate: number): Promise<void> {
    const { weightDecay, sliceElements } = this.#options;
    const states = this.beginUpdate();
    scope(() => noGrad(() => states.forEach(beginMoments)));
    const slices = states.flatMap((state) => rowsOf(state, sliceElements));
    await inPlace(slices, (some) => some.forEach(addGradient), sliceElements);
    await inPlace(slices, (some) => some.forEach((rows) => add_(rows.state.memory[0], sum(square(updateOf(rows))))), sliceElements);
    await inPlace(slices, (some) => some.forEach((rows) => apply(rows, learningRate, rows.state.decays ? weightDecay : 0)), sliceElements);
  }
}

/** Columns of a matrix; null for a vector or a scalar. */
function widthOf(shape: readonly number[]): number | null {
  return shape.length < 2 ? null : shape.at(-1)!;
}

/** Whole rows, as many as a slice holds. */
function rowsOf(state: State<Moments>, sliceElements: number): Rows[] {
  const { shape, length } = state.parameter;
  const width = widthOf(shape) ?? 1;
  const [total, most] = [length / width, Math.max(1, Math.floor(sliceElements / width))];
  return Array.from({ length: Math.ceil(total / most) }, (_, i) => {
    const count = Math.min(most, total - i * most);
    return { state, start: i * most, count, length: count * width };
  });
}

/** Some rows of a tensor as big as the parameter: [count, width], or [count] of a vector. */
function part({ state, start, count }: Rows, whole: Tensor): Tensor {
  const width = widthOf(state.parameter.shape);
  return narrow(reshape(whole, width === null ? [-1] : [-1, width]), 0, start, count);
}

/** 1 − β̂₂ of the paper: the weight of this step's gradient; 1 at the first. */
const freshShare = ({ steps }: State<Moments>): number => steps ** DECAY_EXPONENT;

/** The columns gather their mean slice by slice, the others are written once. */
function beginMoments(state: State<Moments>): void {
  const [squares, , columns] = state.memory;
  zero_(squares);
  if (columns) mulScalar_(columns, 1 - freshShare(state));
}

function addGradient(rows: Rows): void {
  const { state, start, count } = rows;
  const [, means, columns] = state.memory;
  const squared = addScalar(square(part(rows, state.parameter.grad!)), EPSILON);
  lerp_(narrow(means, 0, start, count), columns ? mean(squared, [1]) : squared, freshShare(state));
  if (columns) add_(columns, sumOver(squared, [0]), freshShare(state) / means.length);
}

/** The update at rate 1 before it is clipped: gradient over root of second moment, which a matrix has as rows ⊗ columns / mean of rows. */
function updateOf(rows: Rows): Tensor {
  const { state, start, count } = rows;
  const [, means, columns] = state.memory;
  const [gradient, own] = [part(rows, state.parameter.grad!), narrow(means, 0, start, count)];
  if (!columns) return mul(gradient, rsqrt(own));
  const byRow = unsqueeze(rsqrt(divScalar(own, mean(means, [0]).item())), 1); // [count, 1]
  return mul(mul(gradient, byRow), rsqrt(columns));
}

function apply(rows: Rows, learningRate: number, weightDecay: number): void {
  const { parameter, memory } = rows.state;
  const rootMeanSquare = Math.sqrt(memory[0].item() / parameter.length);
  const weights = part(rows, parameter);
  if (weightDecay > 0) mulScalar_(weights, 1 - learningRate * weightDecay);
  add_(weights, updateOf(rows), -learningRate / Math.max(1, rootMeanSquare / CLIP));
}
