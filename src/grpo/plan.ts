/** How a run is cut to fit into memory. */
import type { MicroBatchLimit } from '../training/pack.ts';

/** What was chosen from the machine; recorded at start, so that a rerun does the same, and made smaller only when memory ends. */
export interface Plan {
  limit: MicroBatchLimit;
  checkpoint: boolean;
  slots: number;
  /** Whether decoding has copies of the weights in its own order, which are faster. */
  decodingCopies: boolean;
}

/** A plan in words. */
export function planText({ limit, checkpoint, slots, decodingCopies }: Plan): string {
  const size = 'rows' in limit ? `${limit.rows} rows` : `${limit.tokens} tokens`;
  return `micro-batches of at most ${size}${checkpoint ? ', layers computed again in the backward pass' : ''}; ${slots} completions decode at once${decodingCopies ? '' : ', with the weights as they are'}`;
}
