/** AdamW whose moments rest in 8 bits between two steps (Dettmers et al. 2022, arXiv 2110.02861). */
import { fusedAdamW_, narrow, zeros } from '../../tensor/ops.ts';
import { keep } from '../../tensor/scope.ts';
import type { DType, Tensor } from '../../tensor/tensor.ts';
import { AdamW, resolveAdamW, stepsOf } from './adamw.ts';
import type { AdamWOptions } from './adamw.ts';
import { BLOCK, codebook, dequantise, quantise_ } from './dynamic-map.ts';
import type { Codebook, Quantised } from './dynamic-map.ts';
import { JointOptimizer } from './joint.ts';
import { gradientOf, part, StatefulOptimizer } from './stateful-optimizer.ts';
import type { Piece } from './stateful-optimizer.ts';

/** Settings of AdamW with 8-bit moments. */
export interface AdamW8bitOptions extends AdamWOptions {
  /** Smaller tensors keep their moments in full: they weigh little, and norms and biases need them; default `MIN_ELEMENTS`. */
  minElements?: number;
}

/** As in bitsandbytes. */
export const MIN_ELEMENTS = 4096;

/** Elements whose moments are in full at a time: whole blocks, some 12 MB of temporaries in float32. */
const SLICE = 1 << 18;

/** Codes [blocks, BLOCK] and scales [blocks, 1] of both moments. */
type Moments = readonly [firstCodes: Tensor, firstScales: Tensor, secondCodes: Tensor, secondScales: Tensor];

/** 2 + 8/256 bytes per parameter element of float32 in tensors of `minElements` or more, 8 in the others. */
export class AdamW8bit extends JointOptimizer {
  /** @param parameters contiguous leaf tensors; their memory is updated in place */
  constructor(parameters: readonly Tensor[], { minElements = MIN_ELEMENTS, ...options }: AdamW8bitOptions = {}) {
    const small = parameters.filter(({ length }) => length < minElements);
    const large = parameters.filter(({ length }) => length >= minElements);
    super([new AdamW(small, options), new BlockwiseAdamW(large, options)]);
  }
}

/** Steps of AdamW between reading the moments and writing them again. */
class BlockwiseAdamW extends StatefulOptimizer<Moments> {
  readonly #options: Required<AdamWOptions>;
  readonly #books = new Map<DType, { first: Codebook; second: Codebook }>();

  constructor(parameters: readonly Tensor[], options: AdamWOptions) {
    const all = resolveAdamW(options, SLICE);
    // No block may lie in two slices.
    const sliceElements = Math.ceil(all.sliceElements / BLOCK) * BLOCK;
    super(parameters, ({ length, dtype, device }) => {
      const blocks = Math.ceil(length / BLOCK);
      const scales = () => zeros([blocks, 1], dtype, device);
      const codes = () => zeros([blocks, BLOCK], 'uint8', device);
      return [codes(), scales(), codes(), scales()];
    });
    this.#options = { ...all, sliceElements };
    for (const { dtype } of parameters) {
      if (!this.#books.has(dtype)) this.#books.set(dtype, keep({ first: codebook(true, dtype), second: codebook(false, dtype) }));
    }
  }

  /** @param learningRate of this step */
  async step(learningRate: number): Promise<void> {
    await this.updateElements(this.#options, (slice, weightDecay) => {
      for (const piece of slice) this.#update(piece, learningRate, weightDecay);
    });
  }

  override dispose(): void {
    super.dispose();
    for (const { numbers, bounds } of [...this.#books.values()].flatMap(({ first, second }) => [first, second])) {
      numbers.dispose();
      bounds.dispose();
    }
  }

  #update(piece: Piece<Moments>, learningRate: number, weightDecay: number): void {
    const { parameter, memory } = piece.state;
    const books = this.#books.get(parameter.dtype)!;
    const [first, second] = [blocksOf(piece, memory[0], memory[1]), blocksOf(piece, memory[2], memory[3])];
    const [firstMoment, secondMoment] = [dequantise(first, books.first), dequantise(second, books.second)];
    fusedAdamW_(
      [part(piece, parameter)],
      [gradientOf(piece)],
      // What fills the last block stays 0.
      [narrow(firstMoment, 0, 0, piece.length)],
      [narrow(secondMoment, 0, 0, piece.length)],
      [stepsOf(piece.state)],
      { ...this.#options, learningRate, weightDecay },
    );
    quantise_(first, firstMoment, books.first);
    quantise_(second, secondMoment, books.second);
  }
}

/** The blocks that hold a piece. */
function blocksOf({ start, length }: Piece<Moments>, codes: Tensor, scales: Tensor): Quantised {
  const [from, count] = [start / BLOCK, Math.ceil(length / BLOCK)];
  return { codes: narrow(codes, 0, from, count), scales: narrow(scales, 0, from, count) };
}
