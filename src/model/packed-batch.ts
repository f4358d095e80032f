/**
 * Token trees: a prompt once, behind it its completions, group after group, in one row of N tokens without padding.
 * Linear layers see the packed tokens; attention is at most two calls per group: the prompt over itself, and each
 * completion over prompt and itself. No mask is larger than [T, prompt + T] of one completion.
 */
import { expected } from '../errors.ts';
import * as ops from '../tensor/ops.ts';
import { keep } from '../tensor/scope.ts';
import { tensor } from '../tensor/tensor.ts';
import type { DType, Tensor } from '../tensor/tensor.ts';
import { attend, causalMask } from './attention.ts';
import type { AttentionSettings, MaskShape } from './attention.ts';
import type { Attend } from './layers.ts';

/** A prompt and completions of it, as token ids. */
export interface TokenTree {
  prompt: readonly number[];
  completions: readonly (readonly number[])[];
}

interface TreeLayout {
  /** First token of the tree in the packed row. */
  start: number;
  prompt: number;
  completions: number[];
  /** Longest completion. */
  longest: number;
  /** Row of the packed tree for each place of the padded [G, longest] block; null when no completion is shorter. [G·longest] */
  pad: Tensor | null;
  /** Place in the padded block of each completion token. [Σ completions] */
  unpad: Tensor | null;
  /** 0 where a completion token may look, −∞ elsewhere. [longest, prompt + longest] */
  mask: Tensor | null;
}

/** A batch of trees, ready for passes over the network. Free it with `disposeBatch`. */
export interface PackedBatch {
  ids: Tensor; // [N]
  positions: Tensor; // [N]
  trees: TreeLayout[];
  /** The token whose hidden state predicts each completion token. [M] */
  predictors: Tensor;
  /** The completion tokens, tree after tree. [M] */
  targets: Tensor;
  /** N, packed tokens. */
  tokens: number;
  /** M, completion tokens. */
  predicted: number;
  /** Masks of sliding windows, made when a layer first needs them. */
  windowMasks: Map<string, Tensor>;
}

/** Lays trees out in one packed row and builds positions, masks and indices once. */
export function packTrees(trees: readonly TokenTree[], contextLength: number, dtype: DType): PackedBatch {
  const ids: number[] = [];
  const positions: number[] = [];
  const predictors: number[] = [];
  const targets: number[] = [];
  const layouts = trees.map((tree, index) => {
    const start = ids.length;
    const { prompt, completions } = tree;
    checkTree(tree, index, contextLength);
    prompt.forEach((id, i) => {
      ids.push(id);
      positions.push(i);
    });
    for (const completion of completions) {
      completion.forEach((id, t) => {
        predictors.push(t === 0 ? start + prompt.length - 1 : ids.length - 1);
        targets.push(id);
        ids.push(id);
        positions.push(prompt.length + t);
      });
    }
    return layOut(start, prompt.length, completions.map((completion) => completion.length), dtype);
  });
  return keep({
    ids: int64(ids),
    positions: int64(positions),
    trees: layouts,
    predictors: int64(predictors),
    targets: int64(targets),
    tokens: ids.length,
    predicted: targets.length,
    windowMasks: new Map<string, Tensor>(),
  });
}

export function disposeBatch(batch: PackedBatch): void {
  for (const part of [batch.ids, batch.positions, batch.predictors, batch.targets, ...batch.windowMasks.values()]) part.dispose();
  for (const { pad, unpad, mask } of batch.trees) {
    pad?.dispose();
    unpad?.dispose();
    mask?.dispose();
  }
}

/** Attention over the trees of a batch: q [N, heads, d], k and v [N, keyValueHeads, d] → [N, heads·d]. */
export function treeAttention(batch: PackedBatch, settings: AttentionSettings): Attend {
  const sizes = batch.trees.flatMap((tree) => [tree.prompt, completedTokens(tree)]);
  return (q, k, v) => {
    // One split for all trees: walking back through it is one joining, where a cut for each would be a row of zeros each.
    const [qs, ks, vs] = [q, k, v].map((x) => ops.split(x, sizes, 0)) as [Tensor[], Tensor[], Tensor[]];
    const parts = batch.trees.flatMap((tree, i) => {
      const pieces = (of: readonly Tensor[]): Pieces => ({ prompt: of[2 * i]!, completions: of[2 * i + 1]! });
      return attendTree(tree, pieces(qs), pieces(ks), pieces(vs), settings, batch.windowMasks);
    });
    return parts.length === 1 ? parts[0]! : ops.cat(parts, 0);
  };
}

/** The tokens of one tree: [prompt, heads, d] and [Σ completions, heads, d]. */
interface Pieces {
  prompt: Tensor;
  completions: Tensor;
}

function completedTokens({ completions }: TreeLayout): number {
  return completions.reduce((total, length) => total + length, 0);
}

