/** Gradients outside `Tensor#backward`: grad mode, and gradients of outputs with respect to chosen inputs. */
import { TensorError } from '../errors.ts';
import { native } from './binding.ts';
import { Tensor } from './tensor.ts';

/** Runs `fn` without recording a graph. */
export function noGrad<T>(fn: () => T): T {
  const before = native().setGradMode(false);
  try {
    return fn();
  } finally {
    native().setGradMode(before);
  }
}

/**
 * Gradients of `outputs` with respect to `inputs`, without touching anybody's `.grad`.
 *
 * @param gradOutputs one per output, null for a scalar
 * @returns one per input, null where the input does not reach the outputs
 */
export function grad(
  outputs: readonly Tensor[],
  inputs: readonly Tensor[],
  gradOutputs: readonly (Tensor | null)[] = outputs.map(() => null),
  { retainGraph = false, createGraph = false } = {},
): (Tensor | null)[] {
  try {
    return native()
      .gradients(outputs.map((t) => t.live), inputs.map((t) => t.live), gradOutputs.map((t) => t?.live ?? null), retainGraph, createGraph)
      .map((handle) => (handle === null ? null : new Tensor(handle)));
  } catch (error) {
    if (error instanceof TensorError) throw error;
    throw new TensorError(`grad: ${(error as Error).message}`, { op: 'grad', shapes: outputs.map((t) => t.shape) });
  }
}
