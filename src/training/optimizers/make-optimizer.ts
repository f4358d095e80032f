/** The optimizers that a run can name. */
import type { Tensor } from '../../tensor/tensor.ts';
import { Adafactor } from './adafactor.ts';
import { AdamW8bit, MIN_ELEMENTS } from './adamw-8bit.ts';
import { AdamW } from './adamw.ts';
import { BLOCK } from './dynamic-map.ts';
import { JointOptimizer } from './joint.ts';
import { Lion } from './lion.ts';
import { Muon } from './muon.ts';
import type { Optimizer } from './optimizer.ts';
import { Sgd } from './sgd.ts';

/** The trained tensors of a model: contiguous leaves, updated in place. */
export interface TrainedTensors {
  /** Embedding and output head: a row per token. */
  vocabulary: readonly Tensor[];
  /** All others. */
  hidden: readonly Tensor[];
}

/** Shapes of the trained tensors, before there are any. */
export interface TrainedShapes {
  vocabulary: readonly (readonly number[])[];
  hidden: readonly (readonly number[])[];
}

/** Settings under the names of a run's options. Every optimizer takes the ones that it reads. */
export interface OptimizerSettings {
  adamBeta1: number;
  adamBeta2: number;
  adamEpsilon: number;
  /** null where the optimizer has none. */
  momentum: number | null;
  weightDecay: number;
}

/** An optimizer that a run can name. */
export interface NamedOptimizer {
  make(tensors: TrainedTensors, settings: OptimizerSettings): Optimizer;
  /** Numbers of 4 bytes that it remembers of float32 tensors of these shapes. */
  remembers(shapes: TrainedShapes, settings: OptimizerSettings): number;
  reads: readonly (keyof OptimizerSettings)[];
  /** Settings whose default is the optimizer's own. */
  defaults?: Partial<OptimizerSettings>;
}

const adam = ['adamBeta1', 'adamBeta2', 'adamEpsilon', 'weightDecay'] as const;
const adamSettings = ({ adamBeta1, adamBeta2, adamEpsilon, weightDecay }: OptimizerSettings) => ({ beta1: adamBeta1, beta2: adamBeta2, epsilon: adamEpsilon, weightDecay });
const momentumSettings = ({ momentum, weightDecay }: OptimizerSettings) => ({ ...(momentum !== null && { momentum }), weightDecay });
const all = <T>({ vocabulary, hidden }: { vocabulary: readonly T[]; hidden: readonly T[] }): T[] => [...vocabulary, ...hidden];
const elements = (shape: readonly number[]) => shape.reduce((product, size) => product * size, 1);
const sum = (shapes: TrainedShapes, numbersOf: (shape: readonly number[]) => number) => all(shapes).reduce((total, shape) => total + numbersOf(shape), 0);

/** How each is made, and which settings it reads. */
export const optimizers = {
  adamw: { make: (tensors, settings) => new AdamW(all(tensors), adamSettings(settings)), remembers: (shapes) => sum(shapes, (shape) => 2 * elements(shape)), reads: adam },
  adamw_8bit: {
    make: (tensors, settings) => new AdamW8bit(all(tensors), adamSettings(settings)),
    remembers: (shapes) => sum(shapes, (shape) => (elements(shape) < MIN_ELEMENTS ? 2 * elements(shape) : 2 * Math.ceil(elements(shape) / BLOCK) * (BLOCK / 4 + 1))),
    reads: adam,
  },
  sgd: {
    make: (tensors, settings) => new Sgd(all(tensors), momentumSettings(settings)),
    remembers: (shapes, { momentum }) => (momentum === 0 ? 0 : sum(shapes, elements)),
    reads: ['momentum', 'weightDecay'],
    defaults: { momentum: 0.9 },
  },
  adafactor: {
    make: (tensors, { weightDecay }) => new Adafactor(all(tensors), { weightDecay }),
    remembers: (shapes) => sum(shapes, (shape) => 1 + (shape.length < 2 ? elements(shape) : elements(shape) / shape.at(-1)! + shape.at(-1)!)),
    reads: ['weightDecay'],
  },
  lion: {
    make: (tensors, { adamBeta1, adamBeta2, weightDecay }) => new Lion(all(tensors), { beta1: adamBeta1, beta2: adamBeta2, weightDecay }),
    remembers: (shapes) => sum(shapes, elements),
    reads: ['adamBeta1', 'adamBeta2', 'weightDecay'],
    defaults: { adamBeta2: 0.99 },
  },
  muon: {
    make: makeMuon,
    remembers: ({ vocabulary, hidden }) => sum({ vocabulary, hidden: [] }, (shape) => 2 * elements(shape)) + sum({ vocabulary: [], hidden }, (shape) => (shape.length === 2 ? 1 : 2) * elements(shape)),
    reads: [...adam, 'momentum'],
    defaults: { momentum: 0.95 },
  },
} as const satisfies Record<string, NamedOptimizer>;

/** Names accepted by `optim`. */
export type OptimizerName = keyof typeof optimizers;

/** Muon for the matrices of the layers; AdamW for embedding, head, norms and biases. */
function makeMuon({ vocabulary, hidden }: TrainedTensors, settings: OptimizerSettings): Optimizer {
  const isMatrix = ({ shape }: Tensor) => shape.length === 2;
  const others = hidden.filter((tensor) => !isMatrix(tensor));
  return new JointOptimizer([new Muon(hidden.filter(isMatrix), momentumSettings(settings)), new AdamW([...vocabulary, ...others], adamSettings(settings))]);
}
