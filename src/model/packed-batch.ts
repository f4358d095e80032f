/**
 * Token trees: a prompt once, behind it its completions, group after group, in one row of N tokens without padding.
 * Linear layers see the packed tokens; attention (tree-attention.ts) knows which of them belong together.
 */
import { expected } from '../errors.ts';
import { keep } from '../tensor/scope.ts';
import { tensor } from '../tensor/tensor.ts';
import type { Tensor } from '../tensor/tensor.ts';

/** A prompt and completions of it, as token ids. */
export interface TokenTree {
  prompt: readonly number[];
  completions: readonly (readonly number[])[];
}

/** Where a tree lies in the packed row. Lengths in packed tokens: a completion is there without its last token. */
export interface TreeLayout {
  /** First token of the tree in the packed row. */
  start: number;
  prompt: number;
  completions: number[];
}

/** A batch of trees, ready for passes over the network. Free it with `disposeBatch`. */
export interface PackedBatch {
  ids: Tensor; // [N]
  positions: Tensor; // [N]
  /** For each prompt and each completion: its first token, how many there are, and how many of the prompt it sees. int64 [S, 3] */
  segments: Tensor;
  trees: TreeLayout[];
  /** The token whose hidden state predicts each completion token. [M] */
  predictors: Tensor;
  /** The completion tokens, tree after tree. [M] */
  targets: Tensor;
  /** Tokens of each completion, tree after tree. Together M. */
  completions: number[];
  /** N, packed tokens. */
  tokens: number;
  /** M, completion tokens. */
  predicted: number;
  /** Masks and places of plain attention, made when a layer first needs them. */
  plain: Map<string, Tensor>;
}

/** Lays trees out in one packed row and builds positions and indices once. */
export function packTrees(trees: readonly TokenTree[], contextLength: number): PackedBatch {
  const ids: number[] = [];
  const positions: number[] = [];
  const segments: number[] = [];
  const predictors: number[] = [];
  const targets: number[] = [];
  const layouts = trees.map((tree, index): TreeLayout => {
    const start = ids.length;
    const { prompt, completions } = tree;
    checkTree(tree, index, contextLength);
    segments.push(start, prompt.length, 0);
    prompt.forEach((id, i) => {
      ids.push(id);
      positions.push(i);
    });
    for (const completion of completions) {
      // Behind its last token nothing is predicted: that token never goes through the network.
      const inputs = completion.slice(0, -1);
      segments.push(ids.length, inputs.length, prompt.length);
      completion.forEach((id, t) => {
        predictors.push(t === 0 ? start + prompt.length - 1 : ids.length + t - 1);
        targets.push(id);
      });
      inputs.forEach((id, t) => {
        ids.push(id);
        positions.push(prompt.length + t);
      });
    }
    return { start, prompt: prompt.length, completions: completions.map((completion) => Math.max(0, completion.length - 1)) };
  });
  return keep({
    ids: int64(ids),
    positions: int64(positions),
    segments: tensor(segments, [segments.length / 3, 3], 'int64'),
    trees: layouts,
    predictors: int64(predictors),
    targets: int64(targets),
    completions: trees.flatMap(({ completions }) => completions.map(({ length }) => length)),
    tokens: ids.length,
    predicted: targets.length,
    plain: new Map<string, Tensor>(),
  });
}

export function disposeBatch({ ids, positions, segments, predictors, targets, plain }: PackedBatch): void {
  for (const part of [ids, positions, segments, predictors, targets, ...plain.values()]) part.dispose();
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
