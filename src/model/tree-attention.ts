/**
 * Attention over packed trees: who sees whom. In float32 on a CPU one fused op does it (native/packed_attention.cc);
 * everything else takes its plain twin below, at most two calls per tree: the prompt over itself, and each completion over
 * prompt and itself. No mask is larger than [T, prompt + T] of one completion.
 */
import * as ops from '../tensor/ops.ts';
import { keep } from '../tensor/scope.ts';
import { tensor } from '../tensor/tensor.ts';
import type { DType, Tensor } from '../tensor/tensor.ts';
import { attend, causalMask } from './attention.ts';
import type { AttentionSettings, MaskShape } from './attention.ts';
import type { Attend } from './layers.ts';
import type { PackedBatch, TreeLayout } from './packed-batch.ts';

/** Attention over the trees of a batch: q [N, heads, d], k and v [N, keyValueHeads, d] → [N, heads·d]. */
export function treeAttention(batch: PackedBatch, settings: AttentionSettings): Attend {
  const plain = plainAttention(batch, settings);
  const { kernel, scale, window } = settings;
  return (q, k, v) => (kernel === 'sdpa' && ops.isFused(q) ? ops.packedAttention(q, k, v, batch.segments, scale, window ?? 0) : plain(q, k, v));
}

function plainAttention(batch: PackedBatch, settings: AttentionSettings): Attend {
  const sizes = batch.trees.flatMap((tree) => [tree.prompt, completedTokens(tree)]);
  return (q, k, v) => {
    // One split for all trees: walking back through it is one joining, where a cut for each would be a row of zeros each.
    const [qs, ks, vs] = [q, k, v].map((x) => ops.split(x, sizes, 0)) as [Tensor[], Tensor[], Tensor[]];
    const made = new Made(batch.plain);
    const parts = batch.trees.flatMap((tree, i) => {
      const pieces = (of: readonly Tensor[]): Pieces => ({ prompt: of[2 * i]!, completions: of[2 * i + 1]! });
      return attendTree(tree, pieces(qs), pieces(ks), pieces(vs), settings, made);
    });
    return parts.length === 1 ? parts[0]! : ops.cat(parts, 0);
  };
}

/** The tokens of one tree: [prompt, heads, d] and [Σ completions, heads, d]. */
interface Pieces {
  prompt: Tensor;
  completions: Tensor;
}

/** What all layers share, made at its first use. */
class Made {
  readonly #kept: Map<string, Tensor>;

  constructor(kept: Map<string, Tensor>) {
    this.#kept = kept;
  }

  mask(shape: MaskShape, dtype: DType): Tensor {
    return this.#make(`mask ${shape.before} ${shape.length} ${shape.window} ${dtype}`, () => causalMask(shape, dtype));
  }

  /** Row of the completions' tokens for each place of the padded [G, longest] block; some row where a completion is shorter. [G·longest] */
  pad(tree: TreeLayout): Tensor {
    return this.#make(`pad ${tree.start}`, () => {
      let offset = 0;
      return int64(tree.completions.flatMap((length) => {
        const first = offset;
        offset += length;
        return Array.from({ length: longestOf(tree) }, (_, t) => (t < length ? first + t : 0));
      }));
    });
  }

  /** Place in the padded block of each completion token. [Σ completions] */
  unpad(tree: TreeLayout): Tensor {
    return this.#make(`unpad ${tree.start}`, () => int64(tree.completions.flatMap((length, g) => Array.from({ length }, (_, t) => g * longestOf(tree) + t))));
  }

  #make(key: string, make: () => Tensor): Tensor {
    const made = this.#kept.get(key) ?? keep(make());
    this.#kept.set(key, made);
    return made;
  }
}

function completedTokens({ completions }: TreeLayout): number {
  return completions.reduce((total, length) => total + length, 0);
}

function longestOf({ completions }: TreeLayout): number {
  return Math.max(0, ...completions);
}

function isRagged(tree: TreeLayout): boolean {
  return tree.completions.some((length) => length !== longestOf(tree));
}

