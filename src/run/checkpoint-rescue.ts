/** A checkpoint written by another thread than the one that trains, from the tensors that were lent to it. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { TsrlError } from '../errors.ts';
import { native } from '../tensor/binding.ts';
import * as ops from '../tensor/ops.ts';
import { scope } from '../tensor/scope.ts';
import { Tensor } from '../tensor/tensor.ts';
import type { DType } from '../tensor/tensor.ts';
import { saveCheckpoint as writeWeights } from '../weights/save.ts';
import type { CheckpointToSave } from '../weights/save.ts';
import { checkpointName, saveCheckpoint } from './checkpoints.ts';

/** What such a checkpoint holds besides its tensors. */
export interface LentModel extends Omit<CheckpointToSave, 'tensors'> {
  /** The key of the loan. */
  loan: number;
  /** Names of the lent tensors, in their order, and the types they are saved in. */
  saved: { name: string; dtype: DType }[];
}

let loans = 0;

/**
 * Lends tensors to other threads of this program, until they are taken back.
 *
 * @returns the key of the loan, and what takes the tensors back
 */
export function lendTensors(tensors: readonly Tensor[]): { loan: number; takeBack: () => void } {
  const loan = ++loans;
  native().lend(loan, Float64Array.from(tensors, ({ live }) => live));
  return { loan, takeBack: () => native().lend(loan, new Float64Array(0)) };
}

/**
 * Writes the lent tensors as the checkpoint after `step` updates, unless there is one already or no update was made. The
 * lender must be at rest.
 *
 * @param model JSON of a `LentModel`
 */
export async function rescueWeights(checkpointsFolder: string, step: number, model: string): Promise<void> {
  if (step === 0 || existsSync(join(checkpointsFolder, checkpointName(step)))) return;
  const { loan, saved, ...files } = JSON.parse(model) as LentModel;
  const handles = native().borrow(loan);
  if (handles.length !== saved.length) throw new TsrlError(`Expected ${saved.length} lent tensors, got ${handles.length}; they were taken back.`);
  const tensors = handles.map((handle, i) => {
    const tensor = new Tensor(handle);
    const { name, dtype } = saved[i]!;
    return { name, dtype, shape: tensor.shape, bytes: () => scope(() => ops.to(tensor, dtype).toBytes()) };
  });
  await saveCheckpoint(checkpointsFolder, step, (folder) => writeWeights(folder, { ...files, tensors }));
}

/** Ends the process at once, without its exit handlers; works from any thread. */
export function endProcess(code: number): never {
  return native().leave(code);
}
