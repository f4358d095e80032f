/** Log-probabilities of whole rounds under some model, as training computes them: ℓold before the first update, ℓref. */
import type { Decoder } from '../model/decoder.ts';
import { disposeBatch, packTrees } from '../model/packed-batch.ts';
import type { PackedBatch } from '../model/packed-batch.ts';
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
  return packTrees(trees, decoder.config.contextLength, decoder.dtype);
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
