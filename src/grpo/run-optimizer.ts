/** The optimizer of a run: the one that is named, over master copies where weights need them, or the caller's own. */
import { expected } from '../errors.ts';
import type { Decoder } from '../model/decoder.ts';
import type { LoadedModel, OpenedModel } from '../model/load.ts';
import { halves } from '../tensor/encode.ts';
import type { DType, Tensor } from '../tensor/tensor.ts';
import { optimizers } from '../training/optimizers/make-optimizer.ts';
import type { OptimizerName, TrainedTensors } from '../training/optimizers/make-optimizer.ts';
import { MasterWeights, needsMaster } from '../training/optimizers/master-weights.ts';
import type { Optimizer } from '../training/optimizers/optimizer.ts';
import type { ResolvedOptions } from './options.ts';

/** @param updates made before: stochastic rounding draws on where it stopped */
export function makeOptimizer(decoder: Decoder, options: ResolvedOptions, updates = 0): Optimizer {
  if (typeof options.optim !== 'string') return options.optim as Optimizer;
  const trained = [...decoder.trained.values()];
  const isVocabulary = (weight: Tensor) => weight === decoder.embedding || weight === decoder.head;
  const tensors = { vocabulary: trained.filter(isVocabulary), hidden: trained.filter((weight) => !isVocabulary(weight)) };
  const make = (stepped: TrainedTensors) => optimizers[options.optim as OptimizerName].make(stepped, options);
  const { optimizerDevice: device, masterRounding: rounding, seed } = options;
  if (!trained.some((weight) => needsMaster(weight, device))) return make(tensors);
  return new MasterWeights(tensors, make, { rounding, seed, updates, device });
}

/** What a user should know of how weights are stepped, in sentences. */
export function optimizerNotes({ device }: Decoder, optimizer: Optimizer, { optimizerDevice, masterRounding }: ResolvedOptions): string[] {
  const hasMasters = optimizer instanceof MasterWeights;
  return [
    ...(hasMasters ? [`master copies in float32, ${masterRounding === 'stochastic' ? 'rounded up or down by chance' : 'rounded to the nearest'}`] : []),
    ...(!hasMasters && masterRounding === 'stochastic' ? ['`masterRounding` changes nothing: no trained tensor has 16 bits'] : []),
    ...(optimizerDevice === device ? [`\`optimizerDevice\` changes nothing: the weights are on ${device} themselves`] : []),
  ];
}

/** An optimizer of the caller's own has no master copies, without which steps in 16 bits are lost. */
export function checkOwnOptimizer(model: LoadedModel | OpenedModel, { optim, lora, dtype }: ResolvedOptions): void {
  if (typeof optim === 'string') return;
  const asked: DType | 'auto' = 'decoder' in model ? model.decoder.dtype : dtype;
  const settings = lora ?? ('decoder' in model ? model.decoder.adapter?.settings : model.adapter?.settings);
  if (!halves.has(asked as DType) || settings?.modulesToSave.length === 0) return;
  throw expected('optim', `to be a name for weights in ${asked}`, 'an optimizer of your own', 'name one, which then steps master copies in float32, or train in float32');
}