function attendTree(tree: TreeLayout, q: Pieces, k: Pieces, v: Pieces, settings: AttentionSettings, made: Made): Tensor[] {
  if (completedTokens(tree) === 0) return [attendRow(q.prompt, k.prompt, v.prompt, settings, made)];
  if (tree.completions.length === 1) {
    // One completion continues its prompt: a plain causal row.
    const [wholeQ, wholeK, wholeV] = [q, k, v].map(({ prompt, completions }) => ops.cat([prompt, completions], 0)) as [Tensor, Tensor, Tensor];
    return [attendRow(wholeQ, wholeK, wholeV, settings, made)];
  }
  const prompt = attendRow(q.prompt, k.prompt, v.prompt, settings, made);
  // No completion token sees more of the prompt than its first one.
  const seen = settings.window === null ? tree.prompt : Math.min(tree.prompt, settings.window - 1);
  const heads = q.prompt.size(1);
  const padded = (x: Tensor) => paddedBlock(x, tree, made);
  const all = (x: Pieces) => withPrompt(seen === tree.prompt ? x.prompt : ops.narrow(x.prompt, 0, tree.prompt - seen, seen), padded(x.completions), heads);
  const mask = made.mask({ before: seen, length: longestOf(tree), window: settings.window }, q.prompt.dtype);
  const attended = attend(padded(q.completions), all(k), all(v), settings, { mask }); // [G, heads, T, d]
  const rows = ops.reshape(ops.transpose(attended, 1, 2), [tree.completions.length * longestOf(tree), -1]); // [G·T, heads·d]
  return [prompt, isRagged(tree) ? ops.indexSelect(rows, 0, made.unpad(tree)) : rows];
}

/** Causal attention of one row of n tokens: [n, heads, d] → [n, heads·d]. */
function attendRow(q: Tensor, k: Tensor, v: Tensor, settings: AttentionSettings, made: Made): Tensor {
  const axes = (x: Tensor) => ops.unsqueeze(ops.transpose(x, 0, 1), 0); // [1, heads, n, d]
  const length = q.size(0);
  const repeats = q.size(1) / k.size(1);
  const slides = settings.window !== null && length > settings.window;
  const look = slides ? { mask: made.mask({ before: 0, length, window: settings.window }, q.dtype) } : { causal: true };
  const attended = attend(axes(q), repeatHeads(axes(k), repeats), repeatHeads(axes(v), repeats), settings, look);
  return ops.reshape(ops.transpose(ops.squeeze(attended, 0), 0, 1), [length, -1]);
}

/** Completion tokens [Σ, heads, d] → [G, heads, T, d], short completions padded with some token nobody looks at. */
function paddedBlock(x: Tensor, tree: TreeLayout, made: Made): Tensor {
  const block = isRagged(tree) ? ops.indexSelect(x, 0, made.pad(tree)) : x;
  return ops.transpose(ops.view(block, [tree.completions.length, longestOf(tree), x.size(1), x.size(2)]), 1, 2);
}

/** Prompt keys [P, kv, d] before each completion's keys [G, kv, T, d], heads repeated: [G, heads, P + T, d]. */
function withPrompt(prompt: Tensor, own: Tensor, heads: number): Tensor {
  const [groups, kv, , d] = own.shape as [number, number, number, number];
  const shared = ops.expand(ops.unsqueeze(ops.transpose(prompt, 0, 1), 0), [groups, kv, prompt.size(0), d]);
  return repeatHeads(ops.cat([shared, own], 2), heads / kv);
}

/** Each key head serves `repeats` query heads: [B, kv, n, d] → [B, kv·repeats, n, d]. */
function repeatHeads(x: Tensor, repeats: number): Tensor {
  if (repeats === 1) return x;
  const [rows, kv, n, d] = x.shape as [number, number, number, number];
  return ops.reshape(ops.expand(ops.unsqueeze(x, 2), [rows, kv, repeats, n, d]), [rows, kv * repeats, n, d]);
}

function int64(values: readonly number[]): Tensor {
  return tensor(values, [values.length], 'int64');
}
