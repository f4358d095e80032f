/** What the first layer gets: embeddings, and each layer's rotary rows. */
import * as ops from '../tensor/ops.ts';
import type { Tensor } from '../tensor/tensor.ts';
import type { Decoder } from './decoder.ts';
import type { Rotary } from './rope.ts';
import { lookUp } from './weight.ts';

/** The inputs of a pass over N tokens. */
export interface DecoderInputs {
  x: Tensor; // [N, H]
  /** Of each layer; layers that turn alike share rows, null where a layer has no rotary embedding. */
  rotary: (Rotary | null)[];
}

/** Looks tokens up, without a graph to the embedding. ids and positions are int64 [N]. Call it inside a scope. */
export function decoderInputs({ embedding, config, rotary }: Decoder, ids: Tensor, positions: Tensor): DecoderInputs {
  const x = lookUp(embedding, ids);
  const rows = new Map<Rotary, Rotary>();
  const rowsOf = (table: Rotary): Rotary => {
    const found = rows.get(table) ?? { cos: ops.indexSelect(table.cos, 0, positions), sin: ops.indexSelect(table.sin, 0, positions), wide: table.wide ?? false };
    rows.set(table, found);
    return found;
  };
  return {
    // As a tensor of the same dtype, so that half precision rounds the factor as transformers does.
    x: config.embeddingScale === 1 ? x : ops.mul(x, ops.full([], config.embeddingScale, x.dtype)),
    rotary: rotary.map((table) => table && rowsOf(table)),
  };
}
