/** Log-probabilities of whole rounds under some model, as training computes them: ℓold before the first update, ℓref. */
import type { Decoder } from '../model/decoder.ts';
import { disposeBatch, packTrees } from '../model/packed-batch.ts';
import type { PackedBatch } from '../model/packed-batch.ts';
import { tensor } from '../tensor/tensor.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { cutIntoMicroBatches } from '../training/pack.ts';
import type { GroupPart, MicroBatchLimit } from '../training/pack.ts';
import { scoreBatch } from '../training/update.ts';
import type { Group, Rollout } from './types.ts';

/** The micro-batches of some groups: which completions go through the network together. */
export function microBatches(groups: readonly Group[], limit: MicroBatchLimit): GroupPart[][] {
  return cutIntoMicroBatches(
    groups.map(({ prompt, rollouts }) => ({ prompt: prompt.ids.length, completions: rollouts.map(({ ids }) => ids.length) })),
    limit,
  );
}

/** The completions of a micro-batch, in the order in which `packMicroBatch` lays them out. */
export function rowsOf(groups: readonly Group[], parts: readonly GroupPart[]): { group: Group; rollout: Rollout; sample: number }[] {
  return parts.flatMap(({ group, rows }) => rows.map((sample) => ({ group: groups[group]!, rollout: groups[group]!.rollouts[sample]!, sample })));
}

/** A micro-batch as a packed batch of token trees: each prompt once. */
export function packMicroBatch(decoder: Decoder, groups: readonly Group[], parts: readonly GroupPart[]): PackedBatch {
  const trees = parts.map(({ group, rows }) => ({
    prompt: groups[group]!.prompt.ids,
    completions: rows.map((row) => groups[group]!.rollouts[row]!.ids),
  }));
  return packTrees(trees, decoder.config.contextLength);
}

/** A number for each token of a packed micro-batch, the same however the update is cut. [N] */
export function tokenKeys(groups: readonly Group[], parts: readonly GroupPart[]): Tensor {
  // Group, row of the group (0 is the prompt) and place in it, below 2⁵³, where numbers stay exact.
  const key = (group: number, row: number, place: number) => (group * 2 ** 12 + row) * 2 ** 24 + place;
  const keys = parts.flatMap(({ group, rows }) => {
    const { prompt, rollouts } = groups[group]!;
    return [prompt.ids.map((_, t) => key(group, 0, t)), ...rows.map((row) => rollouts[row]!.ids.slice(0, -1).map((_, t) => key(group, row + 1, t)))].flat();
  });
  return tensor(keys, [keys.length], 'int64');
}

/** Computes log-probabilities of every completion under `decoder` and stores them in the rollouts under `field`. */
export async function recordLogprobs(
  decoder: Decoder,
  groups: readonly Group[],
  field: 'oldLogprobs' | 'refLogprobs',
  { temperature, limit }: { temperature: number; limit: MicroBatchLimit },
): Promise<void> {
  for (const parts of microBatches(groups, limit)) {
    const batch = packMicroBatch(decoder, groups, parts);
    try {
      const { logprobs } = await scoreBatch(decoder, batch, temperature);
      let start = 0;
      for (const { rollout } of rowsOf(groups, parts)) {
        rollout[field] = logprobs.slice(start, start + rollout.ids.length);
        start += rollout.ids.length;
      }
    } finally {
      disposeBatch(batch);
    }
  }
}
