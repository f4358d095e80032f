/** Gradients outside `Tensor#backward`: grad mode, and gradients of outputs with respect to chosen inputs. */
import { native } from './binding.ts';
import { refusePromise } from './scope.ts';
import { checkGradient, refusal, Tensor } from './tensor.ts';

/**
 * Runs `fn` without recording a graph.
 *
 * @throws TensorError when `fn` returns a promise: its awaits would come after the mode is back
 */
export function noGrad<T>(fn: () => T): T {
  const before = native().setGradMode(false);
  try {
    const result = fn();
    refusePromise('noGrad', result);
    return result;
  } finally {
    native().setGradMode(before);
  }
}

/**
 * Gradients of `outputs` with respect to `inputs`, without touching anybody's `.grad`.
 *
 * @param gradOutputs one per output, of its shape, or null for a scalar
 * @param options `createGraph` makes the gradients differentiable; `retainGraph` (as `createGraph` when left out) keeps
 *   the graph for another pass
 * @returns one per input, null where the input does not reach the outputs
 */
export function grad(
  outputs: readonly Tensor[],
  inputs: readonly Tensor[],
  gradOutputs: readonly (Tensor | null)[] = outputs.map(() => null),
  { createGraph = false, retainGraph = createGraph }: { createGraph?: boolean; retainGraph?: boolean } = {},
): (Tensor | null)[] {
  try {
    outputs.forEach((output, i) => checkGradient('gradOutputs', output, gradOutputs[i] ?? null));
    return native()
      .gradients(outputs.map((t) => t.live), inputs.map((t) => t.live), gradOutputs.map((t) => t?.live ?? null), retainGraph, createGraph)
      .map((handle) => (handle === null ? null : new Tensor(handle)));
  } catch (error) {
    throw refusal('grad', [outputs, inputs, gradOutputs], error);
  }
}
