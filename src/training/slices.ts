/** Long work over many tensors, cut so that JavaScript's event loop is never blocked for long. */
import type { Tensor } from '../tensor/tensor.ts';

/** Elements handled between two turns of the event loop: well under 0.1 s of an AdamW step on two cores. */
export const SLICE_ELEMENTS = 20_000_000;

/**
 * Calls `work` with runs of tensors that have together at most `elements` elements (one bigger tensor is a run of its
 * own), and lets other code of the process have its turn between two runs.
 */
export async function inSlices<T extends Pick<Tensor, 'length'>>(tensors: readonly T[], work: (slice: T[]) => void, elements: number = SLICE_ELEMENTS): Promise<void> {
  const slices = slicesOf(tensors, elements);
  for (const [i, slice] of slices.entries()) {
    if (i > 0) await new Promise((resolve) => void setImmediate(resolve));
    work(slice);
  }
}

/** Consecutive runs of at most `elements` elements. */
function slicesOf<T extends Pick<Tensor, 'length'>>(tensors: readonly T[], elements: number): T[][] {
  const slices: T[][] = [];
  let room = 0;
  for (const tensor of tensors) {
    if (slices.length === 0 || tensor.length > room) {
      slices.push([]);
      room = elements;
    }
    slices.at(-1)!.push(tensor);
    room -= tensor.length;
  }
  return slices;
}