function attendTree(tree: TreeLayout, q: Pieces, k: Pieces, v: Pieces, settings: AttentionSettings, masks: Map<string, Tensor>): Tensor[] {
  if (completedTokens(tree) === 0) return [attendRow(q.prompt, k.prompt, v.prompt, settings, masks)];
  if (tree.completions.length === 1) {
    // One completion continues its prompt: a plain causal row.
    const [wholeQ, wholeK, wholeV] = [q, k, v].map(({ prompt, completions }) => ops.cat([prompt, completions], 0)) as [Tensor, Tensor, Tensor];
    return [attendRow(wholeQ, wholeK, wholeV, settings, masks)];
  }
  const prompt = attendRow(q.prompt, k.prompt, v.prompt, settings, masks);
  // No completion token sees more of the prompt than its first one.
  const seen = settings.window === null ? tree.prompt : Math.min(tree.prompt, settings.window - 1);
  const heads = q.prompt.size(1);
  const all = (x: Pieces) => withPrompt(seen === tree.prompt ? x.prompt : ops.narrow(x.prompt, 0, tree.prompt - seen, seen), padded(x.completions, tree), heads);
  const mask = settings.window === null ? tree.mask! : windowMask({ before: seen, length: tree.longest, window: settings.window }, q.prompt.dtype, masks);
  const attended = attend(padded(q.completions, tree), all(k), all(v), settings, { mask }); // [G, heads, T, d]
  const rows = ops.reshape(ops.transpose(attended, 1, 2), [tree.completions.length * tree.longest, -1]); // [G·T, heads·d]
  return [prompt, tree.unpad ? ops.indexSelect(rows, 0, tree.unpad) : rows];
}

/** Causal attention of one row of n tokens: [n, heads, d] → [n, heads·d]. */
function attendRow(q: Tensor, k: Tensor, v: Tensor, settings: AttentionSettings, masks: Map<string, Tensor>): Tensor {
  const axes = (x: Tensor) => ops.unsqueeze(ops.transpose(x, 0, 1), 0); // [1, heads, n, d]
  const length = q.size(0);
  const repeats = q.size(1) / k.size(1);
  const slides = settings.window !== null && length > settings.window;
  const look = slides ? { mask: windowMask({ before: 0, length, window: settings.window }, q.dtype, masks) } : { causal: true };
  const attended = attend(axes(q), repeatHeads(axes(k), repeats), repeatHeads(axes(v), repeats), settings, look);
  return ops.reshape(ops.transpose(ops.squeeze(attended, 0), 0, 1), [length, -1]);
}

function windowMask(shape: MaskShape, dtype: DType, masks: Map<string, Tensor>): Tensor {
  const key = `${shape.before} ${shape.length} ${shape.window}`;
  const mask = masks.get(key) ?? keep(causalMask(shape, dtype));
  masks.set(key, mask);
  return mask;
}

/** Completion tokens [Σ, heads, d] → [G, heads, T, d], short completions padded with some token nobody looks at. */
function padded(x: Tensor, { pad, completions, longest }: TreeLayout): Tensor {
  const block = pad ? ops.indexSelect(x, 0, pad) : x;
  return ops.transpose(ops.view(block, [completions.length, longest, x.size(1), x.size(2)]), 1, 2);
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

function layOut(start: number, prompt: number, completions: number[], dtype: DType): TreeLayout {
  const longest = Math.max(0, ...completions);
  const ragged = completions.some((length) => length !== longest);
  const layout: TreeLayout = { start, prompt, completions, longest, pad: null, unpad: null, mask: null };
  if (completions.length <= 1 || longest === 0) return layout;
  layout.mask = causalMask({ before: prompt, length: longest, window: null }, dtype);
  if (!ragged) return layout;
  const pad: number[] = [];
  const unpad: number[] = [];
  let offset = 0;
  completions.forEach((length, g) => {
    for (let t = 0; t < longest; t++) {
      pad.push(t < length ? offset + t : 0);
      if (t < length) unpad.push(g * longest + t);
    }
    offset += length;
  });
  layout.pad = int64(pad);
  layout.unpad = int64(unpad);
  return layout;
}

function checkTree({ prompt, completions }: TokenTree, index: number, contextLength: number): void {
  if (prompt.length === 0) throw expected(`prompts[${index}]`, 'to have at least one token', prompt, 'give a prompt that is not empty');
  const longest = prompt.length + Math.max(0, ...completions.map((completion) => completion.length));
  if (longest > contextLength) {
    throw expected(`prompts[${index}]`, `to fit the context of ${contextLength} tokens with its completion`, `${longest} tokens`, 'shorten the prompt or the completion');
  }
}

function int64(values: readonly number[]): Tensor {
  return tensor(values, [values.length], 'int64');
}
