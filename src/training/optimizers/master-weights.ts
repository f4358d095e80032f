/**
 * Master copies: an optimizer steps copies of the weights in float32, which then are rounded back into the weights (Micikevicius
 * et al. 2018, arXiv 1710.03740, section 3.1). Steps smaller than the weights' own spacing add up in the copies. The same for
 * weights on another device: copies and states rest on the one that is asked for.
 */
import { expected } from '../../errors.ts';
import { noGrad } from '../../tensor/autograd.ts';
import { halves } from '../../tensor/encode.ts';
import { copy_, narrow, toDevice, view } from '../../tensor/ops.ts';
import { keep, scope } from '../../tensor/scope.ts';
import type { Device, DType, Tensor } from '../../tensor/tensor.ts';
import { inSlices } from '../slices.ts';
import type { TrainedTensors } from './make-optimizer.ts';
import type { Optimizer } from './optimizer.ts';
import { stochasticBfloat16 } from './stochastic-rounding.ts';

/** How master copies become weights again. */
export type Rounding = 'nearest' | 'stochastic';

/** How master copies are kept. */
export interface MasterSettings {
  /** `nearest`: to the nearest number, ties to even. `stochastic`: up or down by chance, right in the mean; bfloat16 only. */
  rounding: Rounding;
  /** Of the run; names the random numbers together with the update, the tensor and the element. */
  seed: number;
  /** Updates made before: a run that goes on draws on where it stopped. */
  updates?: number;
  /** Where copies and states are kept; null: where the weights are. */
  device?: Device | null;
}

/** A weight and what is stepped in its place. */
interface Pair {
  weight: Tensor;
  master: Tensor;
  /** Its place among the trained tensors, which names its random numbers. */
  index: number;
}

/** Elements that are rounded between two turns of the event loop; whole blocks of random numbers. */
const SLICE = 1 << 22;

/** Whether a weight is stepped through a copy. */
export function needsMaster(weight: { dtype: DType; device: Device }, device: Device | null): boolean {
  return halves.has(weight.dtype) || (device !== null && weight.device !== device);
}

/** Steps master copies of the weights that need them, and the others as they are. Gradients are added up in float32. */
export class MasterWeights implements Optimizer {
  readonly #pairs: readonly Pair[];
  readonly #optimizer: Optimizer;
  readonly #rounding: Rounding;
  readonly #seed: number;
  #updates: number;

  /**
   * @param trained contiguous leaves without gradients, that are in no graph yet
   * @param make makes the optimizer, over copies and the tensors that need none
   */
  constructor(trained: TrainedTensors, make: (tensors: TrainedTensors) => Optimizer, { rounding, seed, updates = 0, device = null }: MasterSettings) {
    const all = [...trained.vocabulary, ...trained.hidden];
    const other = rounding === 'stochastic' ? all.find(({ dtype }) => dtype === 'float16') : undefined;
    if (other) throw expected('masterRounding', "to be 'nearest' for weights in float16", rounding, 'stochastic rounding is for bfloat16, which has 3 bits less');
    this.#rounding = rounding;
    this.#seed = seed;
    this.#updates = updates;
    this.#pairs = all.flatMap((weight, index) => (needsMaster(weight, device) ? [{ weight, master: masterOf(weight, device), index }] : []));
    const masters = new Map(this.#pairs.map(({ weight, master }) => [weight, master]));
    const stepped = (tensors: readonly Tensor[]) => tensors.map((tensor) => masters.get(tensor) ?? tensor);
    this.#optimizer = make({ vocabulary: stepped(trained.vocabulary), hidden: stepped(trained.hidden) });
  }

  /** @param learningRate of this step */
  async step(learningRate: number): Promise<void> {
    for (const { weight, master } of this.#pairs) {
      scope(() => {
        const gradient = weight.grad;
        // The same memory where device and dtype agree.
        master.grad = gradient && noGrad(() => toDevice(gradient, master.device, master.dtype));
      });
    }
    await this.#optimizer.step(learningRate);
    this.#updates += 1;
    const changed = this.#pairs.filter(({ master }) => scope(() => master.grad !== null));
    await inSlices(changed.flatMap(piecesOf), (pieces) => pieces.forEach((piece) => scope(() => noGrad(() => this.#round(piece)))), SLICE);
  }

  zeroGrad(): void {
    for (const { weight, master } of this.#pairs) {
      weight.grad = null;
      master.grad = null;
    }
    this.#optimizer.zeroGrad();
  }

  /** The weights go on as they came: without gradients, which they take in their own dtype again. */
  dispose(): void {
    this.#optimizer.dispose();
    for (const { weight, master } of this.#pairs) {
      master.dispose();
      weight.grad = null;
      weight.gradIn_(weight.dtype);
    }
  }

  /** Of the copies, and of what the optimizer under them keeps. */
  get stateBytes(): number {
    return this.#pairs.reduce((total, { master }) => total + master.length * (master.dtype === 'float64' ? 8 : 4), this.#optimizer.stateBytes ?? 0);
  }

  #round({ pair: { weight, master, index }, start, length }: Piece): void {
    const part = (whole: Tensor) => narrow(view(whole, [-1]), 0, start, length);
    const exact = part(master);
    const stochastic = this.#rounding === 'stochastic' && weight.dtype === 'bfloat16';
    const rounded = stochastic ? stochasticBfloat16(exact, { seed: this.#seed, update: this.#updates, tensor: index, start }) : exact;
    // Casts to the nearest, and moves to the device of the weight.
    copy_(part(weight), rounded);
  }
}

/** Elements `start` to `start + length` of a weight. */
interface Piece {
  pair: Pair;
  start: number;
  length: number;
}

function piecesOf(pair: Pair): Piece[] {
  const total = pair.weight.length;
  return Array.from({ length: Math.ceil(total / SLICE) }, (_, i) => ({ pair, start: i * SLICE, length: Math.min(SLICE, total - i * SLICE) }));
}

/** A copy that can be stepped exactly; what has more than 16 bits keeps its dtype. */
function masterOf(weight: Tensor, device: Device | null): Tensor {
  const dtype = halves.has(weight.dtype) ? 'float32' : weight.dtype;
  weight.gradIn_(dtype);
  return keep(scope(() => noGrad(() => toDevice(weight, device ?? weight.device, dtype))));
}
